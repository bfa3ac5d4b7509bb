"""The life of one request, against the sandbox: kept once, whatever is cut or broken.

A crash is played by copying the run directory at the instant of the crash and going on
with the copy: what a killed process leaves behind is exactly what stands on the disk.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import resource
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from decimal import Decimal
from itertools import count
from pathlib import Path

import msgspec
import pytest
from aiohttp import web

from batcher.choice import Choice
from batcher.config import Secret
from batcher.errors import StoreError
from batcher.gate import Gate
from batcher.governor import Governor, Limits
from batcher.governor.budget import Budget
from batcher.ledger import FILE_NAME, LedgerWriter, State, event, read_ledger
from batcher.models import Failure, Reference, Request
from batcher.payload import LARGEST_BODY
from batcher.pricing import Price
from batcher.retry import Policy
from batcher.sandbox import Sandbox
from batcher.stores import PARTIAL_FOLDER, LocalStore, Partial
from batcher.transport import Begin, HttpTransport, Received
from batcher.worker import Terms, Worker
from tests.integration.odd_server import Handler, serving
from tests.integration.store_conformance import png

PRICES = (Price(usd=Decimal("0.5")),)
REPLIES = ("b64_json", "url")

Hook = Callable[[], None]


def nothing() -> None:
    """Do nothing."""


def request(prompt: str = "a fox", *, output: str = "fox", **body: object) -> Request:
    fields = {"model": "gpt-image-2-pro", "prompt": prompt, "size": "64x64", **body}
    digest = hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()
    return Request(
        id=digest[:20], name=output, body=fields, vars={}, output=output, origin="m:1"
    )


class WatchedLedger(LedgerWriter):
    """A ledger that calls a hook before and after each line."""

    hook: Hook = staticmethod(nothing)

    def append(self, event: event.Event) -> None:
        self.hook()
        super().append(event)
        self.hook()


class WatchedStore(LocalStore):
    """A store that calls a hook before and after an image gets its name."""

    hook: Hook = staticmethod(nothing)

    def link(self, partial: str, output: str, suffix: str) -> str:
        self.hook()
        path = super().link(partial, output, suffix)
        self.hook()
        return path


class WatchedTransport(HttpTransport):
    """A transport that calls a hook when a reply or a file has come."""

    hook: Hook = staticmethod(nothing)

    async def post(
        self,
        body: bytes,
        *,
        seconds: float,
        begin: Begin,
        may_leave: Callable[[], bool] = lambda: True,
    ) -> Received:
        received = await super().post(
            body, seconds=seconds, begin=begin, may_leave=may_leave
        )
        self.hook()
        return received

    async def fetch(
        self, url: str, partial: Partial, *, seconds: float
    ) -> Failure | None:
        failure = await super().fetch(url, partial, seconds=seconds)
        self.hook()
        return failure


class Observed:
    """Notes what the observer is told."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.delays: list[float | None] = []

    def attempted(self, _: Request, attempt: int, /) -> None:
        self.told.append(f"attempted {attempt}")

    def retrying(self, _: Request, failure: Failure, delay: float | None, /) -> None:
        self.delays.append(delay)
        self.told.append(f"retrying {failure.error_class}")

    def ended(self, _: Request, result: event.Result | None, /) -> None:
        self.told.append("unknown" if result is None else result.status.value)


class Desk:
    """One process's worth of worker, on one run directory."""

    def __init__(
        self, folder: Path, transport: WatchedTransport, terms: Terms, limits: Limits
    ) -> None:
        clock = asyncio.get_running_loop().time
        reading = read_ledger(folder)
        standings = reading.standings
        self.folder = folder
        self.ledger = WatchedLedger(folder, standings, expected_size=reading.size)
        self.store = WatchedStore(folder)
        self.transport = transport
        governor = Governor(limits, now=clock(), random=lambda: 0.0)
        governor.budget = Budget(
            spent=standings.spent, unknown=standings.maybe_billed(), images=0
        )
        self.gate = Gate(governor, clock)
        self.observer = Observed()
        self.worker = Worker(
            transport=transport,
            store=self.store,
            ledger=self.ledger,
            gate=self.gate,
            terms=terms,
            observer=self.observer,
        )

    async def live(self, request: Request) -> State | None:
        """Live a request and say where it stands then."""
        await self.worker.live(request)
        assert self.gate.governor.in_flight == set()
        standing = self.ledger.standings.get(request.id)
        return None if standing is None else standing.state

    def watch(self, hook: Hook) -> None:
        """Call a hook at every instant that matters."""
        self.ledger.hook = self.store.hook = self.transport.hook = hook


@asynccontextmanager
async def desk(
    folder: Path,
    base_url: str,
    *,
    on_unknown: str = "retry",
    on_lost_url: str = "fail",
    on_mismatch: str = "keep",
    max_attempts: int = 5,
    prices: tuple[Price, ...] = PRICES,
    timeout: float = 60.0,  # noqa: ASYNC109 - what the attempt is given
    **limits: object,
) -> AsyncIterator[Desk]:
    folder.mkdir(exist_ok=True)  # noqa: ASYNC240 - a test may wait
    choice = Choice.of(
        (),
        retry_unknown=on_unknown == "retry",
        buy_lost_urls=on_lost_url == "buy",
    )
    terms = Terms(
        endpoint="test",
        prices=prices,
        choice=choice,
        policy=Policy(max_attempts=max_attempts, retry_unknown=choice.retry_unknown),
        timeout=timeout,
        on_mismatch=on_mismatch,
        chance=lambda: 0.0,
    )
    key = Secret("sandbox")
    async with WatchedTransport(base_url, key, agent="batcher/test") as transport:
        opened = Desk(folder, transport, terms, Limits(**limits))  # type: ignore[arg-type]  # by name
        try:
            yield opened
        finally:
            opened.ledger.close()


def lines(folder: Path) -> list[dict[str, object]]:
    content = (folder / FILE_NAME).read_bytes()  # a text has other ends of lines, too
    return [json.loads(line) for line in content.splitlines()]


def events(folder: Path) -> list[object]:
    return [line["event"] for line in lines(folder)]


def last(folder: Path) -> dict[str, object]:
    return lines(folder)[-1]


def error_of(folder: Path) -> dict[str, object]:
    error = last(folder)["error"]
    assert isinstance(error, dict)
    return error


def check_books(folder: Path) -> None:
    """Check that every attempt has an outcome and every kept file is as recorded."""
    is_open: dict[object, bool] = {}
    for line in lines(folder):
        if line["event"] == "attempt":
            assert not is_open.get(line["id"]), "an attempt left without a word"
            is_open[line["id"]] = True
        elif line["event"] in ("retry", "unknown", "result"):
            is_open[line["id"]] = False
        if line["event"] == "result":
            images = line["images"]
            assert isinstance(images, list)
            for image in images:
                content = (folder / image["path"]).read_bytes()
                assert hashlib.sha256(content).hexdigest() == image["sha256"]
    assert not any(is_open.values()), "an attempt left without a word"


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("*.*") if path.suffix == ".png")


def partials(folder: Path) -> list[Path]:
    return [path for path in (folder / PARTIAL_FOLDER).glob("*") if path.is_file()]


@contextmanager
def full_at(size: int) -> Iterator[None]:
    """Let no file grow beyond `size` bytes, as a disk that fills up does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "run"


@pytest.fixture
async def gateway() -> AsyncIterator[Sandbox]:
    async with Sandbox() as sandbox:
        yield sandbox


@pytest.mark.parametrize("reply", REPLIES)
async def test_an_image_is_kept_and_written_down(
    folder: Path, gateway: Sandbox, reply: str
) -> None:
    async with desk(folder, gateway.base_url) as at:
        assert await at.live(request(response_format=reply)) is State.SUCCEEDED
        assert at.observer.told == ["attempted 1", "succeeded"]
    check_books(folder)
    line = last(folder)
    assert (line["attempts"], line["cost_usd"], line["maybe_billed_usd"]) == (1, 0.5, 0)
    assert files(folder) == ["fox.png"]
    assert gateway.journal.keys_seen == 0


@pytest.mark.parametrize("reply", REPLIES)
async def test_nothing_is_sent_or_fetched_that_the_ledger_does_not_know(
    folder: Path, reply: str
) -> None:
    known: list[tuple[str, object]] = []

    async def handler(http: web.Request) -> web.StreamResponse:
        await http.read()
        known.append((http.method, last(folder)["event"]))
        if http.method == "GET":
            return web.Response(body=png(), content_type="image/png")
        image: dict[str, object] = {"url": f"http://{http.host}/file"}
        if reply == "b64_json":
            image = {"b64_json": base64.b64encode(png()).decode()}
        return web.json_response({"data": [image]})

    async with serving(handler) as origin, desk(folder, f"{origin}/v1") as at:
        assert await at.live(request()) is State.SUCCEEDED
    fetched = [("GET", "reply")] if reply == "url" else []
    assert known == [("POST", "attempt"), *fetched]


async def test_a_kept_request_is_never_sent_again(
    folder: Path, gateway: Sandbox
) -> None:
    for _ in range(3):
        async with desk(folder, gateway.base_url) as at:
            assert await at.live(request()) is State.SUCCEEDED
    assert gateway.journal.posts == 1


@pytest.mark.parametrize("reply", REPLIES)
@pytest.mark.parametrize("skips", [False, True], ids=["retry", "skip"])
async def test_after_a_kill_at_any_instant_nothing_is_lost_that_was_whole(
    folder: Path, tmp_path: Path, gateway: Sandbox, reply: str, *, skips: bool
) -> None:
    asked = request(response_format=reply)
    instants: list[Path] = []

    def kill() -> None:
        copy = tmp_path / f"killed-{len(instants)}"
        instants.append(copy)
        # `cp -a` keeps what is one file under two names one file.
        subprocess.run(["cp", "-a", str(folder), str(copy)], check=True)

    async with desk(folder, gateway.base_url) as at:
        at.watch(kill)
        await at.live(asked)
    assert len(instants) >= 7
    sent = []
    for killed in instants:
        posts = gateway.journal.posts
        whole = any(path.stat().st_size for path in partials(killed))
        is_paid = whole or not {"reply", "result"}.isdisjoint(events(killed))
        on_unknown = "skip" if skips else "retry"
        async with desk(killed, gateway.base_url, on_unknown=on_unknown) as at:
            is_unknown = at.ledger.standings.get(asked.id) is not None
            state = await at.live(asked)
        sent.append(gateway.journal.posts - posts)
        if skips and is_unknown and not is_paid:
            assert (sent[-1], state) == (0, State.UNKNOWN)
        else:
            assert (sent[-1], state) == (0 if is_paid else 1, State.SUCCEEDED)
            assert files(killed) == ["fox.png"]
    assert sent[0] == 1
    assert sent[-4:] == [0, 0, 0, 0]


@pytest.mark.parametrize("reply", REPLIES)
async def test_whenever_it_is_cancelled_an_attempt_has_a_last_word(
    tmp_path: Path, reply: str
) -> None:
    asked = request(response_format=reply, size="256x256")
    is_done = False
    ticks = 0
    while not is_done:
        run = tmp_path / f"cancelled-{ticks}"
        async with Sandbox() as gateway:
            async with desk(run, gateway.base_url) as at:
                life = asyncio.create_task(at.worker.live(asked))
                for _ in range(ticks):
                    await asyncio.sleep(0)
                is_done = life.done()
                life.cancel()
                await asyncio.wait([life])
                assert at.gate.governor.in_flight == set()
            check_books(run)
            async with desk(run, gateway.base_url) as at:
                assert await at.live(asked) is State.SUCCEEDED
            check_books(run)
            assert files(run) == ["fox.png"]
            attempts = events(run).count("attempt")
            assert gateway.journal.posts <= attempts <= 2
            spent = read_ledger(run).standings
            known = spent.spent + spent.maybe_billed()
            assert known >= Decimal("0.5") * gateway.journal.billed
        ticks += 1 + ticks // 20
    assert ticks > 8


def cancelling(life: asyncio.Task[None], instant: int, passed: Iterator[int]) -> Hook:
    """Make a hook that cancels a life at one of the instants that pass."""
    loop = asyncio.get_running_loop()

    def hook() -> None:
        if next(passed) == instant:
            loop.call_soon_threadsafe(life.cancel)

    return hook


@pytest.mark.parametrize("reply", REPLIES)
async def test_a_cancellation_at_any_instant_loses_nothing_that_was_whole(
    tmp_path: Path, gateway: Sandbox, reply: str
) -> None:
    asked = request(response_format=reply)
    for instant in count():
        run = tmp_path / f"cancelled-{instant}"
        passed = count()
        async with desk(run, gateway.base_url) as at:
            life = asyncio.create_task(at.worker.live(asked))
            at.watch(cancelling(life, instant, passed))
            await asyncio.wait([life])
            assert at.gate.governor.in_flight == set()
        check_books(run)
        whole = any(path.stat().st_size for path in partials(run))
        is_paid = whole or not {"reply", "result"}.isdisjoint(events(run))
        posts = gateway.journal.posts
        async with desk(run, gateway.base_url) as at:
            assert await at.live(asked) is State.SUCCEEDED
        assert gateway.journal.posts - posts == (0 if is_paid else 1)
        assert files(run) == ["fox.png"]
        if next(passed) <= instant:
            break
    assert instant >= 6


async def test_an_image_that_was_whole_when_the_disk_filled_up_is_kept_later(
    folder: Path, gateway: Sandbox
) -> None:
    asked = request()
    async with desk(folder, gateway.base_url) as at:
        for number in range(6):  # until the ledger is larger than an image
            await at.live(request(f"{number}", output=f"{number}"))
        size = (folder / FILE_NAME).stat().st_size
        with full_at(size + 220), pytest.raises(StoreError, match="cannot write"):
            await at.live(asked)
        assert at.gate.governor.in_flight == set()
    assert events(folder)[-1] == "attempt"
    async with desk(folder, gateway.base_url) as at:
        assert await at.live(asked) is State.SUCCEEDED
    assert last(folder)["warnings"] == ["adopted"]
    assert gateway.journal.posts == 7
    assert "fox.png" in files(folder)


async def test_a_full_disk_while_an_image_comes_is_the_attempts_last_word(
    folder: Path, gateway: Sandbox
) -> None:
    asked = request(size="256x256")
    async with desk(folder, gateway.base_url) as at:
        with full_at(2000), pytest.raises(StoreError, match="cannot keep"):
            await at.live(asked)
        assert at.gate.governor.in_flight == set()
        assert at.observer.told == ["attempted 1", "unknown"]
    check_books(folder)
    error = last(folder)["error"]
    assert isinstance(error, dict)
    assert error["class"] == "store"
    async with desk(folder, gateway.base_url) as at:
        assert await at.live(asked) is State.SUCCEEDED
    assert last(folder)["maybe_billed_usd"] == 0.5


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ("server*1", ["retrying server"]),
        ("html_502*1", ["retrying ambiguous"]),
        ("empty_data*1", ["retrying bad_reply"]),
        ("cut_image*2", ["retrying bad_reply", "retrying bad_reply"]),
        ("truncate*1", ["retrying ambiguous"]),
    ],
)
async def test_what_may_pass_is_tried_again(
    folder: Path, gateway: Sandbox, fault: str, told: list[str]
) -> None:
    async with desk(folder, gateway.base_url) as at:
        assert await at.live(request(f"sandbox:{fault}")) is State.SUCCEEDED
        assert [each for each in at.observer.told if "retr" in each] == told
    check_books(folder)


async def test_what_may_have_been_billed_is_summed_once(
    folder: Path, gateway: Sandbox
) -> None:
    asked = request("sandbox:truncate*3")
    async with desk(folder, gateway.base_url, max_attempts=2) as at:
        assert await at.live(asked) is State.FAILED
    assert last(folder)["maybe_billed_usd"] == 1.0
    async with desk(folder, gateway.base_url, max_attempts=2) as at:
        assert await at.live(asked) is State.SUCCEEDED
    line = last(folder)
    assert (line["attempts"], line["cost_usd"], line["maybe_billed_usd"]) == (
        4,
        0.5,
        1.5,
    )
    standings = read_ledger(folder).standings
    assert (standings.spent, standings.maybe_billed()) == (
        Decimal("0.5"),
        Decimal("1.5"),
    )
    assert gateway.journal.billed == 4


async def test_what_has_no_price_is_never_said_to_cost_nothing(
    folder: Path, gateway: Sandbox
) -> None:
    asked = request("sandbox:truncate*1", model="dreamer")
    async with desk(folder, gateway.base_url, prices=()) as at:
        assert await at.live(asked) is State.SUCCEEDED
    attempt, line = lines(folder)[0], last(folder)
    assert "reserved_usd" not in attempt
    assert line["cost_usd"] is line["maybe_billed_usd"] is None
    assert not read_ledger(folder).standings.is_priced


async def test_an_unknown_outcome_is_left_alone_when_the_user_says_so(
    folder: Path, gateway: Sandbox
) -> None:
    asked = request("sandbox:truncate*1")
    for told in (["attempted 1", "unknown"], []):
        async with desk(folder, gateway.base_url, on_unknown="skip") as at:
            assert await at.live(asked) is State.UNKNOWN
            assert at.observer.told == told
    assert events(folder) == ["attempt", "unknown"]
    assert gateway.journal.posts == 1
    async with desk(folder, gateway.base_url) as at:
        assert await at.live(asked) is State.SUCCEEDED
    assert last(folder)["maybe_billed_usd"] == 0.5


@pytest.mark.parametrize("fault", ["truncate*1", "truncate*5"])
async def test_an_ambiguous_attempt_follows_the_users_word_at_the_next_run(
    folder: Path, gateway: Sandbox, fault: str
) -> None:
    asked = request(f"sandbox:{fault}")
    async with desk(folder, gateway.base_url, max_attempts=2) as at:
        if fault == "truncate*1":  # closed between the first attempt and the second
            at.ledger.hook = lambda: (
                at.gate.close() if told(folder) == "retry" else None
            )
        await at.live(asked)
    posts = gateway.journal.posts
    async with desk(folder, gateway.base_url, on_unknown="skip") as at:
        await at.live(asked)
    assert gateway.journal.posts == posts


def told(folder: Path) -> object:
    return events(folder)[-1] if (folder / FILE_NAME).stat().st_size else None


@pytest.mark.parametrize(
    ("fault", "status"),
    [("moderation", State.REJECTED), ("invalid_400", State.REJECTED)],
)
async def test_what_the_gateway_will_not_make_is_rejected_at_once(
    folder: Path, gateway: Sandbox, fault: str, status: State
) -> None:
    async with desk(folder, gateway.base_url) as at:
        assert await at.live(request(f"sandbox:{fault}")) is status
    assert gateway.journal.posts == 1
    assert last(folder)["request_id"]


async def test_what_stops_the_run_closes_the_gate_and_leaves_the_request_pending(
    folder: Path, gateway: Sandbox
) -> None:
    async with desk(folder, gateway.base_url) as at:
        assert await at.live(request("sandbox:auth")) is State.PENDING
        assert at.gate.is_closed
        assert at.gate.stopped is not None
        assert at.gate.stopped.error_class == "auth"
        assert at.observer.delays == [None]
        assert last(folder)["later"] is True
        assert await at.live(request("another")) is None
    assert gateway.journal.posts == 1


async def test_the_wait_that_is_told_is_the_one_the_gateway_asked_for(
    folder: Path,
) -> None:
    posts = count()

    async def handler(http: web.Request) -> web.StreamResponse:
        if next(posts):
            return await replying({"b64_json": WHOLE})(http)
        await http.read()
        return web.Response(status=429, headers={"retry-after-ms": "40"})

    async with serving(handler) as origin, desk(folder, f"{origin}/v1") as at:
        assert await at.live(request(size="8x8")) is State.SUCCEEDED
        assert at.observer.delays == [0.04]
    assert lines(folder)[1]["delay"] == 0.04


async def test_a_budget_that_is_spent_sends_nothing(
    folder: Path, gateway: Sandbox
) -> None:
    async with desk(folder, gateway.base_url, max_spend=Decimal("0.9")) as at:
        assert await at.live(request()) is State.SUCCEEDED
        assert await at.live(request("another", output="b")) is None
        assert at.gate.stopped is not None
        assert at.gate.stopped.error_class == "spend"
    assert gateway.journal.posts == 1


async def test_a_failed_download_is_fetched_again_and_not_bought_again(
    folder: Path, gateway: Sandbox
) -> None:
    asked = request("sandbox:download_500*1", response_format="url")
    async with desk(folder, gateway.base_url) as at:
        assert await at.live(asked) is State.SUCCEEDED
    assert (gateway.journal.posts, gateway.journal.downloads) == (1, 2)


class Files:
    """A gateway whose files can be fetched only when it is told so."""

    def __init__(self, *, images: int = 1) -> None:
        self.status = 404
        self.posts = 0
        self.images = images

    async def __call__(self, http: web.Request) -> web.StreamResponse:
        if http.method == "POST":
            await http.read()
            self.posts += 1
            urls = [f"http://{http.host}/{n}" for n in range(self.images)]
            return web.json_response({"data": [{"url": url} for url in urls]})
        if self.status == 200 or http.path == "/1":
            return web.Response(body=png(), content_type="image/png")
        return web.Response(status=self.status)


@pytest.mark.parametrize("status", [404, 500])
async def test_a_paid_image_whose_url_fails_is_fetched_by_the_next_run(
    folder: Path, status: int
) -> None:
    shop = Files()
    shop.status = status
    async with serving(shop) as origin:
        for _ in range(2):
            async with desk(folder, f"{origin}/v1") as at:
                assert await at.live(request()) is State.FAILED
            error = last(folder)["error"]
            assert isinstance(error, dict)
            assert error["class"] == "download"
        shop.status = 200
        async with desk(folder, f"{origin}/v1", on_unknown="skip") as at:
            assert await at.live(request()) is State.SUCCEEDED
    assert shop.posts == 1
    assert last(folder)["cost_usd"] == 0.5
    assert read_ledger(folder).standings.spent == Decimal("0.5")
    check_books(folder)


@pytest.mark.parametrize("on_unknown", ["retry", "skip"])
async def test_a_lost_url_is_bought_anew_only_when_the_user_says_so(
    folder: Path, on_unknown: str
) -> None:
    shop = Files()
    async with serving(shop) as origin:
        async with desk(folder, f"{origin}/v1") as at:
            assert await at.live(request()) is State.FAILED
        async with desk(folder, f"{origin}/v1") as at:
            assert await at.live(request()) is State.FAILED
        assert shop.posts == 1
        chosen = {"on_lost_url": "buy", "on_unknown": on_unknown}
        async with desk(folder, f"{origin}/v1", **chosen) as at:  # type: ignore[arg-type]  # by name
            assert await at.live(request()) is State.FAILED
    assert shop.posts == 2
    assert read_ledger(folder).standings.spent == Decimal("1.0")


async def test_a_url_that_may_come_back_is_not_bought_anew(folder: Path) -> None:
    shop = Files()
    shop.status = 500
    async with serving(shop) as origin:
        for _ in range(2):
            async with desk(folder, f"{origin}/v1", on_lost_url="buy") as at:
                assert await at.live(request()) is State.FAILED
    assert shop.posts == 1


async def test_of_several_paid_images_what_can_be_had_is_kept(folder: Path) -> None:
    shop = Files(images=2)
    shop.status = 410
    async with serving(shop) as origin, desk(folder, f"{origin}/v1") as at:
        assert await at.live(request(n=2, size="8x8")) is State.SUCCEEDED
    line = last(folder)
    images = line["images"]
    assert isinstance(images, list)
    assert [(image["index"], image["path"]) for image in images] == [(1, "fox-2.png")]
    assert line["warnings"] == ["lost_url", "fewer_images"]
    assert shop.posts == 1


def replying(*images: dict[str, object], **rest: object) -> Handler:
    async def handler(http: web.Request) -> web.StreamResponse:
        await http.read()
        if http.method == "GET":
            return web.Response(body=png(filler=9), content_type="image/png")
        return web.json_response({"data": list(images), **rest})

    return handler


WHOLE = base64.b64encode(png()).decode()
CUT = base64.b64encode(png()[:60]).decode()


async def test_a_bad_image_does_not_take_a_good_one_with_it(folder: Path) -> None:
    handler = replying({"b64_json": CUT}, {"b64_json": WHOLE, "revised_prompt": "two"})
    async with serving(handler) as origin, desk(folder, f"{origin}/v1") as at:
        assert await at.live(request(n=2, size="8x8")) is State.SUCCEEDED
    images = last(folder)["images"]
    assert isinstance(images, list)
    assert [(image["index"], image["revised_prompt"]) for image in images] == [
        (1, "two")
    ]
    assert len(partials(folder)) == 1


async def test_a_broken_image_is_written_down_with_what_a_refund_asks_for(
    folder: Path,
) -> None:
    async def handler(http: web.Request) -> web.StreamResponse:
        await http.read()
        body = {"data": [{"b64_json": CUT}]}
        return web.json_response(body, headers={"x-request-id": "req-7"})

    async with (
        serving(handler) as origin,
        desk(folder, f"{origin}/v1", max_attempts=2) as at,
    ):
        assert await at.live(request(size="8x8")) is State.FAILED
    ids = [line["request_id"] for line in lines(folder) if line["event"] != "attempt"]
    assert ids == ["req-7", "req-7"]
    assert (error_of(folder)["class"], error_of(folder)["status"]) == ("bad_reply", 200)


async def test_images_that_were_asked_for_and_did_not_come_are_maybe_billed(
    folder: Path,
) -> None:
    limit = Decimal("3.9")  # room for one request of four and not for two
    handler = replying({"b64_json": WHOLE})
    async with (
        serving(handler) as origin,
        desk(folder, f"{origin}/v1", max_spend=limit) as at,
    ):
        assert await at.live(request(n=4, size="8x8")) is State.SUCCEEDED
        standing = at.gate.governor.snapshot(0.0)
        assert (standing.spent, standing.unknown) == (Decimal("0.5"), Decimal("1.5"))
        assert await at.live(request("two", n=4, size="8x8")) is None
    line = last(folder)
    assert (line["cost_usd"], line["maybe_billed_usd"]) == (0.5, 1.5)
    standings = read_ledger(folder).standings
    assert (standings.spent, standings.maybe_billed()) == (
        Decimal("0.5"),
        Decimal("1.5"),
    )


async def test_of_a_reply_that_was_cut_what_did_not_come_is_maybe_billed(
    folder: Path,
) -> None:
    async def handler(http: web.Request) -> web.StreamResponse:
        await http.read()
        body = json.dumps({"data": [{"b64_json": WHOLE}] * 2}).encode()
        reply = web.StreamResponse(headers={"content-length": str(len(body))})
        await reply.prepare(http)
        await reply.write(body[:-50])
        assert http.transport is not None
        http.transport.close()
        return reply

    async with serving(handler) as origin, desk(folder, f"{origin}/v1") as at:
        assert await at.live(request(n=2, size="8x8")) is State.SUCCEEDED
    line = last(folder)
    assert (line["cost_usd"], line["maybe_billed_usd"]) == (0.5, 0.5)


async def test_what_is_kept_and_not_as_asked_is_paid_and_not_maybe_billed_too(
    folder: Path,
) -> None:
    handler = replying({"b64_json": WHOLE})
    async with (
        serving(handler) as origin,
        desk(folder, f"{origin}/v1", on_mismatch="fail") as at,
    ):
        assert await at.live(request(n=2, size="8x8")) is State.FAILED
        unknown = at.gate.governor.snapshot(0.0).unknown
    line = last(folder)
    assert (line["cost_usd"], line["maybe_billed_usd"]) == (0.5, 0.5)
    assert unknown == read_ledger(folder).standings.maybe_billed()


async def test_an_image_that_came_twice_is_kept_once_and_not_fetched(
    folder: Path,
) -> None:
    handler = replying({"b64_json": WHOLE, "url": "http://127.0.0.1:9/never"})
    async with serving(handler) as origin, desk(folder, f"{origin}/v1") as at:
        assert await at.live(request(size="8x8")) is State.SUCCEEDED
    assert events(folder) == ["attempt", "result"]
    assert files(folder) == ["fox.png"]


async def test_an_image_that_came_cut_is_fetched_from_its_url(folder: Path) -> None:
    async def handler(http: web.Request) -> web.StreamResponse:
        url = f"http://{http.host}/file"
        return await replying({"b64_json": CUT, "url": url})(http)

    async with serving(handler) as origin, desk(folder, f"{origin}/v1") as at:
        assert await at.live(request(size="8x8")) is State.SUCCEEDED
    assert events(folder) == ["attempt", "reply", "result"]


async def test_more_images_than_asked_are_all_kept(folder: Path) -> None:
    handler = replying({"b64_json": WHOLE}, {"b64_json": WHOLE})
    async with serving(handler) as origin, desk(folder, f"{origin}/v1") as at:
        assert await at.live(request(size="8x8")) is State.SUCCEEDED
    assert files(folder) == ["fox.png", "fox~2.png"]


@pytest.mark.parametrize(
    ("on_mismatch", "state", "posts", "kept"),
    [
        ("keep", State.SUCCEEDED, 1, 1),
        ("fail", State.FAILED, 1, 1),
        ("retry", State.FAILED, 2, 0),
    ],
)
async def test_what_is_not_as_asked_is_dealt_with_as_the_user_says(
    folder: Path,
    gateway: Sandbox,
    *,
    on_mismatch: str,
    state: State,
    posts: int,
    kept: int,
) -> None:
    asked = request("sandbox:wrong_size")
    async with desk(
        folder, gateway.base_url, on_mismatch=on_mismatch, max_attempts=2
    ) as at:
        assert await at.live(asked) is state
    assert gateway.journal.posts == posts
    assert len(files(folder)) == kept
    line = last(folder)
    assert line["warnings"] == (["size_mismatch"] if kept else [])
    assert (line["error"] is None) == (on_mismatch == "keep")


def reference_to(path: Path) -> Reference:
    """Refer to a file that holds, or shall hold, one certain image."""
    digest = f"sha256:{hashlib.sha256(png()).hexdigest()}"
    return Reference(text=str(path), digest=digest, is_file=True)


@pytest.mark.parametrize("is_changed", [False, True], ids=["gone", "changed"])
async def test_a_reference_that_is_not_as_planned_is_sent_once_it_is_back(
    folder: Path, tmp_path: Path, gateway: Sandbox, *, is_changed: bool
) -> None:
    path = tmp_path / "logo.png"
    asked = msgspec.structs.replace(request(), references=(reference_to(path),))
    if is_changed:
        path.write_bytes(png(filler=3))
    async with desk(folder, gateway.base_url) as at:
        assert await at.live(asked) is State.FAILED
    assert gateway.journal.posts == 0
    assert events(folder) == ["result"]
    assert (last(folder)["attempts"], error_of(folder)["class"]) == (0, "connect")
    path.write_bytes(png())
    async with desk(folder, gateway.base_url) as at:
        assert await at.live(asked) is State.SUCCEEDED
    assert last(folder)["attempts"] == 1


async def test_what_cannot_be_sent_again_does_not_forget_what_was_maybe_billed(
    folder: Path, tmp_path: Path, gateway: Sandbox
) -> None:
    path = tmp_path / "logo.png"
    path.write_bytes(png())
    asked = request("sandbox:truncate*1")
    asked = msgspec.structs.replace(asked, references=(reference_to(path),))
    async with desk(folder, gateway.base_url, on_unknown="skip") as at:
        assert await at.live(asked) is State.UNKNOWN
    path.unlink()
    async with desk(folder, gateway.base_url) as at:
        assert await at.live(asked) is State.UNKNOWN
    assert error_of(folder)["class"] == "connect"
    assert read_ledger(folder).standings.maybe_billed() == Decimal("0.5")
    path.write_bytes(png())
    async with desk(folder, gateway.base_url) as at:
        assert await at.live(asked) is State.SUCCEEDED
    assert last(folder)["maybe_billed_usd"] == 0.5


async def test_a_body_that_is_too_large_is_rejected(
    folder: Path, gateway: Sandbox
) -> None:
    half = Reference(text="a" * (LARGEST_BODY // 2))
    asked = msgspec.structs.replace(request(), references=(half, half))
    async with desk(folder, gateway.base_url) as at:
        assert await at.live(asked) is State.REJECTED
    assert events(folder) == ["result"]
    assert (last(folder)["attempts"], error_of(folder)["class"]) == (0, "invalid")


async def test_references_are_sent_and_written_down_as_digests(
    folder: Path, tmp_path: Path, gateway: Sandbox
) -> None:
    path = tmp_path / "logo.png"
    path.write_bytes(png())
    reference = reference_to(path)
    asked = msgspec.structs.replace(
        request(), references=(reference,), single_reference=True
    )
    async with desk(folder, gateway.base_url) as at:
        assert await at.live(asked) is State.SUCCEEDED
    sent = last(folder)["request"]
    assert isinstance(sent, dict)
    assert sent["image"] == reference.digest
    post = next(iter(gateway.journal))
    assert post["has_image"]


async def test_many_lives_at_once_do_not_disturb_each_other(
    folder: Path, gateway: Sandbox
) -> None:
    requests = [request(f"fox {n}", output=f"fox-{n}") for n in range(40)]
    async with desk(folder, gateway.base_url, concurrency=16) as at:
        async with asyncio.TaskGroup() as group:
            for each in requests:
                group.create_task(at.worker.live(each))
        states = [at.ledger.standings.get(each.id) for each in requests]
    assert {each.state for each in states if each} == {State.SUCCEEDED}
    assert len(files(folder)) == gateway.journal.posts == 40


class Successor:
    """Another worker, who takes the work over at some time."""

    has_come = False

    def is_ours(self) -> bool:
        return not self.has_come

    def refused(self, ipm: float) -> None:
        del ipm

    def come(self) -> None:
        self.has_come = True


@pytest.mark.parametrize(
    ("prompt", "reply", "written"),
    [
        ("x sandbox:server", "b64_json", ["attempt"]),
        ("x sandbox:download_404", "url", ["attempt", "reply"]),
        ("a fox", "b64_json", ["attempt", "result"]),
    ],
    ids=["failure", "lost-url", "image"],
)
async def test_who_was_replaced_writes_what_it_kept_and_no_failure(
    folder: Path, gateway: Sandbox, prompt: str, reply: str, written: list[str]
) -> None:
    async with desk(folder, gateway.base_url, max_attempts=1) as at:
        successor = Successor()
        at.gate._others = successor
        at.transport.hook = successor.come
        await at.live(request(prompt, response_format=reply))
    assert events(folder) == written


async def test_who_was_replaced_before_announces_nothing(
    folder: Path, gateway: Sandbox
) -> None:
    async with desk(folder, gateway.base_url) as at:
        successor = Successor()
        successor.come()
        at.gate._others = successor
        assert await at.live(request()) is None

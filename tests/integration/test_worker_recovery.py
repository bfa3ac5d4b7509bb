"""What was paid for and lies half kept is made good: each image once, as what it is."""

from __future__ import annotations

import base64
import hashlib
import json
import subprocess
from collections import Counter
from collections.abc import Callable, Collection
from decimal import Decimal
from pathlib import Path

import pytest
from aiohttp import web

from batcher.ledger import FILE_NAME, State, read_ledger
from batcher.ledger.event import Attempt, Event, Reply, encode, now
from batcher.models import Request
from batcher.stores import PARTIAL_FOLDER, LocalStore, Store
from batcher.stores.cloud import CloudDirectory
from batcher.stores.cloud_store import CloudStore
from batcher.worker import Worker
from tests.integration.odd_server import serving
from tests.integration.store_conformance import png
from tests.integration.test_worker import (
    check_books,
    desk,
    events,
    last,
    lines,
    partials,
    request,
)

SHAPES = ("uu", "iu", "ui", "uuu", "uiu")
"""Replies by what each entry is: inside, or at a URL."""

MISSING = [(s, index) for s in SHAPES for index, kind in enumerate(s) if kind == "u"]
"""Replies, and one of their images that cannot be fetched at first."""


def content(index: int) -> bytes:
    """Make an image that tells which one it is."""
    return png(filler=1 + index)


class Shop:
    """A gateway whose files can be had only while they are on the shelf.

    Args:
        shape: What each entry of its reply is.
    """

    def __init__(self, shape: str) -> None:
        self.shape = shape
        self.at_urls = {index for index, kind in enumerate(shape) if kind == "u"}
        self.shelf: Collection[int] = self.at_urls
        self.status = 500
        self.posts = 0
        self.sold = Counter[int]()

    async def __call__(self, http: web.Request) -> web.StreamResponse:
        if http.method == "POST":
            await http.read()
            self.posts += 1
            data = [self.entry(http, index) for index in range(len(self.shape))]
            return web.json_response({"data": data})
        index = int(http.path.strip("/"))
        if index not in self.shelf:
            return web.Response(status=self.status)
        self.sold[index] += 1
        return web.Response(body=content(index), content_type="image/png")

    def entry(self, http: web.Request, index: int) -> dict[str, str]:
        prompt = {"revised_prompt": f"prompt {index}"}
        if index in self.at_urls:
            return {"url": f"http://{http.host}/{index}", **prompt}
        return {"b64_json": base64.b64encode(content(index)).decode(), **prompt}


def asking(shop: Shop) -> Request:
    return request(n=len(shop.shape), size="8x8")


def kept(folder: Path) -> set[int]:
    """Give the indexes of what is kept, each of them the image that it says it is."""
    images = last(folder)["images"]
    assert isinstance(images, list)
    for image in images:
        index = image["index"]
        assert (folder / image["path"]).read_bytes() == content(index)
        assert image["path"] == f"fox-{index + 1}.png"
        assert image["revised_prompt"] == f"prompt {index}"
    return {image["index"] for image in images}


def whole(folder: Path) -> int:
    """Count the images that lie whole on the disk, without a name or with one."""
    known = {content(index) for index in range(3)}
    return sum(path.read_bytes() in known for path in partials(folder))


def forget_indexes(folder: Path) -> None:
    """Make the ledger one of an older batcher."""
    older = [
        {key: value for key, value in line.items() if key != "indexes"}
        for line in lines(folder)
    ]
    text = "".join(f"{json.dumps(line)}\n" for line in older)
    (folder / FILE_NAME).write_text(text)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "run"


@pytest.mark.parametrize(("shape", "missing"), MISSING)
@pytest.mark.parametrize("is_gone", [False, True], ids=["back", "gone"])
async def test_what_came_is_kept_though_the_rest_comes_later_or_never(
    folder: Path, shape: str, missing: int, *, is_gone: bool
) -> None:
    shop = Shop(shape)
    shop.shelf = shop.at_urls - {missing}
    asked = asking(shop)
    everything = set(range(len(shape)))
    async with serving(shop) as origin:
        async with desk(folder, f"{origin}/v1") as at:
            assert await at.live(asked) is State.FAILED
        assert whole(folder) == len(shape) - 1
        shop.shelf = () if is_gone else shop.at_urls
        shop.status = 403
        async with desk(folder, f"{origin}/v1", on_lost_url="buy") as at:
            assert await at.live(asked) is State.SUCCEEDED
    assert kept(folder) == everything - ({missing} if is_gone else set())
    warnings = ["lost_url", "fewer_images"] if is_gone else []
    assert last(folder)["warnings"] == ["adopted", *warnings]
    assert shop.posts == 1
    assert set(shop.sold.values()) <= {1}
    paid = Decimal("0.5") * len(shape)
    assert read_ledger(folder).standings.spent == paid
    check_books(folder)


@pytest.mark.parametrize(
    "shelves", [(1, 0, 2), (2, 1, 0), (2, 0, 1), (0, 2, 1)], ids=str
)
async def test_images_that_come_one_a_run_all_come_to_be_kept(
    folder: Path, shelves: tuple[int, ...]
) -> None:
    shop = Shop("uuu")
    asked = asking(shop)
    async with serving(shop) as origin:
        for index in shelves:
            shop.shelf = {index}
            async with desk(folder, f"{origin}/v1") as at:
                state = await at.live(asked)
    assert state is State.SUCCEEDED
    assert kept(folder) == {0, 1, 2}
    assert shop.sold == {0: 1, 1: 1, 2: 1}
    assert shop.posts == 1


async def test_what_did_not_come_is_maybe_billed_once_in_however_many_runs(
    folder: Path,
) -> None:
    shop = Shop("uu")
    asked = request(n=3, size="8x8")
    async with serving(shop) as origin:
        for shelf in ({0}, (), {1}):
            shop.shelf = shelf
            async with desk(folder, f"{origin}/v1") as at:
                state = await at.live(asked)
            assert last(folder)["maybe_billed_usd"] == 0.5
    assert (state, shop.posts) == (State.SUCCEEDED, 1)
    standings = read_ledger(folder).standings
    assert (standings.spent, standings.maybe_billed()) == (Decimal(1), Decimal("0.5"))


@pytest.mark.parametrize("kind", ["shared folder", "bucket"])
async def test_wherever_images_lie_each_is_known_for_what_it_is(
    folder: Path, kind: str, bucket: str
) -> None:
    shop = Shop("uiu")
    shop.shelf = {2}
    asked = asking(shop)
    async with serving(shop) as origin:
        for shelf in ({2}, {0}):
            shop.shelf = shelf
            async with desk(folder, f"{origin}/v1") as at:
                store: Store = LocalStore(folder, is_shared=True)
                if kind == "bucket":
                    store = CloudStore(CloudDirectory(f"s3://{bucket}/run"))
                worker = Worker(
                    transport=at.transport,
                    store=store,
                    ledger=at.ledger,
                    gate=at.gate,
                    terms=at.worker._terms,
                    observer=at.observer,
                )
                await worker.live(asked)
    images = last(folder)["images"]
    assert isinstance(images, list)
    digests = [hashlib.sha256(content(index)).hexdigest() for index in range(3)]
    assert [image["sha256"] for image in images] == digests
    assert (shop.posts, shop.sold) == (1, {0: 1, 2: 1})


def killing(folder: Path, instants: list[Path]) -> Callable[[], None]:
    """Make a hook that keeps what a kill would leave."""

    def kill() -> None:
        copy = folder.with_name(f"killed-{len(instants)}")
        instants.append(copy)
        # `cp -a` keeps what is one file under two names one file.
        subprocess.run(["cp", "-a", str(folder), str(copy)], check=True)

    return kill


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("is_gone", [False, True], ids=["back", "gone"])
async def test_a_kill_at_any_instant_after_a_reply_loses_no_image(
    folder: Path, shape: str, *, is_gone: bool
) -> None:
    shop = Shop(shape)
    asked = asking(shop)
    instants: list[Path] = []
    async with serving(shop) as origin:
        async with desk(folder, f"{origin}/v1") as at:
            at.watch(killing(folder, instants))
            assert await at.live(asked) is State.SUCCEEDED
        shop.shelf = () if is_gone else shop.at_urls
        shop.status = 403
        paid = [each for each in instants if "reply" in events(each)]
        assert len(paid) > len(shape)
        for killed in paid:
            count = whole(killed)
            async with desk(killed, f"{origin}/v1") as at:
                state = await at.live(asked)
            assert state is (State.SUCCEEDED if count or not is_gone else State.FAILED)
            assert len(kept(killed)) == (count if is_gone else len(shape))
            check_books(killed)
    assert shop.posts == 1


@pytest.mark.parametrize("is_gone", [False, True], ids=["back", "gone"])
async def test_the_ledger_of_an_older_batcher_is_made_good_too(
    folder: Path, *, is_gone: bool
) -> None:
    shop = Shop("uu")
    shop.shelf = {0}
    asked = asking(shop)
    async with serving(shop) as origin:
        for shelf in ({0}, {0}, () if is_gone else {0, 1}):
            shop.shelf = shelf
            shop.status = 403 if is_gone and not shelf else 500
            async with desk(folder, f"{origin}/v1") as at:
                state = await at.live(asked)
            forget_indexes(folder)
    assert state is State.SUCCEEDED
    assert kept(folder) == ({0} if is_gone else {0, 1})
    assert (shop.posts, shop.sold[0]) == (1, 1)


async def test_a_late_reply_of_an_earlier_attempt_hides_no_image_of_the_last(
    folder: Path,
) -> None:
    shop = Shop("u")
    shop.shelf = ()
    asked = asking(shop)
    async with serving(shop) as origin:
        (folder / PARTIAL_FOLDER).mkdir(parents=True)
        written: list[Event] = [
            Attempt(at=now(), id=asked.id, attempt=1),
            Attempt(at=now(), id=asked.id, attempt=2),
            Reply(at=now(), id=asked.id, attempt=1, urls=(f"{origin}/0",)),
        ]
        (folder / FILE_NAME).write_bytes(b"".join(map(encode, written)))
        partial = await LocalStore(folder).begin(asked.id, 2, 0)
        await partial.write(content(0))
        await partial.finish()
        async with desk(folder, f"{origin}/v1") as at:
            assert await at.live(asked) is State.SUCCEEDED
    assert shop.posts == 0
    assert (folder / "fox.png").read_bytes() == content(0)

"""A gateway that is paid for nothing is left alone, and what it cost is bounded."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path

import pytest
from aiohttp import web

from batcher.choice import Choice
from batcher.config import Secret
from batcher.gate import Gate
from batcher.governor import Admission, Governor, Limits, Outcome
from batcher.governor.waste import MOST
from batcher.ledger import LedgerWriter, State, read_ledger
from batcher.pool import LocalPool
from batcher.pricing import Price
from batcher.retry import Policy
from batcher.stores import LocalStore
from batcher.transport import HttpTransport
from batcher.worker import Terms, Worker
from tests.integration.odd_server import serving
from tests.integration.test_worker import WHOLE, Observed, request

ROOM = 12
"""Requests that may be live at once."""

ABROAD = "http://10.1.2.3/x.png"
"""Fetched from by no gateway on loopback: a private address that is not its own."""

Answer = Callable[[int], tuple[int, list[dict[str, str]]]]
"""Of the POST of a number, its status and the `data` of its reply."""


def nothing(status: int) -> Answer:
    return lambda _: (status, [])


def dead(every: int) -> Answer:
    """Give a URL that gives no image in every so-many-th reply, else nothing."""
    return lambda number: (200, [{"url": ABROAD}] if number % every == 0 else [])


class Gateway:
    """Takes the money, and sends an image only once it is mended."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.posts = 0
        self.is_mended = False

    async def __call__(self, http: web.Request) -> web.StreamResponse:
        await http.read()
        self.posts += 1
        if self.is_mended:
            return web.json_response({"data": [{"b64_json": WHOLE}]})
        status, data = self.answer(self.posts)
        return web.json_response({"data": data}, status=status)


class WatchedGate(Gate):
    """A gate that tells when nothing is in flight, and nothing may leave."""

    def __init__(self, governor: Governor, clock: Callable[[], float]) -> None:
        super().__init__(governor, clock)
        self.paused = asyncio.Event()

    def leave(self, admission: Admission, outcome: Outcome) -> None:
        super().leave(admission, outcome)
        standing = self.governor.snapshot(self._clock())
        if standing.paused is not None and not standing.in_flight:
            self.paused.set()


class Night:
    """A run of many requests, whose clock can be set forward."""

    def __init__(
        self,
        folder: Path,
        transport: HttpTransport,
        *,
        on_unknown: str,
        max_attempts: int,
    ) -> None:
        self.skipped = 0.0
        standings = read_ledger(folder).standings
        self.ledger = LedgerWriter(folder, standings)
        governor = Governor(
            Limits(concurrency=ROOM // 3), now=self.clock(), random=lambda: 0.0
        )
        self.gate = WatchedGate(governor, self.clock)
        choice = Choice.of((), retry_unknown=on_unknown == "retry")
        policy = Policy(max_attempts=max_attempts, retry_unknown=choice.retry_unknown)
        self.worker = Worker(
            transport=transport,
            store=LocalStore(folder),
            ledger=self.ledger,
            gate=self.gate,
            terms=Terms(
                endpoint="test",
                prices=(Price(usd=Decimal("0.5")),),
                choice=choice,
                policy=policy,
                timeout=60.0,
                chance=lambda: 0.0,
            ),
            observer=Observed(),
        )
        self.pool = LocalPool(room=lambda: ROOM, is_closed=lambda: self.gate.is_closed)

    def clock(self) -> float:
        return asyncio.get_running_loop().time() + self.skipped

    async def run(self, requests: int) -> None:
        """Send them until the run pauses, half a minute later again, and to the end."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.run_through(requests))
            await self.gate.paused.wait()
            self.skipped += 60.0
            self.gate.notice()

    async def run_through(self, requests: int) -> None:
        """Send them, whose clock goes on as it does."""
        wanted = iter([request(f"fox {n}", output=f"{n}") for n in range(requests)])
        await self.pool.run(wanted, self.worker.live)

    def states(self) -> dict[State, int]:
        states = [each.state for each in self.ledger.standings.values()]
        return {state: states.count(state) for state in set(states)}


@asynccontextmanager
async def night(
    folder: Path,
    gateway: Gateway,
    *,
    on_unknown: str = "retry",
    max_attempts: int = 3,
) -> AsyncIterator[Night]:
    async with (
        serving(gateway) as origin,
        HttpTransport(f"{origin}/v1", Secret("sandbox"), agent="test") as transport,
    ):
        opened = Night(
            folder, transport, on_unknown=on_unknown, max_attempts=max_attempts
        )
        try:
            yield opened
        finally:
            opened.ledger.close()


@pytest.mark.parametrize(
    ("answer", "on_unknown", "error_classes"),
    [
        (nothing(200), "retry", {"bad_reply"}),
        (nothing(502), "retry", {"ambiguous"}),
        (nothing(502), "skip", {"ambiguous"}),
        (dead(every=1), "retry", {"download"}),
        (dead(every=10), "retry", {"bad_reply", "download"}),
    ],
    ids=["no image", "no outcome", "no outcome, skipped", "dead URLs", "some dead"],
)
async def test_a_gateway_that_is_paid_for_nothing_is_left_alone(
    tmp_path: Path, answer: Answer, on_unknown: str, error_classes: set[str]
) -> None:
    gateway = Gateway(answer)
    async with night(tmp_path, gateway, on_unknown=on_unknown) as run:
        await run.run(1000)
        assert run.gate.stopped is not None
        assert run.gate.stopped.error_class in error_classes
        attempts = f"{gateway.posts} attempts in a row ended without a kept image"
        price = f"{gateway.posts * 0.5:.2f} USD"
        words = f"{attempts} and cost up to {price}"
        assert words in run.gate.stopped.message
        assert run.gate.governor.in_flight == set()
    assert MOST < gateway.posts <= MOST + ROOM // 3


@pytest.mark.parametrize("status", [200, 502], ids=["no image", "no outcome"])
async def test_25_requests_may_fail_with_all_their_attempts_without_a_pause(
    tmp_path: Path, status: int
) -> None:
    gateway = Gateway(nothing(status))
    async with night(tmp_path, gateway, max_attempts=5) as run:
        await run.run_through(25)
        assert run.gate.stopped is None
        assert run.states() == {State.FAILED: 25}
    assert gateway.posts == MOST


async def test_what_is_stopped_within_its_attempts_stays_for_the_next_run(
    tmp_path: Path,
) -> None:
    gateway = Gateway(nothing(200))
    async with night(tmp_path, gateway, max_attempts=200) as run:
        await run.run(ROOM)
        assert run.gate.stopped is not None
        assert set(run.states()) == {State.PENDING}


async def test_a_gateway_that_is_mended_within_the_pause_makes_all_the_rest(
    tmp_path: Path,
) -> None:
    gateway = Gateway(nothing(502))
    async with night(tmp_path, gateway) as run:
        async with asyncio.TaskGroup() as group:
            group.create_task(run.run(100))
            await run.gate.paused.wait()
            gateway.is_mended = True
        assert run.gate.stopped is None
        states = run.states()
    assert states[State.FAILED] + states[State.SUCCEEDED] == 100
    assert states[State.FAILED] <= (MOST + ROOM) // 3

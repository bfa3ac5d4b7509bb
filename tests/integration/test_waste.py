"""A gateway that is paid for nothing is left alone, and what it cost is bounded."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path

import pytest
from aiohttp import web

from batcher.choice import Choice
from batcher.config import Secret
from batcher.gate import Gate
from batcher.governor import Governor, Limits
from batcher.ledger import LedgerWriter, State, event, read_ledger
from batcher.models import Failure, Request
from batcher.pool import LocalPool
from batcher.pricing import Price
from batcher.retry import Policy
from batcher.stores import LocalStore
from batcher.transport import HttpTransport
from batcher.worker import Terms, Worker
from tests.integration.odd_server import serving
from tests.integration.test_worker import WHOLE, request

MANY = 25
ROOM = 12
"""Requests that may be live at once."""


class Gateway:
    """Takes the money, and sends an image only once it is mended."""

    def __init__(self, status: int) -> None:
        self.status = status
        self.posts = 0
        self.is_mended = False

    async def __call__(self, http: web.Request) -> web.StreamResponse:
        await http.read()
        self.posts += 1
        if self.is_mended:
            return web.json_response({"data": [{"b64_json": WHOLE}]})
        return web.json_response({"data": []}, status=self.status)


class Night:
    """A run of many requests, whose clock can be set forward."""

    def __init__(self, folder: Path, transport: HttpTransport, on_unknown: str) -> None:
        self.skipped = 0.0
        self.paused = asyncio.Event()
        standings = read_ledger(folder).standings
        self.ledger = LedgerWriter(folder, standings)
        governor = Governor(Limits(concurrency=4), now=self.clock(), random=lambda: 0.0)
        self.gate = Gate(governor, self.clock)
        choice = Choice.of((), retry_unknown=on_unknown == "retry")
        policy = Policy(max_attempts=3, retry_unknown=choice.retry_unknown)
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
            observer=self,
        )
        self.pool = LocalPool(room=lambda: ROOM, is_closed=lambda: self.gate.is_closed)

    def clock(self) -> float:
        return asyncio.get_running_loop().time() + self.skipped

    async def run(self, requests: int) -> None:
        """Send them until the run pauses, half a minute later again, and to the end."""
        wanted = iter([request(f"fox {n}", output=f"{n}") for n in range(requests)])
        async with asyncio.TaskGroup() as group:
            group.create_task(self.pool.run(wanted, self.worker.live))
            await self.paused.wait()
            self.skipped += 30.0
            self.gate.notice()

    def states(self) -> dict[State, int]:
        states = [each.state for each in self.ledger.standings.values()]
        return {state: states.count(state) for state in set(states)}

    def attempted(self, _: Request, __: int, /) -> None:
        self.look()

    def retrying(self, _: Request, __: Failure, ___: float | None, /) -> None:
        self.look()

    def ended(self, _: Request, __: event.Result | None, /) -> None:
        self.look()

    def look(self) -> None:
        standing = self.gate.governor.snapshot(self.clock())
        if standing.paused is not None and not standing.in_flight:
            self.paused.set()


@asynccontextmanager
async def night(
    folder: Path, gateway: Gateway, *, on_unknown: str = "retry"
) -> AsyncIterator[Night]:
    async with (
        serving(gateway) as origin,
        HttpTransport(f"{origin}/v1", Secret("sandbox"), agent="test") as transport,
    ):
        opened = Night(folder, transport, on_unknown)
        try:
            yield opened
        finally:
            opened.ledger.close()


@pytest.mark.parametrize(
    ("status", "on_unknown", "error_class", "state", "attempts"),
    [
        (200, "retry", "bad_reply", State.FAILED, 3),
        (502, "retry", "ambiguous", State.FAILED, 3),
        (502, "skip", "ambiguous", State.UNKNOWN, 1),
    ],
    ids=["no image", "no outcome", "no outcome, skipped"],
)
async def test_a_gateway_that_is_paid_for_nothing_is_left_alone(
    tmp_path: Path,
    status: int,
    on_unknown: str,
    error_class: str,
    state: State,
    attempts: int,
) -> None:
    gateway = Gateway(status)
    async with night(tmp_path, gateway, on_unknown=on_unknown) as run:
        await run.run(1000)
        assert run.gate.stopped is not None
        assert run.gate.stopped.error_class == error_class
        words = f"{gateway.posts} attempts may have cost {gateway.posts * 0.5:.2f} USD"
        assert words in run.gate.stopped.message
        assert run.gate.governor.in_flight == set()
        assert MANY <= run.states()[state] <= MANY + ROOM
    assert MANY * attempts < gateway.posts <= (MANY + ROOM) * attempts + 1


async def test_a_gateway_that_is_mended_within_the_pause_makes_all_the_rest(
    tmp_path: Path,
) -> None:
    gateway = Gateway(502)
    async with night(tmp_path, gateway) as run:
        async with asyncio.TaskGroup() as group:
            group.create_task(run.run(100))
            await run.paused.wait()
            gateway.is_mended = True
        assert run.gate.stopped is None
        states = run.states()
    assert states[State.FAILED] >= MANY
    assert states[State.FAILED] + states[State.SUCCEEDED] == 100
    assert states[State.SUCCEEDED] >= 100 - MANY - ROOM

"""Keeps what a driver knows of its fleet up to date, beside the run.

What blocks is done in threads; what is found there is folded on the event loop, where
it is shown. Knows nothing of engines.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack, suppress
from copy import deepcopy
from itertools import chain
from typing import TYPE_CHECKING, Self

import msgspec

from batcher.errors import StoreError
from batcher.fleet_view import FleetView, everything
from batcher.governor import Limits
from batcher.ledger import Standings
from batcher.ledger.follower import Follower
from batcher.ledger.presence import presence
from batcher.wait import first_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from batcher.count import Count
    from batcher.fleet import DriverSign
    from batcher.fleet_view import IsOver, Named
    from batcher.job import Job
    from batcher.observer import RequestObserver

LOOK = 1.0
"""Seconds between two looks at the ledger."""

SHARE = 20
"""A look takes at most one part in so many of the time: a store asks its price."""

BEATS = 6
"""Signs of life in the seconds after which a driver may be taken for dead."""

LONGEST_BEAT = 5.0
"""Seconds between two of them, at most; an order is heard as soon."""

LINES = 500
"""Lines folded at once, some milliseconds."""


class FleetFollower:
    """Follows a fleet; an async context manager, and what it has opened.

    Args:
        job: What the fleet does, all shards together.
        sign: The driver's sign of life and its ear.
        observer: Is told what the workers write, from now on.

    Attributes:
        view: What is known.
        is_stopped: The fleet was told to stop.
    """

    def __init__(
        self, job: Job, sign: DriverSign, observer: RequestObserver[Named]
    ) -> None:
        self.view = FleetView(
            msgspec.convert(job.settings, Limits, from_attributes=True)
        )
        self.view.begin(job.reading.standings, deepcopy(job.count))
        self.is_stopped = False
        self._job = job
        self._sign = sign
        self._observer = observer
        self._follower = Follower(job.directory)
        self._resources = AsyncExitStack()

    async def __aenter__(self) -> Self:
        """Say that the driver is there, and read the ledger up to now.

        Raises:
            StoreError: The run directory cannot be written.
        """
        async with AsyncExitStack() as opened:
            opened.enter_context(self._follower)
            opened.push_async_callback(self._leave)
            await asyncio.to_thread(self._sign.visit)
            await self._look()
            self._resources = opened.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._resources.aclose()

    async def follow(self, ended: asyncio.Event, is_over: IsOver) -> None:
        """Look at the ledger until the run has ended, and once more.

        Args:
            ended: Set when it has; nobody works any more.
            is_over: Tells what a worker that has ended, or was lost, left open.
        """
        while not ended.is_set():
            before = time.monotonic()
            await self._look()
            self.view.settle(is_over)
            took = time.monotonic() - before
            await first_of(ended.wait(), seconds=max(LOOK, SHARE * took))
        await self._look()
        self.view.settle(everything)

    async def hear(self, ended: asyncio.Event, stop: Callable[[], None]) -> None:
        """Show that the driver lives, and hear orders, until the run has ended.

        Args:
            ended: Set when it has.
            stop: Is called when the fleet is told to stop; again and again.
        """
        while not ended.is_set():
            with suppress(StoreError):  # the shards themselves say what is wrong
                word = await asyncio.to_thread(self._sign.visit)
                self.view.hear(word)
                if any(order.name == "stop" for order in word.orders):
                    self.is_stopped = True
                    stop()
            beat = self._job.settings.lease / BEATS
            await first_of(ended.wait(), seconds=min(LONGEST_BEAT, beat))

    async def _look(self) -> None:
        """Take in what the ledger has gained."""
        try:
            if await asyncio.to_thread(self._follower.is_rewritten):
                self._follower.begin_anew()
                self.view.observer = None
            if self.view.observer is None:
                await self._begin()
            else:
                await self._go_on()
        except StoreError:
            pass  # the shards themselves say what is wrong; the next look is the same

    async def _begin(self) -> None:
        """Read the whole ledger; what is in it by now is no news."""
        standings = await asyncio.to_thread(self._read)
        count = _moved(self._job, standings)
        self.view.begin(standings, count)
        self.view.observer = self._observer

    async def _go_on(self) -> None:
        """Fold what is new."""
        pieces = self._follower.look()
        while piece := await asyncio.to_thread(next, pieces, None):
            for start in range(0, len(piece), LINES):
                for raw in piece[start : start + LINES]:
                    self.view.take(raw)
                await asyncio.sleep(0)

    def _read(self) -> Standings:
        """Read up to now; blocks."""
        standings = Standings(presence(self._job.directory))
        try:
            for raw in chain.from_iterable(self._follower.look()):
                with suppress(msgspec.DecodeError):
                    standings.take(raw)
        except StoreError:
            self._follower.begin_anew()
            raise
        standings.trust()
        return standings

    async def _leave(self) -> None:
        with suppress(StoreError):  # it is taken for dead a little later
            await asyncio.to_thread(self._sign.leave)


def _moved(job: Job, standings: Standings) -> Count:
    """Count what was asked for where it stands now, and no more where it was planned.

    Only those that have moved since are looked at: the others need not be walked.
    """
    count = deepcopy(job.count)
    planned = job.reading.standings
    for id_ in standings:
        before, after = planned.get(id_), standings.get(id_)
        if before != after:
            count.move(before, after)
    return count

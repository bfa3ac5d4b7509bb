"""Sees every shard of a run through, on as many workers as an engine has.

More shards than workers, so that a slow one does not decide the end. Knows nothing of
leases, money or ledgers: each shard's program sees to its own. Prints nothing.
"""

from __future__ import annotations

import asyncio
import time
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

import msgspec
from msgspec.structs import replace

from batcher.engines.engine import Ended, EngineError, errand_of
from batcher.wait import first_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from batcher.engines.engine import Engine, Errand

    Rest = Callable[[float], Awaitable[object]]

__all__ = ["DispatchListener", "Dispatcher", "Fate", "ShardOutcome", "fate"]

LOOK = 2.0
"""Seconds between two looks at how many workers there are."""

LOSSES = 5
"""Times in a row that a shard may be lost before it is given up for this run."""

PROOF = 600.0
"""Seconds after which a loss is the worker's bad luck, and no fault of the shard."""

DELAY = 5.0
"""Seconds before a lost shard is submitted again; doubled each time in a row."""


class Fate(StrEnum):
    """What follows from how a shard ended."""

    DONE = "done"
    AGAIN = "again"
    STOP = "stop"


_FATES = {0: Fate.DONE, 1: Fate.DONE, 2: Fate.STOP, 3: Fate.STOP}
"""By exit code (README, Exit codes); any other: the program was ended, or lost."""

_LATER_FATES = {**_FATES, 2: Fate.AGAIN}
"""The same once another shard is done, by which the command is no mistake.

A shard is a new process, which meets a store's trouble of some seconds as it starts.
"""

LEASE = "lease"
"""Why a shard stopped that another worker has taken over: `stopped.class`."""


def fate(ended: Ended, *, is_proven: bool = False) -> Fate:
    """Tell what follows from how a shard ended.

    A program that says 0 or 1 without a summary has crashed. What stops one shard
    (the command, the key, the money, the gateway) would stop the others, but for a
    lease, which is the shard's own.

    Args:
        ended: How it ended.
        is_proven: Another shard of the same run is done: the command can be carried
            out, and what keeps this one from starting is trouble that passes.
    """
    if ended.exit_code is None:
        return Fate.AGAIN
    fates = _LATER_FATES if is_proven else _FATES
    found = fates.get(ended.exit_code, Fate.AGAIN)
    has_crashed = found is Fate.DONE and ended.summary is None
    return Fate.AGAIN if has_crashed or _reason(ended) == LEASE else found


class ShardOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """Where a shard stands when the run is over.

    Attributes:
        part: Which shard, from 1.
        fate: Done; stopped, so that nothing more was submitted; or to be run again:
            lost too often, ended by a drain, or never begun.
        tries: How often it was submitted.
        ended: How it ended last, when it did.
    """

    part: int
    fate: Fate = Fate.AGAIN
    tries: int = 0
    ended: Ended | None = None


class DispatchListener(Protocol):
    """Hears how a run goes; its methods return at once."""

    def workers(self, number: int) -> None:
        """There are so many workers now, not as many as before."""
        ...

    def shard_began(self, part: int, tries: int) -> None:
        """A shard was submitted, for the first time or again."""
        ...

    def shard_ended(self, outcome: ShardOutcome, delay: float | None) -> None:
        """A shard has ended; it is submitted again after a delay, if there is one."""
        ...


class Dispatcher:
    """Hands the shards of one run to the workers of an engine, once.

    Args:
        engine: Opened by the caller.
        arguments: `run MANIFEST… --out URL …`; without a secret, see `Errand`.
        parts: How many shards there are.
        listener: Hears how it goes.
        rest: Waits for some seconds.
        clock: Monotonic seconds.

    Attributes:
        trouble: Why the cluster could not be used to the end.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        arguments: tuple[str, ...],
        parts: int,
        listener: DispatchListener,
        rest: Rest = asyncio.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.trouble: EngineError | None = None
        self._engine = engine
        self._errands = [errand_of(arguments, n + 1, parts) for n in range(parts)]
        self._listener = listener
        self._rest = rest
        self._clock = clock
        self._outcomes = {n + 1: ShardOutcome(part=n + 1) for n in range(parts)}
        self._room = 0
        self._busy = 0
        self._changed = asyncio.Event()
        self._closed = asyncio.Event()
        self._drained = asyncio.Event()
        self._shards: list[asyncio.Task[None]] = []

    async def run(self) -> tuple[ShardOutcome, ...]:
        """See the shards through; gives where each one stands, in order.

        Raises:
            ExceptionGroup: A bug; every shard was told to give up, and has ended.
        """
        async with asyncio.TaskGroup() as group:
            looks = group.create_task(self._look(), name="workers")
            self._shards = [
                group.create_task(self._see_through(errand), name=str(errand.part))
                for errand in self._errands
            ]
            await asyncio.wait(self._shards)
            looks.cancel()
        return tuple(self._outcomes.values())

    @property
    def is_closed(self) -> bool:
        """Tell whether no more is submitted."""
        return self._closed.is_set()

    def close(self) -> None:
        """Submit no more; what runs goes on, unless it is told otherwise."""
        self._closed.set()
        self._notice()

    def drain(self) -> None:
        """Submit no more, and have what runs let in what is in flight."""
        self._drained.set()
        self.close()

    def abort(self) -> None:
        """Submit no more, and have what runs give up what is in flight."""
        self.close()
        for shard in self._shards:
            shard.cancel()

    async def _look(self) -> None:
        """Look now and then how many workers there are."""
        while True:
            try:
                number = await self._engine.workers()
            except EngineError as error:
                self.trouble = error
                self.close()
                return
            if number != self._room:
                self._room = number
                self._listener.workers(number)
                self._notice()
            await self._rest(LOOK)

    async def _see_through(self, errand: Errand) -> None:
        """Have one shard run until it is done, or nothing is to be submitted."""
        tries = losses = 0
        while await self._has_turn():
            tries += 1
            began = self._clock()
            ended = await self._submitted(errand, tries)
            lasted = self._clock() - began
            losses = 1 if lasted >= PROOF else losses + 1
            then = fate(ended, is_proven=self._is_proven())
            if then is Fate.STOP:
                self.close()
            delay = self._delay(then, losses)
            outcome = ShardOutcome(
                part=errand.part, fate=then, tries=tries, ended=ended
            )
            self._outcomes[errand.part] = outcome
            self._listener.shard_ended(outcome, delay)
            if delay is None:
                return
            await self._pause(delay)

    def _is_proven(self) -> bool:
        """Tell whether the command was carried out by some shard."""
        return any(each.fate is Fate.DONE for each in self._outcomes.values())

    async def _has_turn(self) -> bool:
        """Wait for a free worker, in the order of asking; False when closed."""
        while self._busy >= self._room and not self._closed.is_set():
            await self._changed.wait()
        return not self._closed.is_set()

    async def _submitted(self, errand: Errand, tries: int) -> Ended:
        self._busy += 1
        self._outcomes[errand.part] = replace(
            self._outcomes[errand.part], fate=Fate.AGAIN, tries=tries
        )
        self._listener.shard_began(errand.part, tries)
        try:
            return await self._engine.run(errand, self._drained)
        finally:
            self._busy -= 1
            self._notice()

    def _delay(self, then: Fate, losses: int) -> float | None:
        """Give the seconds before a shard is submitted again, if it is to be."""
        if then is not Fate.AGAIN or losses >= LOSSES or self._closed.is_set():
            return None
        return float(DELAY * 2 ** (losses - 1))

    async def _pause(self, seconds: float) -> None:
        """Wait, but no longer than there is something to wait for."""
        await first_of(self._rest(seconds), self._closed.wait())

    def _notice(self) -> None:
        """Have every shard that waits look anew, in order."""
        self._changed.set()
        self._changed = asyncio.Event()


def _reason(ended: Ended) -> object:
    """Give the class of what stopped a program early."""
    stopped = (ended.summary or {}).get("stopped")
    return stopped.get("class") if isinstance(stopped, dict) else None

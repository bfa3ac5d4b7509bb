"""Where workers wait until the governor lets them go, in order of arrival.

Turns the governor's answers into waiting. Knows nothing of requests or HTTP.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

from batcher.governor import Admission, Governor, Hold, Outcome, Rotation
from batcher.models import ErrorClass

if TYPE_CHECKING:
    from collections.abc import Callable
    from decimal import Decimal

    from batcher.models import Failure


class Others(Protocol):
    """Those who work on the same at the same time, see `hold.Hold`."""

    def is_ours(self) -> bool:
        """Tell whether the work is still this process's."""

    def refused(self, ipm: float) -> None:
        """Note a 429, and the images a minute that were let in."""


class Gate:
    """Lets workers out one by one, until it is closed.

    Args:
        governor: Decides who may leave.
        clock: Monotonic seconds, the governor's.
        others: Who else works on the same.

    Attributes:
        governor: The governor, to be asked for its standing.
        stopped: Why it was closed for good, when the governor closed it.
    """

    def __init__(
        self,
        governor: Governor | Rotation,
        clock: Callable[[], float],
        others: Others | None = None,
    ) -> None:
        self.governor = governor
        self._others = others
        self.stopped: Failure | None = None
        self._clock = clock
        self._turn = asyncio.Lock()
        self._changed = asyncio.Event()
        self._closed = asyncio.Event()

    @property
    def is_closed(self) -> bool:
        """Tell whether nobody leaves any more."""
        return self._closed.is_set()

    async def enter(self, images: int, usd: Decimal | None) -> Admission | None:
        """Wait for leave to send a request.

        Args:
            images: How many it asks for.
            usd: Its worst cost, None when it has no price.

        Returns:
            The admission, to be given back to `leave`; None once the gate is closed.
        """
        async with self._turn:
            while not self.is_closed:
                answer = self.governor.ask(self._clock(), images=images, usd=usd)
                if isinstance(answer, Admission):
                    return answer
                if isinstance(answer, Hold):
                    await self._wait(answer.until)
                else:
                    self.close(answer.failure)
        return None

    def leave(self, admission: Admission, outcome: Outcome) -> None:
        """Give an admission back, with what came of it."""
        now = self._clock()
        self.governor.settle(now, admission, outcome)
        failure = outcome.failure
        is_refused = failure and failure.error_class is ErrorClass.RATE_LIMITED
        if self._others is not None and is_refused:
            self._others.refused(self.governor.snapshot(now).rate)
        self._changed.set()

    def is_ours(self) -> bool:
        """Tell whether one more request may leave; asked right before it does."""
        return self._others is None or self._others.is_ours()

    def close(self, failure: Failure | None = None) -> None:
        """Let nobody leave any more; what is out may come back."""
        if self.stopped is None:
            self.stopped = failure
        self._closed.set()
        self._changed.set()

    @property
    def survives(self) -> bool:
        """Tell whether another route is left after one has failed."""
        return self.governor.survives

    def notice(self) -> None:
        """Ask the governor anew: something about it was changed by hand."""
        self._changed.set()

    async def sleep(self, seconds: float) -> bool:
        """Wait; false, and at once, when the gate is closed."""
        try:
            async with asyncio.timeout(seconds):
                await self._closed.wait()
        except TimeoutError:
            return True
        return False

    async def _wait(self, until: float | None) -> None:
        """Wait until a time of the clock, or until something changes."""
        self._changed.clear()
        delay = None if until is None else max(0.0, until - self._clock())
        try:
            async with asyncio.timeout(delay):
                await self._changed.wait()
        except TimeoutError:
            pass

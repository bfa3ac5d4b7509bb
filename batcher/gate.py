"""Where workers wait until the governor lets them go, in order of arrival.

Turns the governor's answers into waiting. Knows nothing of requests or HTTP.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from batcher.governor import Admission, Governor, Hold, Outcome, Rotation

if TYPE_CHECKING:
    from collections.abc import Callable
    from decimal import Decimal

    from batcher.models import Failure


class Gate:
    """Lets workers out one by one, until it is closed.

    Args:
        governor: Decides who may leave.
        clock: Monotonic seconds, the governor's.
        is_ours: Tells whether the work is still this process's, see `fleet.Lease`.

    Attributes:
        governor: The governor, to be asked for its standing.
        is_ours: To be asked right before a request leaves.
        stopped: Why it was closed for good, when the governor closed it.
    """

    def __init__(
        self,
        governor: Governor | Rotation,
        clock: Callable[[], float],
        is_ours: Callable[[], bool] = lambda: True,
    ) -> None:
        self.governor = governor
        self.is_ours = is_ours
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
        self.governor.settle(self._clock(), admission, outcome)
        self._changed.set()

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

"""Where workers wait until the governor lets them go.

What was sent before goes ahead of what never was, each in order of arrival: what is
begun is finished first, as a budget wants it, too. Otherwise a gateway that fails each
request once would be tried with new ones alone, as many as there are.

Turns the governor's answers into waiting. Knows nothing of requests or HTTP.
"""

from __future__ import annotations

import asyncio
from collections import deque
from decimal import Decimal
from typing import TYPE_CHECKING, Protocol

import msgspec

from batcher.governor import Admission, Governor, Halt, Hold, Outcome, Rotation, Space
from batcher.models import ErrorClass

if TYPE_CHECKING:
    from collections.abc import Callable

    from batcher.models import Failure


class Others(Protocol):
    """Those who work on the same at the same time, see `hold.Hold`."""

    def is_ours(self) -> bool:
        """Tell whether the work is still this process's."""

    def refused(self, ipm: float) -> None:
        """Note a 429, and the images a minute that were let in."""


class Visitor(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """A worker that waits.

    Attributes:
        images: How many its request asks for.
        usd: Its worst cost, None when it has no price.
        size: As it is sent.
        again: It was sent before.
        answer: Its admission; None once the gate is closed.
    """

    images: int
    usd: Decimal | None
    size: str | None
    again: bool
    answer: asyncio.Future[Admission | None]


class Gate:
    """Lets workers out one by one, until it is closed.

    Args:
        governor: Decides who may leave.
        clock: Monotonic seconds, the governor's.
        others: Who else works on the same.
        announce: Is told, once, why it was closed for good.
        space: Whether images still fit where they go; by default they do.

    Attributes:
        governor: The governor, to be asked for its standing.
        space: To be told how large images are.
        stopped: Why it was closed, by whoever gave a reason first; None while nobody
            has, as when a run is drained.
    """

    def __init__(
        self,
        governor: Governor | Rotation,
        clock: Callable[[], float],
        others: Others | None = None,
        announce: Callable[[Failure], None] | None = None,
        *,
        space: Space | None = None,
    ) -> None:
        self.governor = governor
        self.space = space or Space()
        self._others = others
        self._announce = announce
        self.stopped: Failure | None = None
        self._clock = clock
        self._begun: deque[Visitor] = deque()
        self._unsent: deque[Visitor] = deque()
        self._next_look: asyncio.Handle | None = None
        self._closed = asyncio.Event()

    @property
    def is_closed(self) -> bool:
        """Tell whether nobody leaves any more."""
        return self._closed.is_set()

    async def closed(self) -> None:
        """Wait until nobody leaves any more."""
        await self._closed.wait()

    async def enter(
        self,
        images: int,
        usd: Decimal | None,
        size: str | None = None,
        *,
        again: bool = False,
    ) -> Admission | None:
        """Wait for leave to send a request.

        Args:
            images: How many it asks for.
            usd: Its worst cost, None when it has no price.
            size: As it is sent.
            again: It was sent before, in this run.

        Returns:
            The admission, to be given back to `leave`; None once the gate is closed.
        """
        if self.is_closed:
            return None
        answer = asyncio.get_running_loop().create_future()
        visitor = Visitor(images=images, usd=usd, size=size, again=again, answer=answer)
        (self._begun if again else self._unsent).append(visitor)
        if self._line[0] is visitor:
            self._let_out()
        try:
            admission = await visitor.answer
        except asyncio.CancelledError:
            self._give_up(visitor)
            raise
        if admission is not None and self.is_closed:
            # It was closed after the answer, before whoever waited for it could go.
            self.leave(admission, Outcome())
            return None
        return admission

    def leave(self, admission: Admission, outcome: Outcome) -> None:
        """Give an admission back, with what came of it."""
        now = self._clock()
        self.governor.settle(now, admission, outcome)
        self.space.settle(admission)
        failure = outcome.failure
        is_refused = failure and failure.error_class is ErrorClass.RATE_LIMITED
        if self._others is not None and is_refused:
            standing = self.governor.snapshot(now)
            learned = standing.limit if standing.is_learned else None
            # In the first minutes nothing is made yet, and only what left tells.
            let_in = max(standing.rate, learned or 0.0)
            if let_in:
                self._others.refused(let_in)
        self.notice()

    def is_ours(self) -> bool:
        """Tell whether one more request may leave; asked right before it does."""
        return self._others is None or self._others.is_ours()

    def close(self, failure: Failure | None = None) -> None:
        """Let nobody leave any more; what is out may come back."""
        news = failure if self.stopped is None else None
        self.stopped = self.stopped or failure
        self._closed.set()
        while line := self._line:
            answer = line.popleft().answer
            if not answer.done():
                answer.set_result(None)
        if news is not None and self._announce is not None:
            self._announce(news)

    @property
    def survives(self) -> bool:
        """Tell whether another route is left after one has failed."""
        return self.governor.survives

    def notice(self) -> None:
        """Ask the governor anew, as something has changed.

        Not at once: whoever gave an admission back may close the gate for the same
        reason, before anybody else leaves.
        """
        if self._line:
            self._look(asyncio.get_running_loop().call_soon(self._let_out))

    async def sleep(self, seconds: float) -> bool:
        """Wait; false, and at once, when the gate is closed."""
        try:
            async with asyncio.timeout(seconds):
                await self._closed.wait()
        except TimeoutError:
            return True
        return False

    @property
    def _line(self) -> deque[Visitor]:
        """Give the line whose head is next; it is empty when nobody waits."""
        return self._begun or self._unsent

    def _let_out(self) -> None:
        """Ask for everyone who waits, in order, until one has to wait on."""
        while line := self._line:
            visitor = line[0]
            if visitor.answer.done():  # cancelled
                line.popleft()
                continue
            answer = self._ask(visitor)
            if isinstance(answer, Admission):
                line.popleft()
                self.space.put_aside(answer, visitor.size)
                visitor.answer.set_result(answer)
            elif isinstance(answer, Hold):
                self._hold(answer.until)
                return
            else:
                self.close(answer.failure)

    def _ask(self, visitor: Visitor) -> Admission | Hold | Halt:
        """Ask whether a visitor fits and may leave.

        A lack of space ends the run only when the governor would let go: while it
        holds, as in a pause by hand, somebody may free some.
        """
        now = self._clock()
        lack = self.space.check(now, visitor.size, visitor.images)
        if isinstance(lack, Hold):
            return lack
        answer = self.governor.ask(
            now, images=visitor.images, usd=visitor.usd, again=visitor.again
        )
        if lack is None or not isinstance(answer, Admission):
            return answer
        self.governor.settle(now, answer, Outcome())
        return lack

    def _hold(self, until: float | None) -> None:
        """Ask again at a time of the clock, or when something changes."""
        if until is not None:
            delay = max(0.0, until - self._clock())
            loop = asyncio.get_running_loop()
            self._look(loop.call_later(delay, self._let_out))

    def _look(self, handle: asyncio.Handle) -> None:
        """Remember when the governor is asked next, and only then."""
        if self._next_look is not None:
            self._next_look.cancel()
        self._next_look = handle

    def _give_up(self, visitor: Visitor) -> None:
        """Take nothing along when cancelled: not a place, not an admission."""
        answer = visitor.answer
        admission = None if answer.cancelled() else answer.result()
        if admission is not None:
            self.leave(admission, Outcome())
        else:
            self.notice()

"""Decides when the next request may leave.

Puts together the pace, the breaker, the budget and what is wasted, which know nothing
of each other, with the concurrency limit and the pause by hand. The engine asks before
each request and settles each admission exactly once; it asks again after every
settlement, every change and at the time a `Hold` names. Knows nothing of HTTP, of retry
delays of single requests or of the clock: every call is told the time, in monotonic
seconds.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from msgspec.structs import replace

from batcher.governor.admission import (
    Admission,
    Halt,
    Hold,
    Limits,
    Outcome,
    Snapshot,
)
from batcher.governor.breaker import DOWN, Breaker
from batcher.governor.budget import Budget
from batcher.governor.pace import Pace
from batcher.governor.tally import Tally
from batcher.governor.waste import PAUSE, Waste
from batcher.models import ErrorClass

if TYPE_CHECKING:
    from collections.abc import Callable
    from decimal import Decimal

    from batcher.models import Failure

__all__ = ["Governor"]

FATAL = frozenset(
    {
        ErrorClass.AUTH,
        ErrorClass.QUOTA,
        ErrorClass.CONFIG,
        ErrorClass.STORE,
        ErrorClass.SPEND,
    }
)
"""Classes after which nothing more is worth sending (README, Errors of a request)."""

REFUSED = frozenset({ErrorClass.RATE_LIMITED, ErrorClass.CONNECT})
"""Classes of requests that did not get past the gateway's limiter."""

UNJUDGED = DOWN | {ErrorClass.RATE_LIMITED}
"""Classes that do not tell whether the request itself was valid."""

BY_HAND = Hold(until=None, reason="paused by hand")
PROBING = Hold(until=None, reason="paused: waiting for the one try in flight")
FULL = Hold(until=None, reason="as many in flight as allowed")


class Governor:
    """One run's permission to send; every call costs the same, however long the run.

    Attributes:
        limits: What the user allows at the moment; see `change`.
        in_flight: Numbers of the admissions not yet settled.
        dropped: Always empty: there is one route, see `Rotation`.
        survives: Always false: there is no other route.
    """

    def __init__(
        self,
        limits: Limits,
        *,
        now: float,
        random: Callable[[], float],
        budget: Budget | None = None,
    ) -> None:
        self.limits = limits
        self.pace = Pace(limits, now=now, random=random)
        self.breaker = Breaker(random, longest_asked=limits.longest_wait)
        self.budget = Budget() if budget is None else budget
        self.waste = Waste()
        self.made = Tally(now)
        self.in_flight: set[int] = set()
        self.number = 0
        self.is_paused = False
        self.first_invalid: int | None = 0 if self.budget.images == 0 else None
        self.halt: Halt | None = None
        self.dropped: dict[str, Failure] = {}
        self.survives = False

    def ask(
        self, now: float, *, images: int, usd: Decimal | None, again: bool = False
    ) -> Admission | Hold | Halt:
        """Ask for leave to send a request of so many images and this worst case.

        Args:
            now: The time.
            images: How many it asks for.
            usd: Its worst cost, None when it has no price.
            again: It was sent before, in this run.

        Returns:
            An `Admission`, to be settled exactly once; a `Hold`, to ask again; or a
            `Halt`, when the run has to stop.
        """
        return (
            self.check_run(now)
            or self.check_breaker(now)
            or self.budget.check(self.limits, images=images, usd=usd)
            or self.check_places(now)
            or self.check_pace(now)
            or self.admit(now, images=images, usd=usd, again=again)
        )

    def check_run(self, now: float) -> Hold | Halt | None:
        """Check what ends or pauses the whole run."""
        if self.halt is not None:
            return self.halt
        if self.is_paused:
            return BY_HAND
        if self.breaker.cause is not None:
            return None  # while nothing may leave, no success can be expected
        failure = self.pace.given_up(now, is_idle=not self.in_flight)
        return self.stop(failure) if failure else None

    def check_breaker(self, now: float) -> Hold | None:
        """Check whether the gateway is down."""
        breaker = self.breaker
        if breaker.cause is None:
            return None
        if breaker.is_probing:
            return PROBING
        if now >= breaker.probe_at:
            return None
        left = breaker.probe_at - now
        reason = f"paused: {breaker.cause.error_class}, next try in {left:.0f} s"
        return Hold(until=breaker.probe_at, reason=reason)

    def check_places(self, now: float) -> Hold | None:
        """Check how many are in flight."""
        in_flight = len(self.in_flight)
        if in_flight >= self.limits.concurrency:
            return FULL
        wait = self.pace.ceiling.wait(now, in_flight)
        if wait <= 0.0:
            return None
        reason = f"the gateway takes {self.pace.ceiling.limit} at once"
        return Hold(until=now + wait, reason=reason)

    def check_pace(self, now: float) -> Hold | None:
        """Check how fast requests leave."""
        wait = self.pace.wait(now, len(self.in_flight))
        if wait <= 0.0:
            return None
        if now < self.pace.held_until:
            reason = f"rate limited, next try in {wait:.0f} s"
            return Hold(until=self.pace.held_until, reason=reason)
        return Hold(until=now + wait, reason="pace")

    def admit(
        self, now: float, *, images: int, usd: Decimal | None, again: bool
    ) -> Admission:
        """Let one leave."""
        admission = Admission(
            number=self.number,
            at=now,
            images=images,
            usd=usd,
            others=len(self.in_flight),
            again=again,
            is_probe=self.breaker.cause is not None,
        )
        self.number += 1
        self.in_flight.add(admission.number)
        self.breaker.is_probing = admission.is_probe
        self.budget.reserve(admission)
        self.pace.left(admission)
        return admission

    def settle(self, now: float, admission: Admission, outcome: Outcome) -> None:
        """Take what became of an admission, also when it was cancelled.

        Raises:
            KeyError: The admission was settled before, or is not this governor's.
        """
        self.in_flight.remove(admission.number)
        self.budget.settle(admission, outcome)
        if outcome.hint is not None:
            self.pace.hinted(now, outcome.hint)
        self.settle_pace(now, admission, outcome)
        self.settle_waste(now, admission, outcome)
        self.settle_breaker(now, admission, outcome)
        if outcome.failure is not None:
            self.settle_failure(now, outcome.failure)
        if outcome.images:
            self.made.add(now, outcome.images)
            self.pace.succeeded(now)
            self.first_invalid = None

    def settle_pace(self, now: float, admission: Admission, outcome: Outcome) -> None:
        """Tell the pace whether the gateway's limiter let the request in."""
        failure = outcome.failure
        if failure is not None and failure.error_class is ErrorClass.RATE_LIMITED:
            self.pace.refused(now, admission, retry_after=failure.retry_after)
        elif outcome.is_unsent or (failure and failure.error_class in REFUSED):
            self.pace.unsent(admission)
        else:
            self.pace.let_in(admission)

    def settle_breaker(
        self, now: float, admission: Admission, outcome: Outcome
    ) -> None:
        """Tell the breaker whether the gateway is up."""
        if not admission.is_probe:
            if not outcome.is_unsent:
                self.breaker.note(now, outcome.failure, again=admission.again)
            return
        tells_nothing = outcome.is_unsent or self.waste.is_enough
        self.breaker.probed(now, outcome.failure, tells_nothing=tells_nothing)
        if self.breaker.cause is None:
            self.pace.restart(now)
        given_up = self.breaker.given_up(now, self.limits.longest_outage)
        if given_up is not None:
            self.stop(given_up)

    def settle_waste(self, now: float, admission: Admission, outcome: Outcome) -> None:
        """Count what is paid for nothing; too much needs a probe, which may end it."""
        failure = outcome.failure
        if failure is None and outcome.images:
            self.waste.clear()
        if failure is not None and outcome.is_wasted:
            was_enough = self.waste.is_enough
            self.waste.add(outcome, admission.usd)
            if was_enough and admission.is_probe:
                self.stop(self.waste.told(failure))
            elif self.waste.is_enough and not was_enough:
                # In an outage, too: its next probe would cost money within seconds.
                self.breaker.open(now, failure, wait=PAUSE)

    def settle_failure(self, now: float, failure: Failure) -> None:
        """Stop the run for what more requests cannot help."""
        error_class = failure.error_class
        if error_class is ErrorClass.QUOTA and self.limits.wait_for_quota:
            if self.breaker.cause is None:
                self.breaker.open(now, failure)
        elif error_class in FATAL:
            self.stop(failure)
        elif error_class is ErrorClass.INVALID and self.first_invalid is not None:
            self.first_invalid += 1
            if self.first_invalid >= self.limits.first_invalid:
                message = f"the first {self.first_invalid} requests were all refused"
                self.stop(replace(failure, message=f"{message}: {failure.message}"))
        elif error_class not in UNJUDGED:
            self.first_invalid = None

    def stop(self, failure: Failure) -> Halt:
        """End the run for good; the first reason stays."""
        self.halt = self.halt or Halt(failure=failure)
        return self.halt

    def change(self, now: float, limits: Limits) -> None:
        """Go by other limits from now on; what is in flight is left alone."""
        self.limits = limits
        self.pace.change(now, limits)
        self.breaker.longest_asked = limits.longest_wait

    def pause(self) -> None:
        """Let nothing leave until `resume`."""
        self.is_paused = True

    def resume(self, now: float) -> None:
        """Go on after a pause by hand."""
        if self.is_paused:
            self.is_paused = False
            self.pace.restart(now)

    def snapshot(self, now: float) -> Snapshot:
        """Tell where things stand."""
        told = self.pace.told_rate(now)
        learned = self.pace.learned.felt(now) or inf
        limit = min(told, learned)
        ceiling = self.pace.ceiling.limit or self.limits.concurrency
        paused, until = self.paused(now)
        return Snapshot(
            in_flight=len(self.in_flight),
            concurrency=min(ceiling, self.limits.concurrency),
            rate=self.made.rate(now) * 60,
            limit=None if limit == inf else limit * 60,
            is_learned=learned < told,
            paused=paused,
            seconds_left=None if until is None else max(0.0, until - now),
            spent=self.budget.spent,
            reserved=self.budget.reserved,
            unknown=self.budget.unknown,
            left=self.budget.left(self.limits),
        )

    def paused(self, now: float) -> tuple[str | None, float | None]:
        """Tell why nothing leaves at all, and until when."""
        if self.halt is not None:
            return str(self.halt.failure.error_class), None
        if self.is_paused:
            return "by hand", None
        if self.breaker.cause is not None:
            until = None if self.breaker.is_probing else self.breaker.probe_at
            return str(self.breaker.cause.error_class), until
        if now < self.pace.held_until:
            return str(ErrorClass.RATE_LIMITED), self.pace.held_until
        return None, None

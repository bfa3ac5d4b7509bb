"""How fast requests may leave.

Keeps to what the user stated, to what the gateway's headers say and to what it was
found to bear, all at once, and holds everyone back after a refusal.

An *episode* is what one cut answers: refusals of requests that had left before the cut
change nothing any more. Knows nothing of money, of outages or of HTTP.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from batcher.governor.bucket import Bucket
from batcher.governor.ceiling import Ceiling
from batcher.governor.rate import LearnedRate
from batcher.governor.tally import Tally
from batcher.models import ErrorClass, Failure, RateHint

if TYPE_CHECKING:
    from collections.abc import Callable

    from batcher.governor.admission import Admission, Limits

__all__ = ["Pace"]

FIRST_HOLD = 1.0
LONGEST_HOLD = 30.0
"""Seconds to hold after a refusal without `Retry-After`, doubled while what had waited
is refused again and nothing is let in; the longest one bounds what is lost when a
minute's window opens again."""

LONGEST_RESET = 120.0
"""Seconds; the `remaining` of a longer window, a day's quota, is not spread over it."""

RECENT = 2
"""Seconds that tell how fast images were let in before a refusal."""

OPENING = 8
"""Requests that may leave at once at the start, before anything is known; each one
that is let in makes room for one more, as in TCP's slow start (RFC 5681 §3.1)."""

CLOSED = (8.0, 100.0)
"""Seconds of refusing everything that tell a window of a minute from a bucket."""


class Pace:
    """The limits in force, and when the next request may leave.

    Attributes:
        held_until: Before this time nothing leaves.
        limited_since: The first refusal since the last success; or that success, when
            it came in a hold beyond the longest wait.
        ceiling: What was learned about requests at once.
    """

    def __init__(
        self, limits: Limits, *, now: float, random: Callable[[], float]
    ) -> None:
        self.limits = limits
        self.random = random
        self.images = Bucket(now)
        self.requests = Bucket(now)
        self.ceiling = Ceiling(random)
        self.hint = RateHint()
        self.hint_until = now
        self.held_until = now
        self.limited_since: float | None = None
        self.next_number = 0
        self.accepted = 0
        self.refusal_latency = 0.0
        self.learn(now)

    def learn(self, now: float) -> None:
        """Start to learn from nothing."""
        is_stated = self.limits.ipm is not None or self.limits.rpm is not None
        is_ramping = self.limits.adaptive and not is_stated
        self.learned = LearnedRate(now, is_ramping=is_ramping)
        self.ceiling.forget()
        self.restart(now)

    def restart(self, now: float) -> None:
        """Measure anew: while nothing was sent for other reasons, nothing was let in.

        What was learned stays; the rate comes back to it from below.
        """
        self.granted = Tally(now)
        self.refusals = Tally(now)
        self.learned.rest(now)
        self.first_number = self.next_number
        self.strikes = 0
        self.is_alone = False
        self.cut_at = self.opened_at = now
        if self.limited_since is not None:
            self.limited_since = now

    def change(self, now: float, limits: Limits) -> None:
        """Keep to other limits; a new stated rate makes what was learned void."""
        was, self.limits = self.limits, limits
        if (was.ipm, was.rpm, was.adaptive) != (
            limits.ipm,
            limits.rpm,
            limits.adaptive,
        ):
            self.learn(now)

    def image_rate(self, now: float) -> float:
        """Give the images a second in force; infinity for no limit."""
        return min(self.told_rate(now), self.learned.at(now))

    def told_rate(self, now: float) -> float:
        """Give the images a second that the user or the gateway stated."""
        hint = self.hint
        told = self.allowed(now, hint.limit_images, hint.remaining_images)
        return min(told, (self.limits.ipm or inf) / 60)

    def request_rate(self, now: float) -> float:
        """Give the requests a second in force; infinity for no limit."""
        hint = self.hint
        told = self.allowed(now, hint.limit_requests, hint.remaining_requests)
        return min(told, (self.limits.rpm or inf) / 60)

    def allowed(self, now: float, limit: int | None, remaining: int | None) -> float:
        """Give the rate a second that a limit a minute and what remains of it allow.

        To spread what remains over the time to the reset is exact for a fixed window.
        A token bucket is kept half full by it, at the full rate.
        """
        rate = limit / 60 if limit else inf
        if remaining is None or now >= self.hint_until:
            return rate
        return min(rate, max(remaining, 1) / (self.hint.reset_seconds or 1.0))

    def wait(self, now: float, in_flight: int) -> float:
        """Tell in how many seconds the next request may leave; 0 for now."""
        if now < self.held_until:
            return self.held_until - now
        if self.is_opening(now, in_flight):
            return 0.0
        return max(
            self.images.wait(now, self.image_rate(now)),
            self.requests.wait(now, self.request_rate(now)),
        )

    def is_opening(self, now: float, in_flight: int) -> bool:
        """Tell whether one more may leave because nothing was ever refused."""
        return (
            self.learned.is_ramping
            and in_flight < OPENING + self.accepted
            and self.told_rate(now) == self.request_rate(now) == inf
        )

    def left(self, admission: Admission) -> None:
        """Note that a request left."""
        self.next_number = admission.number + 1
        # What leaves in the opening is no debt: it is not held against the ramp.
        least = 0.0 if self.is_opening(admission.at, admission.others) else -inf
        self.images.take(admission.images, least=least)
        self.requests.take(1, least=least)
        self.granted.add(admission.at, admission.images)
        self.ceiling.left(admission.at, admission.others)
        if self.is_alone:
            # After repeated refusals the next waits for this one's refusal.
            self.held_until = admission.at + self.refusal_latency
            self.is_alone = False

    def unsent(self, admission: Admission) -> None:
        """Note that a request that was to leave was not sent."""
        self.granted.add(admission.at, -admission.images)

    def let_in(self, admission: Admission) -> None:
        """Note that a request was not refused for its pace."""
        self.accepted += 1
        self.ceiling.let_in(admission.others)

    def succeeded(self, now: float) -> None:
        """Note that an image was made: the wait so far was not in vain.

        It had left before the refusal, so a hold beyond the longest wait stays one.
        """
        is_too_long = self.held_until - now > self.limits.longest_wait
        self.limited_since = now if is_too_long else None

    def given_up(self, now: float, *, is_idle: bool) -> Failure | None:
        """Give the failure to stop for, after too long a wait without a success.

        Args:
            now: The time.
            is_idle: Nothing is in flight, so a hold beyond the longest wait is as good
                as its end.
        """
        if self.limited_since is None:
            return None
        until = self.limited_since + self.limits.longest_wait
        if now < until and not (is_idle and self.held_until > until):
            return None
        left = round(max(0.0, self.held_until - now))
        message = (
            f"rate limited for {now - self.limited_since:.0f} s without a success, "
            f"next try in {left:.9g} s; the longest wait "
            f"is {self.limits.longest_wait:.0f} s"
        )
        return Failure(error_class=ErrorClass.RATE_LIMITED, message=message)

    def hinted(self, now: float, hint: RateHint) -> None:
        """Keep to what the headers of a reply said, until others say otherwise."""
        if not self.limits.adaptive:
            return
        reset = hint.reset_seconds
        self.hint = hint
        self.hint_until = now + reset if reset and reset <= LONGEST_RESET else now

    def refused(
        self, now: float, admission: Admission, *, retry_after: float | None
    ) -> None:
        """Hold everyone back and, once an episode, slow down."""
        if self.limited_since is None:
            self.limited_since = now
        self.granted.add(admission.at, -admission.images)
        self.refusals.add(now, admission.images)
        if retry_after is not None:
            self.held_until = max(self.held_until, now + retry_after)
        if not self.limits.adaptive or admission.number < self.first_number:
            return
        if not self.ceiling.refused(now, admission.others):
            self.slow_down(now, admission, retry_after=retry_after)
        self.first_number = self.next_number

    def slow_down(
        self, now: float, admission: Admission, *, retry_after: float | None
    ) -> None:
        """Cut the rate, if anything was let in since the last time, and hold."""
        latency = min(1.5 * (now - admission.at), 2.0)
        self.refusal_latency = max(self.refusal_latency, latency)
        # While looking for a limit, those let in at once count, not the ramp alone.
        rate = inf if self.learned.is_ramping else self.image_rate(now)
        count = admission.number - self.first_number
        if count:
            self.cut(now, admission, rate=rate, count=count)
            self.strikes, self.cut_at = 0, now
        elif admission.again:
            # One never sent has not waited: that it is refused tells no wait too short.
            self.strikes += 1
        self.is_alone = self.strikes > 0
        if retry_after is None or self.strikes:
            hold = min(LONGEST_HOLD, FIRST_HOLD * 2.0**self.strikes)
            jittered = hold * (0.5 + 0.5 * self.random())
            self.held_until = max(self.held_until, now + jittered)
        self.opened_at = self.held_until
        self.learned.rest(self.held_until)
        self.images.calm(self.held_until, self.image_rate(now))

    def cut(self, now: float, admission: Admission, *, rate: float, count: int) -> None:
        """Measure what the gateway let in since the last hold, and make that the rate.

        A window of a minute shows in a long time of refusing everything: then only
        the whole minute tells its limit.
        """
        shortest, longest = CLOSED
        if shortest < self.opened_at - self.cut_at < longest:
            self.learned.plateau = None
            granted = self.granted.rate(now)
        elif now - self.opened_at >= RECENT or rate == inf:
            granted = self.granted.rate(now, seconds=RECENT, least=10)
        else:
            granted = count / max(admission.at - self.opened_at, count / rate)
        let_in, refused = self.granted.total(now), self.refusals.total(now)
        share = refused / max(let_in + refused, 1)
        self.learned.prove(let_in / 60, refused=share)
        self.learned.cut(rate, granted=granted, count=count)

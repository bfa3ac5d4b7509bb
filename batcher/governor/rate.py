"""The rate a gateway has shown that it bears.

A steep ramp until the first refusal, then the curve of CUBIC congestion control (RFC
9438 §4.2), applied to a rate instead of a window: after a cut it comes back fast to
just below the last good rate, stays there, and only much later looks for more.

Knows nothing of requests or of why one was refused; the pace tells it when to cut.
"""

from __future__ import annotations

from math import cbrt, exp2, inf

__all__ = ["LearnedRate"]

START = 2.0
"""Images a second at the start of the ramp, which doubles every second."""

SHARE = 0.9
"""Of the last good rate, what is left right after a cut."""

SPAN = 60.0
"""Seconds in which the curve doubles once it has left the plateau."""

SPAN_IMAGES = 100.0
"""The same in images, which is longer when they are slow: the price of looking for
more is a refusal, and it should be about one in a hundred."""

SLOWEST = 1 / 600
"""Images a second that are never gone below."""

PROVEN = 20
"""Images let in after a cut that prove a rate to be nearly right."""


FLOOR = 0.5
"""Of what a gateway has let in over a whole minute, what is never gone below. Without
it, refusals that come at random, whatever the rate, would slow a run down for ever."""

FALLEN = 0.6
"""Share of a minute's requests refused that tells that the limit itself has fallen."""


class LearnedRate:
    """Images a second, as a function of the time since the last cut.

    Attributes:
        plateau: The last good rate; None until the first cut.
    """

    def __init__(self, now: float, *, is_ramping: bool) -> None:
        self.plateau: float | None = None
        self.start = START if is_ramping else inf
        self.since = now
        self.proven = 0.0

    @property
    def is_ramping(self) -> bool:
        """Tell whether nothing was refused yet, and the rate is looked for."""
        return self.plateau is None and self.start != inf

    def at(self, now: float) -> float:
        """Give the rate to keep to at this time."""
        passed = max(0.0, now - self.since)
        if self.plateau is None:
            return self.start * exp2(min(passed, 60.0))
        span = max(SPAN, SPAN_IMAGES / self.plateau)
        knee = span * cbrt(1.0 - SHARE)
        return self.plateau * (1.0 + ((passed - knee) / span) ** 3)

    def cut(self, rate: float, *, granted: float, count: int) -> None:
        """Make what the gateway granted the last good rate.

        Args:
            rate: The rate in force at the refusal.
            granted: The rate at which the gateway had let images in before it.
            count: Images let in since the last cut.
        """
        if count >= PROVEN and granted > 0.8 * rate:
            # The rate was kept to for a while: it is a finer measure than a count.
            granted = 0.97 * rate
        if self.plateau is None:
            # A few let in at once say little of a rate; limits are of a minute at most.
            least = min(count / 60, rate)
        else:
            least = 0.5 * min(rate, self.plateau)
        self.plateau = max(min(rate, granted), least, FLOOR * self.proven, SLOWEST)

    def prove(self, rate: float, *, refused: float) -> None:
        """Take note of the rate let in over the last minute.

        Args:
            rate: Images a second, over the whole minute.
            refused: Share of the minute's images that were refused.
        """
        kept = self.proven * 0.5 if refused > FALLEN else self.proven
        self.proven = max(kept, rate)

    def rest(self, until: float) -> None:
        """Begin the curve, or the ramp, again at the time `until`."""
        self.since = until

    def felt(self, now: float) -> float | None:
        """Give the rate as far as it is a limit: not while nothing was refused."""
        if self.plateau is None or self.at(now) > 2 * self.plateau:
            return None
        return self.at(now)

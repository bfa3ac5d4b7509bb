"""A token bucket that paces evenly.

Knows nothing of requests. Times are monotonic seconds, given by the caller.
"""

from __future__ import annotations

from math import inf

__all__ = ["Bucket"]

SLACK = 0.1
"""Seconds of rate that may be caught up when the caller came back late. It is what
keeps a fast pace exact on a busy event loop; anything larger would be a burst."""

SHORTEST = 0.001
"""Seconds of the shortest wait: timers are no finer, and rounding cannot make a caller
who comes back on time wait for nothing again and again."""

ROUNDING = 1e-9


class Bucket:
    """A token bucket without a burst: what leaves is spread evenly.

    One may leave when there is a whole token; a heavier one takes more than there
    is, and the next waits until the debt is paid off. So over any `T` seconds at
    `rate` no more leaves than `rate * (T + SLACK) + 1` and the heaviest one.
    """

    def __init__(self, now: float) -> None:
        self.level = 1.0
        self.at = now

    def wait(self, now: float, rate: float) -> float:
        """Tell in how many seconds the next one may leave; 0 for now.

        Args:
            now: The time.
            rate: Tokens a second since the last call; infinity for no limit.
        """
        self.fill(now, rate, most=1.0 + rate * SLACK)
        missing = 1.0 - self.level
        return max(missing / rate, SHORTEST) if missing > ROUNDING else 0.0

    def take(self, cost: int, *, least: float = -inf) -> None:
        """Let one leave that weighs `cost`; the level stays above `least`."""
        self.level = max(self.level - cost, least)

    def calm(self, until: float, rate: float) -> None:
        """Let what comes in until then make up for debts, but for nothing more."""
        self.fill(until, rate, most=1.0)

    def fill(self, now: float, rate: float, *, most: float) -> None:
        """Add what has come in since the last time, up to `most`."""
        if rate == inf:
            self.level = 1.0
        else:
            self.level = min(self.level + max(now - self.at, 0.0) * rate, most)
        self.at = max(now, self.at)

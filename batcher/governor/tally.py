"""A count over the last minute.

Knows nothing of what it counts. Times are monotonic seconds, given by the caller.
"""

from __future__ import annotations

__all__ = ["Tally"]

SLOTS = 60


class Tally:
    """A rolling count, in sixty slots of one second; nothing grows with the count."""

    def __init__(self, now: float) -> None:
        self.started = now
        self.head = int(now)
        self.slots = [0] * SLOTS

    def add(self, at: float, count: int) -> None:
        """Count `count` more, or fewer, as of the time `at`."""
        self.advance(at)
        second = int(at)
        if second > self.head - SLOTS:
            self.slots[second % SLOTS] += count

    def rate(self, now: float, *, seconds: int = SLOTS, least: int = 0) -> float:
        """Give the count a second over the last `seconds`.

        Looks back further, a minute at most and never beyond the start, until there
        are `least` to count.
        """
        self.advance(now)
        count, back = self.slots[self.head % SLOTS], 0
        while back < SLOTS - 1 and (back < seconds or count < least):
            back += 1
            count += self.slots[(self.head - back) % SLOTS]
        span = min(back + now - self.head, now - self.started)
        return count / max(span, 1.0)

    def total(self, now: float) -> int:
        """Give the count of the last minute."""
        self.advance(now)
        return sum(self.slots)

    def advance(self, now: float) -> None:
        """Drop the seconds that are more than a minute ago."""
        second = int(now)
        for passed in range(self.head + 1, min(second, self.head + SLOTS) + 1):
            self.slots[passed % SLOTS] = 0
        self.head = max(second, self.head)

"""How many requests a gateway bears at once, when that is what it refuses.

Some gateways answer 429 because too many requests are in flight, not because they come
too fast. The two are told apart by what helps: here a request is let in when another
has ended, and refused, whatever the time waited, when none has.

Knows nothing of rates.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Ceiling"]

REFUSALS = 3
"""Refusals with as many others in flight that it takes to believe in a ceiling."""

FITTING = 2
"""Requests that left below it meanwhile, so that it is no plain refusal of all."""

SHORTEST_GAP = 60.0
LONGEST_GAP = 600.0


class Ceiling:
    """A suspicion that becomes a limit, and that one counter-example ends."""

    def __init__(self, random: Callable[[], float]) -> None:
        self.random = random
        self.forget()

    def forget(self) -> None:
        """Suspect nothing."""
        self.least: int | None = None
        self.refusals = 0
        self.fitting = 0
        self.gap = SHORTEST_GAP
        self.probe_at = 0.0

    @property
    def limit(self) -> int | None:
        """Requests that may be in flight at once, or None when not known."""
        is_proven = self.refusals >= REFUSALS and self.fitting >= FITTING
        return self.least if is_proven else None

    def wait(self, now: float, in_flight: int) -> float:
        """Tell for how many seconds one more would be too many; 0 for not at all.

        Now and then one is let through above the limit, to see whether it still holds.
        """
        limit = self.limit
        if limit is None or in_flight < limit:
            return 0.0
        return max(0.0, self.probe_at - now)

    def left(self, now: float, others: int) -> None:
        """Note that a request left with `others` in flight."""
        if self.least is None:
            return
        if others < self.least:
            self.fitting += 1
        else:
            self.schedule(now)

    def let_in(self, others: int) -> None:
        """Note that a request that left with `others` in flight was not refused."""
        if self.least is not None and others >= self.least:
            self.forget()

    def refused(self, now: float, others: int) -> bool:
        """Note a refusal, and tell whether the ceiling explains it."""
        if others == 0:
            self.forget()
        elif self.least is not None and others >= self.least:
            if self.limit is not None:
                self.gap = min(self.gap * 2, LONGEST_GAP)
            self.refusals += 1
            self.schedule(now)
        elif self.limit is None:
            self.forget()
            self.least, self.refusals = others, 1
        return self.limit is not None and others >= self.limit

    def schedule(self, now: float) -> None:
        """Set when the next one may try above the limit."""
        self.probe_at = now + self.gap * (0.5 + self.random())

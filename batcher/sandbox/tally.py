"""Counts how often a name came by, and forgets the names not heard of for longest."""

from __future__ import annotations

from collections import OrderedDict


class Tally:
    """A counter for each of a bounded number of names.

    Args:
        limit: Names to remember; one that was forgotten starts again at 1.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.counts: OrderedDict[bytes | str, int] = OrderedDict()

    def count(self, name: bytes | str) -> int:
        """Count a name once more and say how often that makes."""
        times = self.counts.pop(name, 0) + 1
        self.counts[name] = times
        if len(self.counts) > self.limit:
            self.counts.popitem(last=False)
        return times

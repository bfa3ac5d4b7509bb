"""Selects among a manifest's requests: `--shard`, `--sample` and `--first`.

Pure, and the same on every machine: a shard is told by a request's id, so it stays the
same while the manifest grows; a sample is drawn by its seed.

Of requests too many to be walked, indices are selected in their place, see
`batcher.extrapolation`. A shard is then every N-th index, which stays the same while
the manifest grows at its end, and only there.
"""

from __future__ import annotations

import random
import re
from array import array
from itertools import islice
from typing import TYPE_CHECKING

import msgspec

from batcher.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from batcher.models import Request


class Selection(msgspec.Struct, frozen=True, kw_only=True):
    """Which of a manifest's requests a run works on; all when nothing is set.

    Attributes:
        shard: Which part of how many, `(2, 5)`; `(0, 5)` and `(5, 5)` are one part.
        sample: How many, drawn uniformly without replacement.
        percent: How many in a hundred, drawn in the same way.
        seed: What decides the drawing.
        first: How many from the start, after the others.
    """

    shard: tuple[int, int] | None = None
    sample: int | None = None
    percent: float | None = None
    seed: int = 0
    first: int | None = None

    @property
    def is_sampled(self) -> bool:
        """Tell whether `choose` must be told how many requests there are."""
        return self.sample is not None or self.percent is not None

    def choose(self, requests: Iterable[Request], total: int) -> Iterator[Request]:
        """Walk the selected requests, in order.

        Args:
            requests: Every request once.
            total: How many are in the shard; read only when sampling.
        """
        chosen = iter(requests)
        if self.shard is not None:
            chosen = filter(self.has_shard, chosen)
        if self.is_sampled:
            chosen = self._drawn(chosen, total)
        return islice(chosen, self.first)

    def has_shard(self, request: Request) -> bool:
        """Tell whether a request is in the shard."""
        return self.has_id(request.id)

    def has_id(self, id_: str) -> bool:
        """Tell whether the request of an id is in the shard."""
        if self.shard is None:
            return True
        part, parts = self.shard
        return int(id_[:15], 16) % parts == part % parts

    def wanted(self, total: int) -> int:
        """Say how many of so many a sample draws; all when none is asked for."""
        wanted = total if self.sample is None else self.sample
        if self.percent is not None:
            wanted = round(total * self.percent / 100)
        return min(total, wanted)

    def pool(self, total: int) -> range:
        """Give the indices of which a sample is drawn, of so many requests in all."""
        step = self.shard[1] if self.shard is not None else 1
        start = self.shard[0] % step if self.shard is not None else 0
        pool = range(start, total, step)
        return pool if self.is_sampled else pool[: self.first]

    def indices(self, total: int) -> Sequence[int]:
        """Select among so many requests by index, rising; holds what it draws."""
        pool = self.pool(total)
        if not self.is_sampled:
            return pool
        source = random.Random(self.seed)  # noqa: S311 - a drawing, not a secret
        places = sorted(source.sample(range(len(pool)), self.wanted(len(pool))))
        return array("q", [pool[place] for place in places[: self.first]])

    def _drawn(self, requests: Iterable[Request], total: int) -> Iterator[Request]:
        """Draw so that every subset of its size is as likely, and hold none of it.

        Source: D. E. Knuth, The Art of Computer Programming 2, 3.4.2, algorithm S.
        """
        wanted = self.wanted(total)
        source = random.Random(self.seed)  # noqa: S311 - a drawing, not a secret
        for left, request in zip(range(total, 0, -1), requests, strict=False):
            if source.random() * left < wanted:
                wanted -= 1
                yield request


def parse_shard(text: str) -> tuple[int, int]:
    """Read `I/N`; raises `UsageError`."""
    match = re.fullmatch(r"(\d{1,9})/(\d{1,9})", text.strip())
    part, parts = (int(g) for g in match.groups()) if match else (1, 0)
    if not 0 <= part <= parts or parts == 0:
        raise UsageError(f"--shard: expected I/N with I from 1 to N, got {text!r}")
    return part, parts


def parse_sample(text: str) -> tuple[int | None, float | None]:
    """Read `N` or `P%` as a number or a percentage; raises `UsageError`."""
    try:
        if text.strip().endswith("%"):
            percent = float(text.strip()[:-1])
            if 0 <= percent <= 100:
                return None, percent
        elif (count := int(text)) >= 0:
            return count, None
    except ValueError:
        pass
    raise UsageError(f"--sample: expected a number or a percentage, got {text!r}")

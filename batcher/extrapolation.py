"""Estimates the plan of requests that are too many to be walked, from some of them.

Pure. Requests are counted exactly, part by part; of each part some are drawn evenly,
and what they are like is taken for what all of them are like.
"""

from __future__ import annotations

import random
from bisect import bisect_left
from collections import Counter
from fractions import Fraction
from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple

from msgspec.structs import replace

from batcher.plan import Group, Plan
from batcher.pricing import usd_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from decimal import Decimal

PROBES = 10_000
"""Requests that are drawn; a share of a hundredth is then told to within a fifth."""

_ENDED = ("done", "failed", "rejected", "unknown")
_COUNTS = (*_ENDED, "lost", "images", "unpriced", "to_send")


class Stratum(NamedTuple):
    """Some requests of one part, and how many they stand for.

    Attributes:
        places: Where they stand in the part, rising.
        start: Index of the part's first request among all.
        share: How many of the part are asked for.
    """

    places: Sequence[int]
    start: int
    share: Fraction


def draw_strata(totals: Sequence[int], pool: range, asked: int) -> list[Stratum]:
    """Draw some requests of every part, its first and last among them.

    The drawing is always the same, so that the same manifest has the same plan.

    Args:
        totals: Number of requests of each part.
        pool: Indices that may be asked for.
        asked: How many of the pool are asked for, each as likely.
    """
    source = random.Random(0)  # noqa: S311 - a drawing, not a secret
    strata = []
    for end, total in zip(accumulate(totals), totals, strict=True):
        start = end - total
        own = pool[bisect_left(pool, start) : bisect_left(pool, end)]
        number = -(-PROBES * len(own) // len(pool)) if own else 0
        drawn = {*source.sample(range(len(own)), min(number, len(own)))}
        drawn |= {0, len(own) - 1} if own else set()
        places = [own[place] - start for place in sorted(drawn)]
        share = Fraction(len(own) * asked, len(pool)) if own else Fraction(0)
        strata.append(Stratum(places, start, share))
    return strata


def extrapolated(
    plans: Iterable[tuple[Plan, Fraction]], *, total: int, duplicates: int = 0
) -> Plan:
    """Make the plan of all from the plans of some.

    Its total is exact, and so are its images where a part's requests have one `n`. What
    the ledger has of them is an estimate too, so nothing is `changed` or `orphaned`.

    Args:
        plans: The plan of what was drawn of each part, and how many it stands for.
        total: How many requests are asked for.
        duplicates: How many of what was drawn repeat others.
    """
    grown = [(plan, share / plan.total) for plan, share in plans if plan.total]
    counts = {
        name: round(sum(getattr(plan, name) * factor for plan, factor in grown))
        for name in _COUNTS
    }
    warnings = Counter(sampled=1, duplicate=duplicates)
    for plan, factor in grown:
        for code, number in plan.warnings.items():
            warnings[code] += max(1, round(number * factor))
    ended = sum(counts[name] for name in _ENDED)
    return Plan(
        total=total,
        new=total - ended,
        **counts,
        duplicates=duplicates,
        warnings=dict(sorted((+warnings).items())),
        estimated_usd=_sum((plan.estimated_usd, factor) for plan, factor in grown),
        low_usd=_sum((plan.low_usd, factor) for plan, factor in grown),
        worst_usd=_sum((plan.worst_usd, factor) for plan, factor in grown),
        lost_usd=_sum((plan.lost_usd, factor) for plan, factor in grown),
        busy_seconds=float(sum(Fraction(p.busy_seconds) * f for p, f in grown)),
        groups=tuple(_grown(g, factor) for plan, factor in grown for g in plan.groups),
    )


def _grown(group: Group, factor: Fraction) -> Group:
    return replace(
        group,
        requests=round(group.requests * factor),
        images=round(group.images * factor),
        estimated_usd=_sum([(group.estimated_usd, factor)]),
    )


def _sum(amounts: Iterable[tuple[Decimal | None, Fraction]]) -> Decimal | None:
    """Add up money, each amount so many times; None when none has a price."""
    known = [Fraction(usd) * factor for usd, factor in amounts if usd is not None]
    return usd_of(round(sum(known) * 10**6)) if known else None

"""How one rate is shared by all who work, and what a refusal says to the others.

Everyone takes an even part. The parts never add up to more than the whole: a newcomer
takes nothing until all others have seen it (`Lease.is_settled`), and a dead one's part
is taken over when its hold has long been over. Pure.
"""

from __future__ import annotations

from decimal import Decimal
from math import inf

import msgspec

__all__ = ["Quota", "Refusal", "after_refusal", "divided", "read_refusal"]

EPISODE = 15.0
"""Seconds in which refusals seen by several workers are one."""

DOUBLING = 60.0
"""Seconds after which twice as much is tried again; steps, not a slope, because a
governor begins to learn anew whenever it is told another rate."""

FORGOTTEN = 600.0
"""Seconds after which a refusal means nothing any more."""

CUT = 0.7
"""What is left of a rate at which there was still a refusal."""


class Quota(msgspec.Struct, frozen=True, kw_only=True):
    """What all workers together, or one of them, may do; None for no limit.

    Attributes:
        ipm: Images a minute.
        rpm: Requests a minute.
        max_spend: USD; for one worker, what its own shard's requests may cost in all.
    """

    ipm: float | None = None
    rpm: float | None = None
    max_spend: Decimal | None = None


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody learned from a 429.

    Attributes:
        ipm: Images a minute that the gateway lets in, from the whole fleet.
    """

    ipm: float

    def cap(self, age: float) -> float:
        """Give the images a minute to keep to, so many seconds later."""
        return self.ipm * 2.0 ** (max(age, 0.0) // DOUBLING) if age < FORGOTTEN else inf


def read_refusal(data: bytes | None) -> Refusal | None:
    """Read what somebody learned; None for what cannot be read."""
    try:
        return msgspec.json.decode(data or b"", type=Refusal)
    except msgspec.DecodeError:
        return None


def divided(quota: Quota, *, live: int, cap: float = inf) -> Quota:
    """Give one worker's part of the rates.

    Args:
        quota: What all together may do.
        live: How many may be at work, this one included.
        cap: Images a minute of all together that a refusal left.
    """
    ipm = min(quota.ipm or inf, cap)
    return Quota(
        ipm=None if ipm == inf else ipm / live,
        rpm=quota.rpm and quota.rpm / live,
        max_spend=quota.max_spend,
    )


def after_refusal(
    ipm: float, *, live: int, cap: float, age: float | None
) -> Refusal | None:
    """Decide what to tell the others of a refusal; None when they know.

    Args:
        ipm: Images a minute that the gateway let in from the one who was refused.
        live: How many may be at work.
        cap: What all were told to keep to.
        age: How long ago they were told; None for never.
    """
    if age is not None and age < EPISODE:
        return None
    # One image a minute each, however little was let in: none would be no rate.
    return Refusal(ipm=min(max(ipm, 1.0) * live, CUT * cap))

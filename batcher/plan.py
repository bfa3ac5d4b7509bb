"""What a run will do, given the manifest's requests and the ledger."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from decimal import Decimal

import msgspec


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """The requests to be sent that come from one entry and cost alike.

    Attributes:
        entry: The manifest's entry as `file:line`, or the table it reads.
        size: As sent, None when not set.
        quality: As sent, None when not set.
        requests: How many.
        images: Images they ask for.
        estimated_usd: What they will cost, None when they have no price.
    """

    entry: str
    size: str | None
    quality: str | None
    requests: int
    images: int
    estimated_usd: Decimal | None


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What a run will do (`plan --json`).

    Of requests too many to be walked, `total` is counted and the rest is estimated from
    some of them; `sampled` is then among the warnings (see `batcher.extrapolation`).

    Attributes:
        total: Requests asked for; the numbers from `new` to `changed` sum to it.
        new: Never sent, or known not to have been made; and the lost ones.
        done: Kept.
        failed: Ended by a transient failure.
        rejected: The gateway would not make them.
        unknown: Sent, outcome not known, or paid and not yet fetched.
        changed: Bought before under the same name with other content.
        orphaned: Bought before, and no longer in the manifest, not even by name.
        duplicates: Rows that repeat another one and are bought once.
        images: Images this run will ask for.
        estimated_usd: What they will cost, None when nothing has a price.
        unpriced: Requests to be sent that have no price.
        warnings: What deserves a look, by code.
        low_usd: The estimate if everything comes as cheap as it may.
        worst_usd: The estimate if everything comes as dear as it may.
        lost: Of the new ones, those bought before; the file is gone or changed.
        lost_usd: What making these again will cost, None when nothing has a price.
        to_send: Requests this run will work on.
        busy_seconds: Sum of their typical latencies, see `forecast`.
        groups: The requests to be sent, by entry, size and quality.
        unknown_usd: What those whose outcome is not known may have been billed, None
            when no price of it is known.
        fetched: Of the images, those that were paid for and are only fetched.
        accepted: Of the orphaned ones, those that it was accepted before to lack.
    """

    total: int
    new: int = 0
    done: int = 0
    failed: int = 0
    rejected: int = 0
    unknown: int = 0
    changed: int = 0
    orphaned: int = 0
    duplicates: int = 0
    images: int = 0
    estimated_usd: Decimal | None = None
    unpriced: int = 0
    warnings: Mapping[str, int]
    low_usd: Decimal | None = None
    worst_usd: Decimal | None = None
    lost: int = 0
    lost_usd: Decimal | None = None
    to_send: int = 0
    busy_seconds: float = 0.0
    groups: tuple[Group, ...] = ()
    unknown_usd: Decimal | None = None
    fetched: int = 0
    accepted: int = 0

    @property
    def needs_consent(self) -> bool:
        """Tell whether going on would buy anew what was bought before.

        What is only gone is no reason: a row may have been edited where others are
        new, and was removed where none is. A run of the whole manifest that has gone
        on without it is the consent for later ones, see `orphan.Gone.named`.
        """
        is_lacking = self.orphaned > self.accepted
        return self.changed > 0 or (self.new > 0 and is_lacking)

    def __await__(self) -> Generator[None, None, Plan]:
        """Be its own result: `await plan(…)` and `plan(…)` read alike."""
        yield from ()
        return self

"""Counts requests by where they stand, as they move (the numbers of a summary).

Pure. A run counts what its plan saw and then every move; `status` counts the ledger.
"""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from typing import TYPE_CHECKING

import msgspec

from batcher.ledger.standing import Standing, State
from batcher.models import Summary

if TYPE_CHECKING:
    from collections.abc import Mapping

    from batcher.ledger.fold import Standings

_UNKNOWN = frozenset({State.UNKNOWN, State.REPLIED})
_HAS_ERROR = frozenset({State.FAILED, State.REJECTED, State.UNKNOWN})


class Sums(msgspec.Struct, frozen=True, kw_only=True):
    """What a ledger adds up to, beside where its requests stand.

    Attributes:
        attempts: Attempt lines.
        spent: USD.
        maybe_billed: USD that may have been billed for nothing.
    """

    attempts: int = 0
    spent: Decimal = Decimal(0)
    maybe_billed: Decimal = Decimal(0)

    @classmethod
    def of(cls, standings: Standings) -> Sums:
        """Add up a ledger."""
        return cls(
            attempts=standings.attempts,
            spent=standings.spent,
            maybe_billed=standings.maybe_billed(),
        )

    def without(self, other: Sums) -> Sums:
        """Leave out what another adds up to."""
        return Sums(
            attempts=self.attempts - other.attempts,
            spent=self.spent - other.spent,
            maybe_billed=self.maybe_billed - other.maybe_billed,
        )


NOTHING = Sums()


class Count:
    """The requests of a run by state, their images, errors and warnings.

    Attributes:
        states: Requests by where they stand.
        errors: Requests that ended badly, by class of their last error.
        warnings: Kept requests by warning code.
        images: Files kept.
        is_priced: Something has a price, even if the ledger names none yet.
    """

    def __init__(self) -> None:
        self.is_priced = False
        self.states: Counter[State] = Counter()
        self.errors: Counter[str] = Counter()
        self.warnings: Counter[str] = Counter()
        self.images = 0

    def move(self, before: Standing | None, after: Standing | None) -> None:
        """Count a request where it stands now, and no longer where it stood."""
        self._add(before, -1)
        self._add(after, 1)

    def _add(self, standing: Standing | None, step: int) -> None:
        if standing is None:
            return
        self.states[standing.state] += step
        if standing.state in _HAS_ERROR and standing.error_class is not None:
            self.errors[standing.error_class] += step
        if standing.state is State.SUCCEEDED:
            self.images += step * standing.images
            for code in standing.warnings:
                self.warnings[code] += step

    def summary(
        self,
        standings: Standings,
        *,
        total: int,
        out: str,
        seconds: float = 0.0,
        skipped: int = 0,
        stopped: Mapping[str, str] | None = None,
    ) -> Summary:
        """Make the summary of a run directory.

        Args:
            standings: The whole ledger, for attempts and money.
            total: Requests asked for.
            out: The run directory.
            seconds: How long the run took.
            skipped: Requests that the run left alone.
            stopped: Why it stopped early.
        """
        unknown = sum(self.states[state] for state in _UNKNOWN)
        succeeded = self.states[State.SUCCEEDED]
        failed, rejected = self.states[State.FAILED], self.states[State.REJECTED]
        priced = self.is_priced or standings.is_priced
        return Summary(
            total=total,
            succeeded=succeeded,
            failed=failed,
            rejected=rejected,
            unknown=unknown,
            pending=max(0, total - succeeded - failed - rejected - unknown),
            skipped=skipped,
            images=self.images,
            attempts=standings.attempts,
            spent_usd=standings.spent if priced else None,
            maybe_billed_usd=standings.maybe_billed() if priced else None,
            errors=_positive(self.errors),
            warnings=_positive(self.warnings),
            seconds=round(seconds, 3),
            out=out,
            exit_code=_exit_code(
                is_kept=succeeded >= total,
                is_ended=succeeded + failed + rejected + unknown >= total,
                is_stopped=stopped is not None,
            ),
            stopped=stopped,
            lost=self.states[State.LOST],
        )


def own_part(summary: Summary, others: Sums) -> Summary:
    """Leave out of a summary what is about the requests of other shards."""
    spent, maybe = summary.spent_usd, summary.maybe_billed_usd
    return msgspec.structs.replace(
        summary,
        attempts=summary.attempts - others.attempts,
        spent_usd=None if spent is None else spent - others.spent,
        maybe_billed_usd=None if maybe is None else maybe - others.maybe_billed,
    )


def count_ledger(standings: Standings) -> Count:
    """Count every request that a ledger names."""
    count = Count()
    for standing in standings.values():
        count.move(None, standing)
    return count


def _exit_code(*, is_kept: bool, is_ended: bool, is_stopped: bool) -> int:
    """Give the exit code (README, Exit codes)."""
    if is_kept:
        return 0
    return 1 if is_ended and not is_stopped else 3


def _positive(counter: Counter[str]) -> dict[str, int]:
    return {key: number for key, number in sorted(counter.items()) if number > 0}

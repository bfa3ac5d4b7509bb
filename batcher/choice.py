"""Says which requests are sent, besides new ones: by where the ledger says they stand.

Pure: a table of words and one decision.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

import msgspec

from batcher.ledger.standing import State
from batcher.models import ErrorClass

if TYPE_CHECKING:
    from collections.abc import Mapping

    from batcher.ledger.standing import Standing
    from batcher.models import Summary


class Kind(StrEnum):
    """What a request is to a plan."""

    NEW = "new"
    DONE = "done"
    FAILED = "failed"
    REJECTED = "rejected"
    UNKNOWN = "unknown"


KINDS: Mapping[State, Kind] = {
    State.SUCCEEDED: Kind.DONE,
    State.FAILED: Kind.FAILED,
    State.REJECTED: Kind.REJECTED,
    State.UNKNOWN: Kind.UNKNOWN,
    State.REPLIED: Kind.UNKNOWN,
    State.PENDING: Kind.NEW,
    State.LOST: Kind.NEW,
}

RETRY_WORDS: Mapping[str, frozenset[Kind]] = {
    "failed": frozenset({Kind.FAILED}),
    "rejected": frozenset({Kind.REJECTED}),
    "unknown": frozenset({Kind.UNKNOWN}),
    "all": frozenset({Kind.FAILED, Kind.REJECTED, Kind.UNKNOWN}),
    "none": frozenset(),
}
"""The words of `--retry`, and which ended requests each sends again."""


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """Which requests the user wants sent, besides new ones.

    Attributes:
        kinds: Kinds to send again.
        retry_unknown: Send again what earlier runs left that may have been billed.
        buy_lost_urls: Buy anew what was paid and cannot be fetched any more.
    """

    kinds: frozenset[Kind]
    retry_unknown: bool = True
    buy_lost_urls: bool = False

    @classmethod
    def of(
        cls, words: tuple[str, ...], *, retry_unknown: bool, buy_lost_urls: bool = False
    ) -> Choice:
        """Make a choice from the words of `--retry`; without any, the default one."""
        kinds = {Kind.FAILED} | ({Kind.UNKNOWN} if retry_unknown else set())
        if words:
            kinds = set().union(*(RETRY_WORDS[word] for word in words))
        return cls(
            kinds=frozenset(kinds),
            retry_unknown=retry_unknown or Kind.UNKNOWN in kinds,
            buy_lost_urls=buy_lost_urls,
        )

    def sends(self, standing: Standing | None) -> bool:
        """Tell whether a request that stands so is worked on."""
        if standing is None or standing.reply is not None:
            return True
        kind = kind_of(standing)
        if kind is Kind.FAILED and standing.error_class == ErrorClass.AMBIGUOUS:
            return Kind.FAILED in self.kinds and self.retry_unknown
        if kind is Kind.FAILED and standing.error_class == ErrorClass.DOWNLOAD:
            return Kind.FAILED in self.kinds and self.buy_lost_urls
        return kind is Kind.NEW or kind in self.kinds

    def finds_work(self, summary: Summary) -> bool:
        """Tell whether a run that chooses so, after one that ended so, does anything.

        Every ended request that was not kept is among the errors, under one class; a
        rejected one never under `ambiguous` or `download`, see `batcher.retry`.
        """
        errors = summary.errors
        fetches = errors.get(ErrorClass.DOWNLOAD, 0)
        failed = summary.failed - fetches
        if not self.retry_unknown:
            unclear = fetches + errors.get(ErrorClass.AMBIGUOUS, 0)
            failed = sum(errors.values()) - unclear - summary.rejected
        return any(
            (
                summary.pending,
                fetches,
                # What a stopped run left so may be paid, and wait for its download.
                summary.unknown and (Kind.UNKNOWN in self.kinds or summary.stopped),
                summary.rejected and Kind.REJECTED in self.kinds,
                failed > 0 and Kind.FAILED in self.kinds,
            )
        )


def kind_of(standing: Standing | None) -> Kind:
    """Say what a request is to a plan."""
    return Kind.NEW if standing is None else KINDS[standing.state]


def was_bought(standing: Standing | None) -> bool:
    """Tell whether a request was paid for, or may have been."""
    return standing is not None and (
        standing.is_open or standing.state in {State.SUCCEEDED, State.LOST}
    )

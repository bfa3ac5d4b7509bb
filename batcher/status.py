"""What a run directory holds, read from its ledger alone."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import msgspec

from batcher.count import count_ledger
from batcher.errors import UsageError
from batcher.ledger import FILE_NAME, read_ledger
from batcher.models import Summary

if TYPE_CHECKING:
    from pathlib import Path

    from batcher.count import Count
    from batcher.ledger import Standings
    from batcher.ledger.line import EndLine


class RunStatus(msgspec.Struct, frozen=True, kw_only=True):
    """What was read.

    Attributes:
        summary: The numbers; `exit_code` is the last run's or, where it was killed,
            what a run that ended so would exit with.
        damaged: Ledger lines that cannot be read, as `file:line`.
    """

    summary: Summary
    damaged: tuple[str, ...] = ()


def read_status(folder: Path) -> RunStatus:
    """Read a run directory, also while a run is writing to it.

    Raises:
        UsageError: There is no ledger.
    """
    if not os.path.isfile(folder / FILE_NAME):  # noqa: PTH113 - never raises
        raise UsageError(f"there is no {FILE_NAME} in {str(folder)!r}")
    reading = read_ledger(folder)
    standings = reading.standings
    summary = summarize(standings, count_ledger(standings), out=str(folder))
    return RunStatus(summary=summary, damaged=reading.damaged)


def summarize(standings: Standings, count: Count, *, out: str) -> Summary:
    """Put what a ledger says into numbers.

    Args:
        standings: The whole ledger.
        count: Its requests, counted.
        out: The run directory.
    """
    end = standings.end
    told = len(standings) if standings.run is None else standings.run.total
    summary = count.summary(
        standings,
        total=max(told, len(standings)),
        out=out,
        seconds=end.seconds if end else 0.0,
        skipped=end.skipped if end else 0,
        stopped=_stopped(end),
    )
    if end is None or end.exit_code is None:
        return summary
    return msgspec.structs.replace(summary, exit_code=end.exit_code)


def _stopped(end: EndLine | None) -> dict[str, str] | None:
    """Say why the last run stopped early, if it did."""
    if end is None or end.reason == "finished":
        return None
    return {"class": end.reason, "message": end.message or end.reason}

"""What a run directory holds, read from its ledger alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from batcher.count import count_ledger
from batcher.errors import UsageError
from batcher.ledger import FILE_NAME, read_ledger
from batcher.models import Summary

if TYPE_CHECKING:
    from pathlib import Path


class RunStatus(msgspec.Struct, frozen=True, kw_only=True):
    """What was read.

    Attributes:
        summary: The numbers; `exit_code` is what a run that ended so exits with.
        damaged: 1-based numbers of ledger lines that cannot be read.
    """

    summary: Summary
    damaged: tuple[int, ...] = ()


def read_status(folder: Path) -> RunStatus:
    """Read a run directory, also while a run is writing to it.

    Raises:
        UsageError: There is no ledger.
    """
    if not (folder / FILE_NAME).is_file():
        raise UsageError(f"there is no {FILE_NAME} in {str(folder)!r}")
    reading = read_ledger(folder)
    standings = reading.standings
    end = standings.end
    is_early = end is not None and end.reason != "finished"
    summary = count_ledger(standings).summary(
        standings,
        total=standings.run.total if standings.run else len(standings),
        out=str(folder),
        seconds=end.seconds if end else 0.0,
        skipped=end.skipped if end else 0,
        stopped={"class": end.reason, "message": "see the last run's words"}
        if end is not None and is_early
        else None,
    )
    return RunStatus(summary=summary, damaged=reading.damaged)

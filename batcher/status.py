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

    from batcher.ledger.line import EndLine


class RunStatus(msgspec.Struct, frozen=True, kw_only=True):
    """What was read.

    Attributes:
        summary: The numbers; `exit_code` is the last run's or, where it was killed,
            what a run that ended so would exit with.
        damaged: 1-based numbers of ledger lines that cannot be read.
    """

    summary: Summary
    damaged: tuple[int, ...] = ()


def read_status(folder: Path) -> RunStatus:
    """Read a run directory, also while a run is writing to it.

    Raises:
        UsageError: There is no ledger.
    """
    if not os.path.isfile(folder / FILE_NAME):  # noqa: PTH113 - never raises
        raise UsageError(f"there is no {FILE_NAME} in {str(folder)!r}")
    reading = read_ledger(folder)
    standings = reading.standings
    end = standings.end
    told = len(standings) if standings.run is None else standings.run.total
    summary = count_ledger(standings).summary(
        standings,
        total=max(told, len(standings)),
        out=str(folder),
        seconds=end.seconds if end else 0.0,
        skipped=end.skipped if end else 0,
        stopped=_stopped(end),
    )
    if end is not None and end.exit_code is not None:
        summary = msgspec.structs.replace(summary, exit_code=end.exit_code)
    return RunStatus(summary=summary, damaged=reading.damaged)


def _stopped(end: EndLine | None) -> dict[str, str] | None:
    """Say why the last run stopped early, if it did."""
    if end is None or end.reason == "finished":
        return None
    return {"class": end.reason, "message": end.message or end.reason}

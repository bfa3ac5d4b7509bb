"""What a run directory holds, read from its ledger; images are looked for, not into."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from batcher.count import count_ledger
from batcher.layout import check_ledger
from batcher.ledger import read_ledger
from batcher.ledger.line import EndLine
from batcher.ledger.presence import presence
from batcher.models import Summary
from batcher.stores import open_directory

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from batcher.count import Count
    from batcher.ledger import Standings
    from batcher.stores import Directory


class RunStatus(msgspec.Struct, frozen=True, kw_only=True):
    """What was read.

    Attributes:
        summary: The numbers; `exit_code` is the last run's or, where it was killed,
            what a run that ended so would exit with.
        damaged: Ledger lines that cannot be read, as `file:line`.
        shards: Of a fleet, how many shards have begun, and of how many.
    """

    summary: Summary
    damaged: tuple[str, ...] = ()
    shards: tuple[int, int] | None = None


def read_status(place: Path | str | Directory) -> RunStatus:
    """Read a run directory, also while a run is writing to it.

    Args:
        place: A folder, or a URL of an object store.

    Raises:
        UsageError: There is no ledger.
        StoreError: It cannot be read.
    """
    directory = open_directory(place)
    check_ledger(directory)
    reading = read_ledger(directory, holds=presence(directory))
    standings = reading.standings
    summary = summarize(standings, count_ledger(standings), out=str(directory))
    shards = None
    if standings.shards:
        shards = len(standings.shards), _parts(standings)
    return RunStatus(summary=summary, damaged=reading.damaged, shards=shards)


def summarize(standings: Standings, count: Count, *, out: str) -> Summary:
    """Put what a ledger says into numbers; the shards of a fleet count as one run.

    Args:
        standings: The whole ledger.
        count: Its requests, counted.
        out: The run directory.
    """
    end = standings.end
    told = len(standings) if standings.run is None else standings.run.total
    if standings.shards:
        told, end = _fleet_of(standings)
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


def _fleet_of(standings: Standings) -> tuple[int, EndLine | None]:
    """Take a fleet as one run: what its shards were asked for, and its end.

    Shards that never began are not in the total, as nobody has counted them.
    """
    shards = standings.shards
    ends = {part: end for part, (_, end) in shards.items() if end is not None}
    total = sum(run.total for run, _ in shards.values())
    return total, _joined(ends) if len(ends) == _parts(standings) else None


def _parts(standings: Standings) -> int:
    """Tell into how many shards the last fleet's work was cut."""
    return next(run.shard[1] for run, _ in standings.shards.values() if run.shard)


def _joined(ends: Mapping[int, EndLine]) -> EndLine:
    """Say how a fleet has ended: as the shard that went worst."""
    reason, message = "finished", None
    for part, end in sorted(ends.items(), reverse=True):
        if _stopped(end):
            shard = f"shard {part or len(ends)}/{len(ends)}"
            reason, message = end.reason, f"{shard}: {end.message or end.reason}"
    last = max(ends.values(), key=lambda end: end.at)
    codes = [end.exit_code for end in ends.values()]
    return EndLine(
        at=last.at,
        run=last.run,
        reason=reason,
        seconds=max(end.seconds for end in ends.values()),
        skipped=sum(end.skipped for end in ends.values()),
        exit_code=None if None in codes else max(filter(None, codes), default=0),
        message=message,
    )


def _stopped(end: EndLine | None) -> dict[str, str] | None:
    """Say why the last run stopped early, if it did."""
    if end is None or end.reason == "finished":
        return None
    return {"class": end.reason, "message": end.message or end.reason}

"""What the page is told of the run as a whole: its runs, retries and open requests.

Pure: folds the ledger's lines, and knows nothing of files.
"""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from pathlib import PurePath
from typing import TYPE_CHECKING

import msgspec

from batcher.ledger.event import ErrorRecord, Run
from batcher.reports.entry import Sighting

if TYPE_CHECKING:
    from collections.abc import Container, Iterable


class Span(msgspec.Struct, frozen=True, kw_only=True):
    """One run, as the charts need it.

    Attributes:
        run: Its id.
        at: When it started.
        end: When it ended; None while it runs, or after it was killed.
        reason: Why it ended.
        endpoint: The endpoint's name.
        manifests: The manifests' file names.
        ipm: Images a minute it was held to, if it was.
    """

    run: str
    at: datetime
    end: datetime | None = None
    reason: str | None = None
    endpoint: str
    manifests: tuple[str, ...]
    ipm: float | None = None


class Overview(msgspec.Struct, frozen=True, kw_only=True):
    """What a ledger's lines say beside its results.

    Attributes:
        runs: In the ledger's order.
        retries: Attempts that were followed by another, by class of their error.
        sightings: The last that was heard of each open request, by id.
    """

    runs: tuple[Span, ...]
    retries: dict[str, int]
    sightings: dict[str, Sighting]


class _Line(msgspec.Struct, frozen=True):
    event: str
    at: datetime
    id: str | None = None
    run: str | None = None
    reason: str | None = None
    error: ErrorRecord | None = None


_line = msgspec.json.Decoder(_Line).decode
_run = msgspec.json.Decoder(Run).decode


def survey(lines: Iterable[bytes], open_ids: Container[str]) -> Overview:
    """Fold a ledger's lines; what cannot be read is passed over.

    Args:
        lines: The ledger's lines.
        open_ids: Requests without a result.
    """
    runs: dict[str, Span] = {}
    retries: Counter[str] = Counter()
    sightings: dict[str, Sighting] = {}
    for raw in lines:
        try:
            line = _line(raw)
            if line.event == "run":
                span = _span(_run(raw))
                runs[span.run] = span
        except (msgspec.DecodeError, UnicodeDecodeError):
            continue
        if line.event == "end" and line.run in runs:
            ended = {"end": line.at, "reason": line.reason}
            runs[line.run] = msgspec.structs.replace(runs[line.run], **ended)
        if line.event == "retry" and line.error is not None:
            retries[line.error.error_class] += 1
        if line.id is not None and line.id in open_ids:
            sightings[line.id] = Sighting(at=line.at, error=line.error)
    return Overview(
        runs=tuple(runs.values()), retries=dict(retries), sightings=sightings
    )


def _span(run: Run) -> Span:
    ipm = run.settings.get("ipm")
    return Span(
        run=run.run,
        at=run.at,
        endpoint=run.endpoint.name,
        # Names alone: a report is passed on, and need not say where its maker works.
        manifests=tuple(PurePath(m.path).name for m in run.manifests),
        ipm=float(ipm) if isinstance(ipm, int | float) else None,
    )

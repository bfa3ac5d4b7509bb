"""What the page is told of the run as a whole: its numbers, runs and retries.

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
from batcher.version import VERSION

if TYPE_CHECKING:
    from batcher.models import Summary


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


class _Line(msgspec.Struct, frozen=True):
    event: str
    at: datetime
    id: str | None = None
    name: str | None = None
    run: str | None = None
    reason: str | None = None
    error: ErrorRecord | None = None


_line = msgspec.json.Decoder(_Line).decode
_run = msgspec.json.Decoder(Run).decode


class Overview:
    """What a ledger's lines say beside its results, folded line by line.

    Attributes:
        retries: Attempts that were followed by another, by class of their error.
        sightings: The last that was heard of each open request, by id.
    """

    def __init__(self) -> None:
        self.retries: Counter[str] = Counter()
        self.sightings: dict[str, Sighting] = {}
        self._runs: dict[str, Span] = {}

    @property
    def runs(self) -> tuple[Span, ...]:
        """Every run, in the ledger's order."""
        return tuple(self._runs.values())

    def take(self, raw: bytes) -> None:
        """Fold one line; what cannot be read is passed over."""
        try:
            line = _line(raw)
            span = _span(_run(raw)) if line.event == "run" else None
        except (msgspec.DecodeError, UnicodeDecodeError):
            return
        if span is not None:
            self._runs[span.run] = span
        elif line.event == "end" and line.run in self._runs:
            ended = {"end": line.at, "reason": line.reason}
            self._runs[line.run] = msgspec.structs.replace(
                self._runs[line.run], **ended
            )
        if line.event == "retry" and line.error is not None:
            self.retries[line.error.error_class] += 1
        if line.id is not None:
            self._sight(line.id, line)

    def _sight(self, id_: str, line: _Line) -> None:
        if line.event == "result":
            self.sightings.pop(id_, None)
        else:
            before = self.sightings.get(id_)
            name = line.name or (before.name if before else None)
            self.sightings[id_] = Sighting(at=line.at, name=name, error=line.error)


def make_header(
    title: str, summary: Summary, overview: Overview, *, at: datetime
) -> dict[str, object]:
    """Give what the page is told beside its requests.

    Args:
        title: What the page is called: a name, never a path.
        summary: The run directory in numbers.
        overview: Its runs and retries.
        at: When this was so.
    """
    return {
        "title": title,
        "made_at": at,
        "batcher": VERSION,
        "summary": msgspec.structs.replace(summary, out=title),
        "runs": overview.runs,
        "retries": overview.retries,
    }


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

"""Writes a report's folder: the page, its data and its thumbnails.

Streams: holds a few requests per processor, and what the ledger's standings take. Every
file is replaced as a whole; images are linked, not copied.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from batcher.errors import StoreError, UsageError
from batcher.ledger import read_ledger
from batcher.ledger.event import now
from batcher.ledger.reader import raw_lines
from batcher.record import read_records
from batcher.reports import asset
from batcher.reports.asset import PAGE, read_assets
from batcher.reports.gallery import Gallery
from batcher.reports.overview import Overview, make_header
from batcher.reports.script import data_script
from batcher.reports.thumbnail import Thumbnailer, find_pillow
from batcher.status import read_status

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from batcher.ledger import Standings
    from batcher.marks import Where
    from batcher.reports.entry import Entry

FOLDER = "report"
DATA = "data.js"


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """A report that was written.

    Attributes:
        page: The file to open.
        requests: Requests on it.
        made: Thumbnails made for it; the others were there.
        has_thumbnailer: Pillow is installed.
        damaged: Ledger lines that cannot be read, as `file:line`.
    """

    page: Path
    requests: int
    made: int
    has_thumbnailer: bool
    damaged: tuple[str, ...] = ()


def write_report(
    folder: Path,
    out: Path | None = None,
    *,
    where: Where | None = None,
    on_request: Callable[[], object] = lambda: None,
) -> Report:
    """Write the report of a run directory, also while a run is writing to it.

    Args:
        folder: The run directory.
        out: Where the report goes; by default `report` in the run directory.
        where: Which requests are on it; all when not given.
        on_request: Called after every request that was written.

    Raises:
        UsageError: There is no ledger, or `out` holds somebody else's page.
        StoreError: The report cannot be written.
    """
    summary = read_status(folder).summary
    out = folder / FOLDER if out is None else out
    _check_free(out)
    reading = read_ledger(folder)
    overview = Overview()
    for _, raw in raw_lines(folder):
        overview.take(raw)
    header = make_header(folder.resolve().name, summary, overview, at=now())
    thumbs = Thumbnailer(out, find_pillow())
    only = None if where is None else _only(folder, reading.standings, where)
    gallery = Gallery(folder, out, thumbs, only=only)
    entries = gallery.entries(reading.standings, overview)
    try:
        out.mkdir(parents=True, exist_ok=True)
        _write_page(out)
        _replace(out / DATA, data_script(header, _telling(entries, on_request)))
    except OSError as error:
        raise StoreError(f"cannot write {str(out)!r}: {error.strerror}") from error
    return Report(
        page=out / PAGE,
        requests=len(reading.standings) if only is None else len(only),
        made=thumbs.made,
        has_thumbnailer=thumbs.is_able,
        damaged=reading.damaged,
    )


def _only(folder: Path, standings: Standings, where: Where) -> frozenset[str]:
    """List the requests that are meant."""
    at = now()
    records = read_records(folder, standings)
    return frozenset(each.id for each in records if where.matches(each.fields(at)))


def _check_free(out: Path) -> None:
    if (out / PAGE).exists() and not (out / DATA).exists():
        words = f"{str(out / PAGE)!r} is not a report; name another folder with --out"
        raise UsageError(words)


def _telling(entries: Iterable[Entry], tell: Callable[[], object]) -> Iterator[Entry]:
    for entry in entries:
        yield entry
        tell()


def _write_page(out: Path) -> None:
    """Copy what is the same in every report."""
    (out / asset.FOLDER).mkdir(exist_ok=True)
    for path, content in read_assets().items():
        _replace(out / path, [content])


def _replace(path: Path, pieces: Iterable[bytes]) -> None:
    """Write a file that is there as a whole or not at all."""
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with part.open("wb") as stream:
            stream.writelines(pieces)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)

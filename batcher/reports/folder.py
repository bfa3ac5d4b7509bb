"""Writes a report's folder: the page, its data and its thumbnails.

Streams: holds a few requests per processor, and what the ledger's standings take. Every
file is replaced as a whole; images are linked, not copied.
"""

from __future__ import annotations

import os
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from batcher.errors import StoreError, UsageError
from batcher.ledger import State, read_ledger
from batcher.ledger.event import now
from batcher.ledger.reader import raw_lines
from batcher.reports.gallery import Gallery
from batcher.reports.overview import survey
from batcher.reports.script import data_script
from batcher.reports.thumbnail import Thumbnailer, find_pillow
from batcher.status import read_status
from batcher.version import VERSION

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from batcher.ledger import Standings
    from batcher.reports.entry import Entry

FOLDER = "report"
PAGE = "index.html"
DATA = "data.js"
ASSETS = "page"

_UNFINISHED = frozenset({State.UNKNOWN, State.PENDING, State.REPLIED})


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """A report that was written.

    Attributes:
        page: The file to open.
        requests: Requests on it.
        made: Thumbnails made for it; the others were there.
        has_thumbnailer: Pillow is installed.
        damaged: 1-based numbers of ledger lines that cannot be read.
    """

    page: Path
    requests: int
    made: int
    has_thumbnailer: bool
    damaged: tuple[int, ...] = ()


def write_report(
    folder: Path,
    out: Path | None = None,
    *,
    on_request: Callable[[], object] = lambda: None,
) -> Report:
    """Write the report of a run directory, also while a run is writing to it.

    Args:
        folder: The run directory.
        out: Where the report goes; by default `report` in the run directory.
        on_request: Called after every request that was written.

    Raises:
        UsageError: There is no ledger, or `out` holds somebody else's page.
        StoreError: The report cannot be written.
    """
    summary = read_status(folder).summary
    out = folder / FOLDER if out is None else out
    _check_free(out)
    reading = read_ledger(folder)
    title = folder.resolve().name
    overview = survey((raw for _, raw in raw_lines(folder)), _open(reading.standings))
    header = {
        "title": title,
        "made_at": now(),
        "batcher": VERSION,
        "summary": msgspec.structs.replace(summary, out=title),
        "runs": overview.runs,
        "retries": overview.retries,
    }
    thumbs = Thumbnailer(out, find_pillow())
    gallery = Gallery(folder, out, thumbs)
    entries = gallery.entries(reading.standings, overview)
    try:
        out.mkdir(parents=True, exist_ok=True)
        _write_page(out)
        _replace(out / DATA, data_script(header, _telling(entries, on_request)))
    except OSError as error:
        raise StoreError(f"cannot write {str(out)!r}: {error.strerror}") from error
    return Report(
        page=out / PAGE,
        requests=len(reading.standings),
        made=thumbs.made,
        has_thumbnailer=thumbs.is_able,
        damaged=reading.damaged,
    )


def _check_free(out: Path) -> None:
    if (out / PAGE).exists() and not (out / DATA).exists():
        words = f"{str(out / PAGE)!r} is not a report; name another folder with --out"
        raise UsageError(words)


def _open(standings: Standings) -> frozenset[str]:
    """List the requests that are under way, or were when the run died."""
    return frozenset(
        id_
        for id_ in standings
        if (standing := standings.get(id_)) and standing.state in _UNFINISHED
    )


def _telling(entries: Iterable[Entry], tell: Callable[[], object]) -> Iterator[Entry]:
    for entry in entries:
        yield entry
        tell()


def _write_page(out: Path) -> None:
    """Copy what is the same in every report."""
    (out / ASSETS).mkdir(exist_ok=True)
    for file in resources.files(__package__).joinpath(ASSETS).iterdir():
        home = out if file.name == PAGE else out / ASSETS
        _replace(home / file.name, [file.read_bytes()])


def _replace(path: Path, pieces: Iterable[bytes]) -> None:
    """Write a file that is there as a whole or not at all."""
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with part.open("wb") as stream:
            stream.writelines(pieces)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)

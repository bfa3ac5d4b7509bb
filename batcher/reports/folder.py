"""Writes a report's folder: the page, its data and its thumbnails.

Streams: holds a few requests per thread, and what the ledger's standings take. Every
file is replaced as a whole; images are linked, those of an object store copied.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from batcher.count import count_ledger
from batcher.errors import StoreError, UsageError
from batcher.layout import Inventory, check_ledger, check_place, place_for, title_of
from batcher.ledger import read_ledger
from batcher.ledger.event import now
from batcher.ledger.presence import presence
from batcher.ledger.reader import raw_lines
from batcher.record import read_records
from batcher.reports import asset, thumbnail
from batcher.reports.asset import PAGE, read_assets
from batcher.reports.gallery import Gallery
from batcher.reports.overview import Overview, make_header
from batcher.reports.script import data_script
from batcher.reports.thumbnail import Thumbnailer, find_pillow
from batcher.reports.wall import FOLDER as COPIES
from batcher.reports.wall import CopiedWall, LinkedWall
from batcher.status import summarize
from batcher.stores import LocalDirectory, open_directory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from batcher.ledger import Standings
    from batcher.marks import Where
    from batcher.reports.entry import Entry
    from batcher.reports.wall import Wall
    from batcher.stores import Directory

FOLDER = "report"
DATA = "data.js"

_OURS = frozenset({DATA, asset.FOLDER, thumbnail.FOLDER, COPIES})
"""What a report that was not finished, or the thumbnails of a watch, may have left."""


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """A report that was written.

    Attributes:
        page: The file to open.
        requests: Requests on it.
        made: Thumbnails made for it; the others were there.
        has_thumbnailer: Pillow is installed.
        copied: Bytes of images copied for it; the others were there, or are linked.
        damaged: Ledger lines that cannot be read, as `file:line`.
    """

    page: Path
    requests: int
    made: int
    has_thumbnailer: bool
    copied: int = 0
    damaged: tuple[str, ...] = ()


def write_report(
    place: Path | str | Directory,
    out: Path | None = None,
    *,
    where: Where | None = None,
    is_thumbs_only: bool = False,
    on_request: Callable[[], object] = lambda: None,
) -> Report:
    """Write the report of a run directory, also while a run is writing to it.

    Args:
        place: The run directory.
        out: Where the report goes; by default `report` in the run directory, or
            `report-NAME` here where that is in an object store.
        where: Which requests are on it; all when not given.
        is_thumbs_only: Of an object store's images, copy no more than thumbnails.
        on_request: Called after every request that was written.

    Raises:
        UsageError: There is no ledger, `out` holds something else or stands among the
            images, or there can be no thumbnails alone.
        StoreError: The report cannot be written, or the run directory not be read.
    """
    directory = open_directory(place)
    check_ledger(directory)
    out = place_for(directory, FOLDER) if out is None else out
    check_place(directory, out, FOLDER)
    _check_free(out)
    thumbs = Thumbnailer(out, find_pillow())
    wall = _wall(directory, out, thumbs, is_thumbs_only=is_thumbs_only)
    reading = read_ledger(directory, holds=presence(directory))
    standings = reading.standings
    summary = summarize(standings, count_ledger(standings), out=str(directory))
    overview = Overview()
    for _, raw in raw_lines(directory):
        overview.take(raw)
    header = make_header(title_of(directory), summary, overview, at=now())
    only = None if where is None else _only(directory, standings, where)
    gallery = Gallery(directory, wall, only=only)
    entries = gallery.entries(standings, overview)
    try:
        out.mkdir(parents=True, exist_ok=True)
        # First the data: a page without them is somebody else's, see `_check_free`.
        _replace(out / DATA, data_script(header, _telling(entries, on_request)))
        _write_page(out)
    except OSError as error:
        raise StoreError(f"cannot write {str(out)!r}: {error.strerror}") from error
    return Report(
        page=out / PAGE,
        requests=len(standings) if only is None else len(only),
        made=thumbs.made,
        has_thumbnailer=thumbs.is_able,
        copied=wall.copied if isinstance(wall, CopiedWall) else 0,
        damaged=reading.damaged,
    )


def _wall(
    directory: Directory, out: Path, thumbs: Thumbnailer, *, is_thumbs_only: bool
) -> Wall:
    """Choose how images get onto the page; raises `UsageError`, `StoreError`."""
    if isinstance(directory, LocalDirectory):
        if is_thumbs_only:
            words = "is for a URL; the images of a folder are linked, not copied"
            raise UsageError(f"--thumbs-only {words}")
        return LinkedWall(directory.folder, out, thumbs)
    if is_thumbs_only and not thumbs.is_able:
        words = "needs Pillow: pip install 'batcher[report]'"
        raise UsageError(f"--thumbs-only {words}")
    files = Inventory(directory)
    return CopiedWall(files, out, thumbs, is_thumbs_only=is_thumbs_only)


def _only(directory: Directory, standings: Standings, where: Where) -> frozenset[str]:
    """List the requests that are meant."""
    at = now()
    records = read_records(directory, standings)
    return frozenset(each.id for each in records if where.matches(each.fields(at)))


def _check_free(out: Path) -> None:
    """Refuse a folder of somebody else's, page or not.

    Raises:
        UsageError: It is one.
        StoreError: It cannot be read.
    """
    try:
        names = {file.name for file in out.iterdir()} if out.is_dir() else set()
    except OSError as error:
        raise StoreError(f"cannot read {str(out)!r}: {error.strerror}") from error
    if {PAGE, DATA} <= names:
        return
    for name in sorted(names - _OURS):
        if not name.startswith((f".{DATA}.", f".{PAGE}.")):
            words = f"{str(out)!r} is not a report, it holds {name!r}"
            raise UsageError(f"{words}; name another folder with --out")


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

"""Exports a run directory: selects images, divides them, then writes shard by shard.

What was written is kept by the next export to the same folder where it still is what is
wanted: an export that was interrupted is run again, and ends the same.
"""

from __future__ import annotations

from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from filelock import FileLock, Timeout

from batcher.errors import StoreError, UsageError
from batcher.exports.card import Content, card_text, license_of, manifests_of
from batcher.exports.column import Survey
from batcher.exports.exporter import Site
from batcher.exports.folder import LOCK, ExportFolder, replace
from batcher.exports.format import EXPORTERS, OPTIONS, Format
from batcher.exports.row import rows_of
from batcher.exports.shard import DEFAULT, ShardSize
from batcher.exports.source import FolderSource
from batcher.exports.split import Splits
from batcher.exports.spool import Spool
from batcher.exports.writer import Listener, ShardWriter
from batcher.layout import check_place, place_for, title_of
from batcher.ledger import State
from batcher.ledger.event import now
from batcher.ledger.reader import raw_lines
from batcher.marks import Where
from batcher.record import NO_IMAGE, ODD_LINE, Record, read_records
from batcher.stores import LocalDirectory, open_directory

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from batcher.exports.column import Columns
    from batcher.exports.exporter import Exporter
    from batcher.exports.row import Row
    from batcher.exports.source import Source
    from batcher.ledger import Standings
    from batcher.stores import Directory

CARD = "README.md"


class ExportOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What to export, and how.

    Attributes:
        format: What is written.
        out: The folder; by default `export/FORMAT` in the run directory, or
            `export-NAME/FORMAT` here where that is in an object store.
        where: Selects requests.
        splits: Which images go where.
        shard_size: How much goes into a shard; None for the default.
        is_copy: Images are copied where a link would do.
        is_by_path: Images stay where they are; rows name them.
    """

    format: Format
    out: Path | None = None
    where: Where | None = None
    splits: Splits = Splits()
    shard_size: ShardSize | None = None
    is_copy: bool = False
    is_by_path: bool = False


class Export(msgspec.Struct, frozen=True, kw_only=True):
    """An export that was written.

    Attributes:
        out: Its folder.
        splits: Images in each split.
        left_out: Images that were not what the ledger says, or that it says too little
            of.
        files: Shards or tables.
        kept: Of those, the ones that were there already.
    """

    out: Path
    splits: dict[str, int]
    left_out: int
    files: int
    kept: int


def write_export(
    place: Path | str | Directory,
    standings: Standings,
    options: ExportOptions,
    *,
    listener: Listener | None = None,
) -> Export:
    """Export the images that a run directory keeps, also while a run adds to it.

    Args:
        place: The run directory.
        standings: What was read of its ledger.
        options: What to export.
        listener: Who is told how it goes.

    Raises:
        UsageError: An option does not fit, a library is missing, or the folder holds
            something else.
        StoreError: The export cannot be written, or the run directory not be read.
    """
    _check_options(options)
    directory = open_directory(place)
    out = options.out or place_for(directory, "export") / options.format.value
    check_place(directory, out, "export")
    site = Site(
        source=_source(directory),
        out=out,
        is_copy=options.is_copy,
        is_by_path=options.is_by_path,
    )
    exporter = EXPORTERS[options.format](site)
    listener = listener or Listener()
    selected = _Selected(directory, standings, options.where, listener)
    try:
        books = ExportFolder(out, options.format.value)
        with FileLock(out / LOCK, blocking=False), ExitStack() as spooled:
            books.read()  # anew: another export may have ended since
            spools = _open_spools(out, options, spooled)
            columns = _fill(spools, selected, options)
            if not any(spool.shards() for spool in spools.values()):
                books.check_empty()
            writer = ShardWriter(site.source, exporter, books, columns, listener)
            writer.write(spools)
            _write_card(out / CARD, _content(directory, options, exporter, writer))
    except Timeout as error:
        raise UsageError(f"another export to {str(out)!r} is at work") from error
    except OSError as error:
        words = f"cannot write {str(out)!r}: {error.strerror or error}"
        raise StoreError(words) from error
    return Export(
        out=out,
        splits=writer.images,
        left_out=selected.left_out + writer.left_out,
        files=writer.files,
        kept=writer.kept,
    )


def _check_options(options: ExportOptions) -> None:
    given = {
        "--copy": options.is_copy,
        "--paths": options.is_by_path,
        "--shard-size": options.shard_size is not None,
    }
    for flag, formats in OPTIONS.items():
        if given[flag] and options.format not in formats:
            words = " and ".join(sorted(formats))
            raise UsageError(f"{flag} is for {words}, not for {options.format}")


def _source(directory: Directory) -> Source:
    if isinstance(directory, LocalDirectory):
        return FolderSource(directory.folder)
    from batcher.exports.remote import RemoteSource  # noqa: PLC0415 - folders without

    return RemoteSource(directory)


class _Selected:
    """Walks the images that are wanted, in the ledger's order.

    Attributes:
        left_out: Those that the ledger says too little of.
    """

    def __init__(
        self,
        directory: Directory,
        standings: Standings,
        where: Where | None,
        listener: Listener,
    ) -> None:
        self.left_out = 0
        self._records = read_records(directory, standings)
        self._where = where
        self._listener = listener

    def __iter__(self) -> Iterator[Row]:
        at = now()
        for record in self._records:
            if record.status != State.SUCCEEDED:
                continue
            if self._where is None or self._where.matches(record.fields(at)):
                yield from self._rows(record)

    def _rows(self, record: Record) -> Iterator[Row]:
        if record.result is not None and record.images:
            return rows_of(record.result)
        for place in [image.path for image in record.images] or [record.id]:
            self.left_out += 1
            self._listener.on_left_out(place, ODD_LINE if record.images else NO_IMAGE)
        return iter(())


def _open_spools(
    out: Path, options: ExportOptions, spooled: ExitStack
) -> dict[str, Spool]:
    is_sharded = options.format in OPTIONS["--shard-size"]
    size = options.shard_size or (DEFAULT if is_sharded else ShardSize())
    return {
        name: spooled.enter_context(closing(Spool(out, size)))
        for name in options.splits.names
    }


def _fill(
    spools: Mapping[str, Spool], rows: Iterable[Row], options: ExportOptions
) -> Columns:
    """Divide rows among the splits; gives the columns they need."""
    survey = Survey()
    for row in rows:
        survey.add(row)
        spools[options.splits.split_of(row.id)].add(row)
    return survey.columns()


def _content(
    directory: Directory,
    options: ExportOptions,
    exporter: Exporter,
    writer: ShardWriter,
) -> Content:
    """Say what was exported; a split without an image has no files to name."""
    images, tally = writer.images, writer.tally
    return Content(
        title=title_of(directory),
        format=options.format.value,
        manifests=manifests_of(raw for _, raw in raw_lines(directory)),
        splits=images,
        patterns={name: exporter.pattern(name) for name in images if images[name]},
        models=tally.models,
        first=tally.first,
        last=tally.last,
    )


def _write_card(path: Path, content: Content) -> None:
    try:
        card = path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        card = ""
    content = msgspec.structs.replace(content, license=license_of(card))
    replace(path, [card_text(content).encode()])

"""Writes an export's shards, one after the other; those that are there are kept."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from hashlib import sha256
from itertools import islice
from typing import TYPE_CHECKING

import msgspec

from batcher.exports.card import Tally
from batcher.exports.folder import Entry, finish, part_of
from batcher.exports.source import UnfitError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from batcher.exports.column import Columns
    from batcher.exports.exporter import Exporter, Sink
    from batcher.exports.folder import ExportFolder
    from batcher.exports.row import Row
    from batcher.exports.shard import Shard
    from batcher.exports.source import Source
    from batcher.exports.spool import Spool


class Listener(msgspec.Struct, frozen=True, kw_only=True):
    """Who is told how an export goes.

    Attributes:
        on_image: Called after every image.
        on_left_out: Called with the path of an image that is not fit, or the id of a
            request that has none, and why.
    """

    on_image: Callable[[], object] = lambda: None
    on_left_out: Callable[[str, str], object] = lambda _place, _words: None


class ShardWriter:
    """Writes shards.

    Args:
        source: The run directory's images.
        exporter: The format.
        books: The export's folder.
        columns: Of every row.
        listener: Who is told.

    Attributes:
        tally: What was exported.
        images: How many, by split.
        left_out: Images that were not fit.
        files: Shards there are.
        kept: Of those, the ones that were there already.
    """

    def __init__(
        self,
        source: Source,
        exporter: Exporter,
        books: ExportFolder,
        columns: Columns,
        listener: Listener,
    ) -> None:
        self.tally = Tally()
        self.images: dict[str, int] = {}
        self.left_out = 0
        self.files = 0
        self.kept = 0
        self._source = source
        self._exporter = exporter
        self._books = books
        self._columns = columns
        self._listener = listener

    def write(self, spools: Mapping[str, Spool]) -> None:
        """Write every split; raises `OSError`."""
        seed = msgspec.json.encode([self._exporter.holds_images, self._columns])
        digests = {
            self._exporter.shard_name(split, number): _digest(seed, shard)
            for split, spool in spools.items()
            for number, shard in enumerate(spool.shards())
        }
        self._books.plan(digests, self._exporter.forget)
        for split, spool in spools.items():
            self.images[split] = 0
            rows = spool.rows()
            for number, shard in enumerate(spool.shards()):
                name = self._exporter.shard_name(split, number)
                taken = islice(rows, shard.rows)
                entry = self._write_shard(name, digests[name], taken)
                self.images[split] += entry.images
                self.left_out += entry.left_out
                self.files += 1
        self._books.settle()

    def _write_shard(self, name: str, digest: str, rows: Iterable[Row]) -> Entry:
        """Write one shard, unless it is whole already."""
        kept = self._books.kept(name) if self._exporter.holds_images else None
        if kept is not None:
            self.kept += 1
            for row in rows:
                self._count(row)
            return kept
        file = self._books.path / name
        file.parent.mkdir(exist_ok=True)
        images, left_out = self._fill(file, rows)
        entry = Entry(
            file=name,
            bytes=file.stat().st_size,
            digest=digest,
            images=images,
            left_out=left_out,
        )
        self._books.add(entry)
        return entry

    def _fill(self, file: Path, rows: Iterable[Row]) -> tuple[int, int]:
        """Write rows to a new file; gives how many are in it, and were left out."""
        part = part_of(file)
        counts = [0, 0]
        is_whole = False
        try:
            sink = self._exporter.open(part, self._columns)
            try:
                with closing(self._source.ahead(rows, sink.needs)) as fetched:
                    for row in fetched:
                        counts[not self._has_added(sink, row)] += 1
                is_whole = True
            finally:
                sink.close(is_whole=is_whole)
            finish(file)
        finally:
            part.unlink(missing_ok=True)
        return counts[0], counts[1]

    def _has_added(self, sink: Sink, row: Row) -> bool:
        try:
            sink.add(row)
        except UnfitError as defect:
            self._listener.on_left_out(row.path, str(defect))
            return False
        self._count(row)
        return True

    def _count(self, row: Row) -> None:
        self.tally.add(row)
        self._listener.on_image()


def _digest(seed: bytes, shard: Shard) -> str:
    """Hash all that decides a shard's bytes but the images, whose hashes are in it."""
    return sha256(seed + shard.digest.encode()).hexdigest()

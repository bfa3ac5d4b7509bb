"""Holds the rows of one split on disk, as they were when the ledger was read.

The columns and shards must be known before the first image is written, and the ledger
may grow meanwhile. Memory stays flat however many rows there are.
"""

from __future__ import annotations

import tempfile
from typing import TYPE_CHECKING

import msgspec

from batcher.exports.row import Row
from batcher.exports.shard import Division

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from batcher.exports.shard import Shard, ShardSize

_decode = msgspec.json.Decoder(Row).decode


class Spool:
    """The rows of one split, in the ledger's order.

    Args:
        folder: Where the file is; it has no name there, and ends with the process.
        size: How rows are divided into shards.
    """

    def __init__(self, folder: Path, size: ShardSize) -> None:
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - see `close`
        self._division = Division(size)

    def add(self, row: Row) -> None:
        """Append a row."""
        line = msgspec.json.encode(row) + b"\n"
        self._division.add(line, row.bytes)
        self._file.write(line)

    def shards(self) -> tuple[Shard, ...]:
        """Give what each shard is to hold."""
        return self._division.shards()

    def rows(self) -> Iterator[Row]:
        """Walk all rows."""
        self._file.seek(0)
        yield from map(_decode, self._file)

    def close(self) -> None:
        """Remove the file."""
        self._file.close()

"""What a format has to provide."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import msgspec

from batcher.exports.source import Source

if TYPE_CHECKING:
    from batcher.exports.column import Columns
    from batcher.exports.row import Row


class Site(msgspec.Struct, frozen=True, kw_only=True):
    """Where an export is made from and to, and how.

    Attributes:
        source: The run directory's images.
        out: The export's folder.
        is_copy: Images are copied where a link would do.
        is_by_path: Images stay where they are; rows name them.
    """

    source: Source
    out: Path
    is_copy: bool = False
    is_by_path: bool = False


class Sink(Protocol):
    """The open end of one shard; used by one thread."""

    def add(self, row: Row) -> None:
        """Check a row's image, then write both.

        Raises:
            UnfitError: The image is not what was kept; the shard is as it was.
            OSError: The disk refuses.
            StoreError: An object store fails.
        """

    def needs(self, row: Row) -> bool:
        """Tell, before its turn, whether `add` will have to read a row's image."""

    def close(self, *, is_whole: bool) -> None:
        """Close the file; raises `OSError`.

        Args:
            is_whole: Every row was added; otherwise the file is of no use.
        """


class Exporter(Protocol):
    """Writes one format. The same rows always make the same bytes.

    Attributes:
        holds_images: Images are in the shards: a finished one needs nothing else, so it
            is not made again.
    """

    holds_images: bool

    def shard_name(self, split: str, number: int) -> str:
        """Name a shard, `/`-separated, relative to the export's folder."""

    def pattern(self, split: str) -> str:
        """Give the glob by which `datasets` finds a split's files."""

    def open(self, path: Path, columns: Columns) -> Sink:
        """Start a shard in a new file, in the folder where it will stay."""

    def forget(self, name: str) -> None:
        """Remove what belongs to a shard that is no longer wanted, but its file."""

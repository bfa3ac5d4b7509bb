"""Writes tar shards that `webdataset` reads: image, caption and row of each key.

Plain USTAR with times of 0, by the standard library: the same bytes whenever it is
made, and measured faster than the format's own writer. Headers are written one by one,
because a `TarFile` remembers every member.
"""

from __future__ import annotations

import tarfile
from typing import TYPE_CHECKING

import msgspec

from batcher.exports.column import cells_of

if TYPE_CHECKING:
    from pathlib import Path

    from batcher.exports.column import Columns
    from batcher.exports.exporter import Site
    from batcher.exports.row import Row


class WebDataset:
    """Tar files of samples; see `Exporter`."""

    holds_images = True

    def __init__(self, site: Site) -> None:
        self._site = site

    def shard_name(self, split: str, number: int) -> str:
        """Name a shard, as `{000000..000009}` is used to name several."""
        return f"{split}-{number:06}.tar"

    def pattern(self, split: str) -> str:
        """Match the split's shards."""
        return f"{split}-*.tar"

    def open(self, path: Path, columns: Columns) -> WebDatasetSink:
        """Start a shard."""
        return WebDatasetSink(self._site, path, columns)

    def forget(self, name: str) -> None:
        """Do nothing: all is in the shard."""


class WebDatasetSink:
    """An open tar file; see `Sink`. Holds one image at a time."""

    def __init__(self, site: Site, path: Path, columns: Columns) -> None:
        self._site = site
        self._columns = columns
        self._stream = path.open("wb")

    def add(self, row: Row) -> None:
        """Write the image, then `.txt` and `.json`, under one key."""
        image = b"".join(self._site.source.pieces(row))
        cells = cells_of(row, self._columns)
        self._write(row.file_name, image)
        self._write(f"{row.stem}.txt", row.text.encode())
        self._write(f"{row.stem}.json", msgspec.json.encode(cells))

    def needs(self, row: Row) -> bool:  # noqa: ARG002 - each one
        """Need every image."""
        return True

    def close(self, *, is_whole: bool) -> None:
        """End the tar file and close it."""
        if is_whole:
            self._stream.write(bytes(2 * tarfile.BLOCKSIZE))
            self._pad(tarfile.RECORDSIZE)
        self._stream.close()

    def _write(self, name: str, data: bytes) -> None:
        member = tarfile.TarInfo(name)
        member.size = len(data)
        self._stream.write(member.tobuf(tarfile.USTAR_FORMAT, "utf-8", "strict"))
        self._stream.write(data)
        self._pad(tarfile.BLOCKSIZE)

    def _pad(self, size: int) -> None:
        self._stream.write(bytes(-self._stream.tell() % size))

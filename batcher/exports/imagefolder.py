"""Writes the layout that `datasets.load_dataset("imagefolder", …)` reads.

A folder per split with the images, hard links where possible, and `metadata.jsonl`. An
image that is there already and still what it is to be is left as it is.
"""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import msgspec

from batcher.exports.column import cells_of
from batcher.exports.row import FILE_NAME
from batcher.exports.source import holds

if TYPE_CHECKING:
    from collections.abc import Container

    from batcher.exports.column import Columns
    from batcher.exports.exporter import Site
    from batcher.exports.row import Row

METADATA = "metadata.jsonl"


class ImageFolder:
    """Images beside a `metadata.jsonl`; see `Exporter`."""

    holds_images = False

    def __init__(self, site: Site) -> None:
        self._site = site

    def shard_name(self, split: str, number: int) -> str:  # noqa: ARG002 - only one
        """Name the split's metadata."""
        return f"{split}/{METADATA}"

    def pattern(self, split: str) -> str:
        """Match all that is in the split's folder."""
        return f"{split}/**"

    def open(self, path: Path, columns: Columns) -> ImageFolderSink:
        """Start the metadata of a split."""
        return ImageFolderSink(self._site, path, columns)

    def forget(self, name: str) -> None:
        """Remove the images of a split."""
        _sweep(self._site.out / PurePosixPath(name).parent, frozenset())


class ImageFolderSink:
    """The open metadata of one split; see `Sink`."""

    def __init__(self, site: Site, path: Path, columns: Columns) -> None:
        self._site = site
        self._columns = columns
        self._folder = path.parent
        self._written: set[int] = set()
        self._stream = path.open("wb")

    def add(self, row: Row) -> None:
        """Put the image into the folder, then write its line."""
        target = self._folder / row.file_name
        if not self._is_there(target, row):
            part = _part_of(target)
            part.unlink(missing_ok=True)
            try:
                self._site.source.place(part, row, is_copy=self._site.is_copy)
                part.replace(target)
            finally:
                part.unlink(missing_ok=True)
        self._stream.write(msgspec.json.encode(cells_of(row, self._columns)))
        self._stream.write(b"\n")
        self._written.add(hash(row.file_name))

    def needs(self, row: Row) -> bool:
        """Need an image unless a file of its size is there; `add` looks closer."""
        try:
            return (self._folder / row.file_name).lstat().st_size != row.bytes
        except OSError:
            return True

    def close(self, *, is_whole: bool) -> None:
        """Close the metadata, and remove images that it does not name."""
        self._stream.close()
        if is_whole:
            _sweep(self._folder, self._written)

    def _is_there(self, target: Path, row: Row) -> bool:
        """Tell whether an earlier export has left the image, and no link for a copy."""
        if not holds(target, row):
            return False
        return not self._site.is_copy or target.lstat().st_nlink == 1


def _part_of(target: Path) -> Path:
    return target.with_name(f".{target.name}.part")


def _sweep(folder: Path, wanted: Container[int]) -> None:
    """Remove images that this module has named and nobody wants any more."""
    if not folder.is_dir():
        return
    with os.scandir(folder) as found:
        for file in found:
            name = file.name.removeprefix(".").removesuffix(".part")
            is_ours = FILE_NAME.fullmatch(name) and not file.is_dir()
            if is_ours and (name != file.name or hash(name) not in wanted):
                Path(file).unlink()

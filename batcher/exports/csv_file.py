"""Writes CSV (RFC 4180): one row per image, which stays where it is.

No cell is a formula: text that a spreadsheet could run gets a `'` in front, as OWASP's
page on CSV injection advises.
"""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

from batcher.exports.column import cells_of

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from batcher.exports.column import Columns
    from batcher.exports.exporter import Site
    from batcher.exports.row import Row

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
"""What a cell that is run instead of shown starts with."""


class CsvFile:
    """A table of the images; see `Exporter`."""

    holds_images = False

    def __init__(self, site: Site) -> None:
        self._site = site

    def shard_name(self, split: str, number: int) -> str:  # noqa: ARG002 - only one
        """Name the split's table."""
        return f"{split}.csv"

    def pattern(self, split: str) -> str:
        """Match the split's table."""
        return f"{split}.csv"

    def open(self, path: Path, columns: Columns) -> CsvSink:
        """Start a table with the names of its columns."""
        return CsvSink(self._site, path, columns)

    def forget(self, name: str) -> None:
        """Do nothing: the images are the run's own."""


class CsvSink:
    """An open table; see `Sink`."""

    def __init__(self, site: Site, path: Path, columns: Columns) -> None:
        self._site = site
        self._columns = columns
        self._base = site.source.base(site.out)
        self._stream = path.open("w", encoding="utf-8", newline="")
        self._writer = csv.writer(self._stream)
        self._write(column.name for column in columns)

    def add(self, row: Row) -> None:
        """Check the image and write its row."""
        for _ in self._site.source.pieces(row):
            pass
        cells = cells_of(row, self._columns)
        cells["file_name"] = f"{self._base}/{row.path}"
        self._write(cells.values())

    def needs(self, row: Row) -> bool:  # noqa: ARG002 - each one
        """Need every image."""
        return True

    def close(self, *, is_whole: bool) -> None:  # noqa: ARG002 - nothing to add
        """Close the table."""
        self._stream.close()

    def _write(self, cells: Iterable[object]) -> None:
        self._writer.writerow([tame(cell) for cell in cells])


def tame(cell: object) -> object:
    """Make sure that a spreadsheet shows a cell; numbers are left as they are."""
    if isinstance(cell, str) and cell.startswith(FORMULA):
        return f"'{cell}"
    return cell

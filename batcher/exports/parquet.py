"""Writes Parquet with an image column that `datasets` decodes.

Needs pyarrow, the extra `[export]`. Rows are written in groups bounded by their bytes,
so that neither this writer nor a reader ever holds much.
"""

from __future__ import annotations

import importlib
import json
from typing import TYPE_CHECKING

from batcher.errors import UsageError
from batcher.exports.column import cells_of

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType

    from batcher.exports.column import Columns
    from batcher.exports.exporter import Site
    from batcher.exports.row import Row

GROUP_BYTES = 64 * 10**6
"""Images of one row group at most."""

GROUP_ROWS = 10_000
"""Rows of one row group at most, where images are small or only named."""


class Parquet:
    """Parquet files with the images' bytes, or their paths; see `Exporter`.

    Raises:
        UsageError: pyarrow is not installed.
    """

    holds_images = True

    def __init__(self, site: Site) -> None:
        self._site = site
        self.holds_images = not site.is_by_path
        self._pyarrow = find_pyarrow()

    def shard_name(self, split: str, number: int) -> str:
        """Name a shard."""
        return f"{split}-{number:06}.parquet"

    def pattern(self, split: str) -> str:
        """Match the split's shards."""
        return f"{split}-*.parquet"

    def open(self, path: Path, columns: Columns) -> ParquetSink:
        """Start a shard."""
        return ParquetSink(self._site, path, columns, self._pyarrow)

    def forget(self, name: str) -> None:
        """Do nothing: all is in the shard."""


class ParquetSink:
    """An open Parquet file; see `Sink`. Holds one row group at a time."""

    def __init__(
        self, site: Site, path: Path, columns: Columns, pyarrow: ModuleType
    ) -> None:
        self._site = site
        self._columns = columns
        self._base = site.source.base(site.out)
        self._pyarrow = pyarrow
        self._schema = _schema(columns, pyarrow)
        names = [column.name for column in columns]
        # An image's bytes are neither repeated nor compressible, nor worth ordering.
        self._writer = importlib.import_module("pyarrow.parquet").ParquetWriter(
            str(path),
            self._schema,
            compression={**dict.fromkeys(names, "zstd"), "image.bytes": "none"},
            use_dictionary=names,
            write_statistics=names,
        )
        self._group: list[object] = []
        self._bytes = 0

    def add(self, row: Row) -> None:
        """Take a row into the group; the group is written when it is full."""
        source = self._site.source
        cells = cells_of(row, self._columns)
        image: dict[str, object] = {"bytes": None, "path": row.file_name}
        if self._site.is_by_path:
            for _ in source.pieces(row):
                pass
            image["path"] = source.address(row)
            cells["file_name"] = f"{self._base}/{row.path}"
        else:
            if self._bytes + row.bytes > GROUP_BYTES:
                self._write()
            image["bytes"] = b"".join(source.pieces(row))
            self._bytes += row.bytes
        # As Arrow at once, so that an image is held once, whatever the group holds.
        batch = self._pyarrow.RecordBatch.from_pylist(
            [{"image": image, **cells}], schema=self._schema
        )
        self._group.append(batch)
        if len(self._group) >= GROUP_ROWS:
            self._write()

    def needs(self, row: Row) -> bool:  # noqa: ARG002 - each one
        """Need every image."""
        return True

    def close(self, *, is_whole: bool) -> None:
        """Write the last group and the footer."""
        try:
            if is_whole:
                self._write()
        finally:
            self._writer.close()

    def _write(self) -> None:
        if self._group:
            table = self._pyarrow.Table.from_batches(self._group)
            self._group.clear()
            self._bytes = 0
            self._writer.write_table(table)


def find_pyarrow() -> ModuleType:
    """Import pyarrow; raises `UsageError` that says how to get it."""
    try:
        return importlib.import_module("pyarrow")
    except ImportError as error:
        words = "Parquet needs pyarrow: pip install 'batcher[export]'"
        raise UsageError(words) from error


def _schema(columns: Columns, pyarrow: ModuleType) -> object:
    """Make the schema; what it says to `datasets` makes the column an image."""
    image = pyarrow.struct(
        [("bytes", pyarrow.binary()), ("path", pyarrow.string())],
    )
    kinds = {column.name: column.kind.value for column in columns}
    types = {name: pyarrow.type_for_alias(kind) for name, kind in kinds.items()}
    features: dict[str, object] = {"image": {"_type": "Image"}}
    for name, kind in kinds.items():
        features[name] = {"dtype": kind, "_type": "Value"}
    described = json.dumps({"info": {"features": features}})
    return pyarrow.schema(
        [("image", image), *types.items()], metadata={"huggingface": described}
    )

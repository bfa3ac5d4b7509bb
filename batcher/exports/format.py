"""The formats of `batcher export`, and which options each has."""

from __future__ import annotations

from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING

from batcher.exports.csv_file import CsvFile
from batcher.exports.imagefolder import ImageFolder
from batcher.exports.parquet import Parquet
from batcher.exports.webdataset import WebDataset

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from batcher.exports.exporter import Exporter, Site


class Format(StrEnum):
    """What an export is written as."""

    IMAGEFOLDER = "imagefolder"
    WEBDATASET = "webdataset"
    PARQUET = "parquet"
    CSV = "csv"


EXPORTERS: Mapping[Format, Callable[[Site], Exporter]] = MappingProxyType(
    {
        Format.IMAGEFOLDER: ImageFolder,
        Format.WEBDATASET: WebDataset,
        Format.PARQUET: Parquet,
        Format.CSV: CsvFile,
    }
)

OPTIONS: Mapping[str, frozenset[Format]] = MappingProxyType(
    {
        "--copy": frozenset({Format.IMAGEFOLDER}),
        "--paths": frozenset({Format.PARQUET}),
        "--shard-size": frozenset({Format.WEBDATASET, Format.PARQUET}),
    }
)
"""The formats to which an option means something; elsewhere it is refused."""

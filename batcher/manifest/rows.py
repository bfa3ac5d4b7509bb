"""Streams tables: CSV as people have it, and JSON lines.

A table is read anew on each pass and never held. Knows nothing of requests.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

import msgspec

if TYPE_CHECKING:
    from pathlib import Path

csv.field_size_limit(1 << 28)  # a cell may hold a reference image as Base64

Row = tuple[int, Mapping[str, object]]
"""The 1-based line on which a row begins, and its cells by column."""


class RowsError(Exception):
    """A table cannot be read.

    Attributes:
        line: 1-based line, or None for the file as a whole.
    """

    def __init__(self, message: str, line: int | None = None) -> None:
        super().__init__(message)
        self.line = line


def columns(path: Path) -> list[str]:
    """Read a CSV file's header; raises `RowsError`."""
    with _opened(path) as stream:
        return _header(csv.reader(stream, delimiter=_delimiter(stream)))


def read_csv(path: Path) -> Iterator[Row]:
    """Stream a CSV file's rows, blank lines left out; raises `RowsError`.

    The separator, `,`, `;` or tab, is the one its first line has most of. Cells stay
    text; a row that is short lacks its last columns.
    """
    with _opened(path) as stream:
        reader = csv.reader(stream, delimiter=_delimiter(stream), strict=True)
        names = _header(reader)
        width = len(names)
        line = reader.line_num + 1
        try:
            for cells in reader:
                if len(cells) > width:
                    message = f"has {len(cells)} cells, but the header names {width}"
                    raise RowsError(message, line)
                if any(cells):
                    yield line, dict(zip(names, cells, strict=False))
                line = reader.line_num + 1
        except csv.Error as error:
            raise RowsError(f"not CSV: {error}", line) from error


def read_jsonl(path: Path) -> Iterator[Row]:
    """Stream a JSON lines file, blank lines left out; raises `RowsError`."""
    decode = msgspec.json.Decoder(dict[str, object]).decode
    with _opened(path) as stream:
        for line, text in enumerate(stream, 1):
            if not text.strip():
                continue
            try:
                yield line, decode(text)
            except msgspec.DecodeError as error:
                raise RowsError(f"not a JSON object: {error}", line) from error


@contextmanager
def _opened(path: Path) -> Iterator[TextIO]:
    try:
        with path.open("rb") as raw:
            head = raw.read(2)
        encoding = "utf-16" if head in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
        with path.open(encoding=encoding, newline="") as stream:
            yield stream
    except UnicodeError as error:
        raise RowsError("is not UTF-8 text; save it as UTF-8") from error
    except OSError as error:
        raise RowsError(f"cannot read {str(path)!r}: {error.strerror}") from error


def _delimiter(stream: TextIO) -> str:
    """Guess the separator from the first line, quoted parts left out."""
    first = stream.readline()
    stream.seek(0)
    bare = "".join(first.split('"')[::2])
    return max(",;\t", key=bare.count)


def _header(reader: Iterator[list[str]]) -> list[str]:
    names = [name.strip() for name in next(reader, [])]
    if not any(names):
        raise RowsError("has no header line", 1)
    if "" in names:
        raise RowsError(f"column {names.index('') + 1} has no name", 1)
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise RowsError(f"column {min(twice)!r} is there twice", 1)
    return names

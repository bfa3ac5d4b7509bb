"""Streams tables: CSV as people have it, and JSON lines.

A table is read anew on each pass and never held. Knows nothing of requests.
"""

from __future__ import annotations

import csv
import json
import re
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from itertools import chain
from typing import TYPE_CHECKING, TextIO, TypeAlias

import msgspec

if TYPE_CHECKING:
    from _csv import Reader  # the type has no public name
    from pathlib import Path

csv.field_size_limit(1 << 28)  # a cell may hold a reference image as Base64

_KEYS = re.compile(r'"\s*:')
_SAID = re.compile(r'"?sep=([,;|\t])"?\s*', re.IGNORECASE)


class RowsError(Exception):
    """A table, or one of its rows, cannot be read.

    Attributes:
        line: 1-based line, or None for the file as a whole.
    """

    def __init__(self, message: str, line: int | None = None) -> None:
        super().__init__(message)
        self.line = line


Report: TypeAlias = Callable[[RowsError], None]
"""Takes what is wrong with a table; reading goes on where it can."""


class Table:
    """A CSV file.

    The separator, `,`, `;` or tab, is the one its first line has most of, unless that
    line is a spreadsheet's `sep=;`. Blank lines before the header are passed over, and
    cells that a spreadsheet leaves empty behind the last column forgiven.

    Args:
        path: The file.

    Raises:
        RowsError: Its header cannot be read.

    Attributes:
        path: The file.
        columns: The names in its header.
        line: Where the header begins.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with _opened(path) as stream:
            said = _SAID.fullmatch(stream.readline())
            self._says_separator = said is not None
            stream.seek(0)
            first = next(filter(str.strip, stream), "")
            self._delimiter = said[1] if said else separator(first)
            stream.seek(0)
            self.line, self.columns = _header(self._reader(stream))

    def rows(self, report: Report) -> Iterator[tuple[int, list[str]]]:
        """Stream the rows: the line each begins on, and a cell for every column.

        Blank rows are left out; the cells that a short row lacks are empty.
        """
        try:
            with _opened(self.path) as stream:
                reader = self._reader(stream)
                _header(reader)
                yield from self._rows(reader, report)
        except RowsError as error:
            report(error)

    def most_rows(self) -> int:
        """Give a number that the rows do not pass, without parsing them."""
        return most_lines(self.path)

    def count_rows(self) -> int:
        """Count the rows that `rows` would give."""
        return sum(1 for _ in self.rows(lambda _: None))

    def _reader(self, stream: TextIO) -> Reader:
        lines: Iterable[str] = stream
        if self._says_separator:
            stream.readline()
            lines = chain(["\n"], stream)  # a blank line in its place, to be counted
        return csv.reader(lines, delimiter=self._delimiter, strict=True)

    def _rows(self, reader: Reader, report: Report) -> Iterator[tuple[int, list[str]]]:
        width = len(self.columns)
        line = reader.line_num + 1
        try:
            for cells in reader:
                if len(cells) == width:
                    if any(cells):
                        yield line, cells
                elif any(cells[width:]):
                    message = f"has {len(cells)} cells, but the header names {width}"
                    report(RowsError(message, line))
                elif any(cells):
                    yield line, (cells + [""] * width)[:width]
                line = reader.line_num + 1
        except csv.Error as error:
            raise RowsError(f"not CSV: {error}", line) from error


def read_jsonl(
    path: Path, report: Report
) -> Iterator[tuple[int, Mapping[str, object]]]:
    """Stream the objects of a JSON lines file, each with its line.

    An object that has a key twice is refused, for readers differ in which they take.
    """
    decode = msgspec.json.Decoder(dict[str, object]).decode
    try:
        with _opened(path) as stream:
            for line, text in enumerate(stream, 1):
                if not text.strip():
                    continue
                try:
                    values = decode(text)
                    # Few texts look as if they had more keys than they have.
                    if len(_KEYS.findall(text)) > _key_count(values):
                        _check_keys(text)
                except (msgspec.DecodeError, RecursionError) as error:
                    report(RowsError(f"not a JSON object: {error}", line))
                except RowsError as error:
                    report(RowsError(str(error), line))
                else:
                    yield line, values
    except RowsError as error:
        report(error)


def _key_count(values: Mapping[str, object]) -> int:
    """Count the keys of an object and of those in it, but for those in lists."""
    count = len(values)
    for each in values.values():
        if isinstance(each, dict):
            count += _key_count(each)
    return count


def _checked_object(pairs: list[tuple[str, object]]) -> None:
    """Take an object apart; raises `RowsError` when it has a key twice."""
    for key, times in Counter(key for key, _ in pairs).most_common(1):
        if times > 1:
            raise RowsError(f"{key!r} is given twice")


_check_keys = json.JSONDecoder(object_pairs_hook=_checked_object, parse_int=str).decode


def most_lines(path: Path) -> int:
    """Give a number that a file's lines do not pass, whatever ends them."""
    most = 1
    with suppress(OSError), path.open("rb") as stream:
        while chunk := stream.read(1 << 20):
            most += chunk.count(b"\n") + chunk.count(b"\r")
    return most


def read_words(path: Path) -> list[str]:
    """Read a value per line, but blank lines and comments; raises `RowsError`."""
    with _opened(path) as stream:
        lines = [line.strip() for line in stream]
    return [line for line in lines if line and not line.startswith("#")]


@contextmanager
def _opened(path: Path) -> Iterator[TextIO]:
    try:
        with path.open("rb") as raw:
            is_utf_16 = raw.read(2) in (BOM_UTF16_LE, BOM_UTF16_BE)
        encoding = "utf-16" if is_utf_16 else "utf-8-sig"
        with path.open(encoding=encoding, newline="") as stream:
            yield stream
    except UnicodeError as error:
        line = None if is_utf_16 else _undecodable(path)
        raise RowsError("is not UTF-8 text; save it as UTF-8", line) from error
    except OSError as error:
        raise RowsError(f"cannot read {str(path)!r}: {error.strerror}") from error


def _undecodable(path: Path) -> int:
    """Find the first line that is not UTF-8; decoding stops somewhere before it."""
    with path.open("rb") as stream:
        return next(
            number for number, line in enumerate(stream, 1) if not _is_utf_8(line)
        )


def _is_utf_8(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeError:
        return False
    return True


def separator(first: str) -> str:
    """Guess what separates cells from a file's first line, quoted parts left out.

    A spreadsheet writes semicolons where the comma is the decimal sign.
    """
    bare = "".join(first.split('"')[::2])
    return max(",;\t", key=bare.count)


def _header(reader: Reader) -> tuple[int, list[str]]:
    """Read on to the header; give the line it begins on, and its names."""
    line, names = 1, [""]
    try:
        while not any(names):
            line = reader.line_num + 1
            names = [name.strip() for name in next(reader)]
    except StopIteration:
        raise RowsError("has no header line", 1) from None
    except csv.Error as error:
        raise RowsError(f"not CSV: {error}", line) from error
    while not names[-1]:
        names.pop()
    if "" in names:
        raise RowsError(f"column {names.index('') + 1} has no name", line)
    name, times = Counter(names).most_common(1)[0]
    if times > 1:
        raise RowsError(f"column {name!r} is there twice", line)
    return line, names

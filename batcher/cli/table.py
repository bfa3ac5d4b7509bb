"""Tables for people: they fit the screen, whatever their cells hold."""

from __future__ import annotations

import shutil
import unicodedata
from collections.abc import Callable, Mapping
from decimal import Decimal
from itertools import chain, islice
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

ENDLESS = 1 << 20
"""Columns of what is no terminal."""

GAP = 2
NARROWEST = 9
"""What a column keeps; then the screen's edge cuts the last ones."""
MEASURED = 100
"""Rows that decide how wide columns are; the others are shown as they come."""


def screen_width() -> int:
    """Give the terminal's width, or `COLUMNS`; where there is none, no limit."""
    return shutil.get_terminal_size(fallback=(ENDLESS, 24)).columns


def safe(text: str) -> str:
    """Give text as one line without anything that could steer a terminal."""
    if text.isprintable() and "  " not in text:
        return text
    shown = (char for char in text if char.isprintable() or char.isspace())
    return " ".join("".join(shown).split())


def cell(value: object) -> str:
    """Write a field's value for a table."""
    for kind, write in _WRITTEN:
        if isinstance(value, kind):
            return write(value)
    if isinstance(value, tuple | list):
        return ", ".join(map(cell, value))
    if isinstance(value, Mapping):
        return ", ".join(f"{safe(str(k))}={cell(v)}" for k, v in value.items())
    return safe(str(value))


_WRITTEN: tuple[tuple[type, Callable[[object], str]], ...] = (
    (str, lambda value: safe(str(value))),
    (type(None), lambda _: ""),
    (bool, lambda value: str(value).lower()),
    (float, "{:.1f}".format),
    (Decimal, "{:f}".format),
)


def width_of(text: str) -> int:
    """Count the columns of a terminal that text takes; wide characters take two."""
    return len(text) if text.isascii() else sum(map(_width, text))


def clip(text: str, width: int) -> str:
    """Cut text to a width; an ellipsis stands for what was cut."""
    if width_of(text) <= width:
        return text
    kept, left = [], width - 1
    for char in text:
        left -= _width(char)
        if left < 0:
            break
        kept.append(char)
    return "".join(kept) + "…"


def table_lines(
    head: Sequence[str], rows: Iterable[Sequence[str]], width: int
) -> Iterator[str]:
    """Lay rows out in columns; only the first rows are held.

    Args:
        head: Names of the columns.
        rows: Cells, safe to print.
        width: Columns of the screen; longer cells are cut.
    """
    rows = iter(rows)
    first = [head, *islice(rows, MEASURED)]
    widths = [max(map(width_of, column)) for column in zip(*first, strict=True)]
    is_endless = width >= ENDLESS
    if not is_endless:
        _narrow(widths, width - GAP * (len(widths) - 1))
    for row in chain(first, rows):
        yield clip(_line(row, widths, is_endless=is_endless), width)


def _line(row: Sequence[str], widths: Sequence[int], *, is_endless: bool) -> str:
    cells = []
    for text, width in zip(row, widths, strict=True):
        shown = text if is_endless else clip(text, width)
        cells.append(shown + " " * (width - width_of(shown)))
    return (" " * GAP).join(cells).rstrip()


def _narrow(widths: list[int], room: int) -> None:
    """Take from the widest column until all have room, or none can give."""
    while sum(widths) > room and max(widths) > NARROWEST:
        widths[widths.index(max(widths))] -= 1


def _width(char: str) -> int:
    if unicodedata.category(char) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1

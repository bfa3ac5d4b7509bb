"""Says which columns an export has, and of what type each is.

Pure. A variable is a column of its own. It is a number only where every row has one,
and text otherwise; what is absent is empty text. So no column holds nulls or two types,
on which the readers of a dataset fail when they have guessed from the first rows.
"""

from __future__ import annotations

from collections import Counter
from enum import StrEnum
from typing import TYPE_CHECKING, TypeAlias

import msgspec

from batcher.exports.row import text_of

if TYPE_CHECKING:
    from batcher.exports.row import Row


class Kind(StrEnum):
    """A column's type, in the word that both Arrow and `datasets` have for it."""

    TEXT = "string"
    INTEGER = "int64"
    NUMBER = "float64"
    BOOLEAN = "bool"


class Column(msgspec.Struct, frozen=True, kw_only=True):
    """A column of an export.

    Attributes:
        name: What readers find it by.
        kind: The type of all its cells.
        variable: The variable it shows; None for a field that every row has.
    """

    name: str
    kind: Kind = Kind.TEXT
    variable: str | None = None


Columns: TypeAlias = tuple[Column, ...]

_FIELDS = {
    "id": Kind.TEXT,
    "name": Kind.TEXT,
    "file_name": Kind.TEXT,
    "text": Kind.TEXT,
    "revised_prompt": Kind.TEXT,
    "model": Kind.TEXT,
    "size": Kind.TEXT,
    "quality": Kind.TEXT,
    "width": Kind.INTEGER,
    "height": Kind.INTEGER,
    "sha256": Kind.TEXT,
}
FIELDS = tuple(Column(name=name, kind=kind) for name, kind in _FIELDS.items())
"""The columns of every export; a caption is called `text`, as trainers expect it."""

_TAKEN = frozenset(_FIELDS) | {"image", "label"}  # `datasets` makes those two itself
_FILES = ("file_name", "file_names")  # it loads a file for each column that ends so
_TYPES = {bool: Kind.BOOLEAN, int: Kind.INTEGER, float: Kind.NUMBER}
_NUMBERS = {Kind.INTEGER, Kind.NUMBER}


class Survey:
    """Learns the columns of an export from its rows."""

    def __init__(self) -> None:
        self._rows = 0
        self._seen: Counter[str] = Counter()
        self._kinds: dict[str, Kind] = {}

    def add(self, row: Row) -> None:
        """Take in one row."""
        self._rows += 1
        for variable, value in row.vars.items():
            kind = _kind(value)
            known = self._kinds.setdefault(variable, kind)
            self._seen[variable] += 1
            if kind is not known:
                is_number = {kind, known} == _NUMBERS
                self._kinds[variable] = Kind.NUMBER if is_number else Kind.TEXT

    def columns(self) -> Columns:
        """Give the columns of what was taken in; a name that is taken gets a `_`."""
        taken = set(_TAKEN)
        columns = []
        for variable, kind in self._kinds.items():
            name = variable or "_"
            while name.casefold() in taken or name.casefold().endswith(_FILES):
                name += "_"
            taken.add(name.casefold())
            is_whole = self._seen[variable] == self._rows
            known = kind if is_whole else Kind.TEXT
            columns.append(Column(name=name, kind=known, variable=variable))
        return (*FIELDS, *columns)


def cells_of(row: Row, columns: Columns) -> dict[str, object]:
    """Give a row's cells by the names of their columns."""
    return {column.name: _cell(row, column) for column in columns}


def _cell(row: Row, column: Column) -> object:
    if column.variable is None:
        value: object = getattr(row, column.name)
        return value
    value = row.vars.get(column.variable)
    if column.kind is Kind.TEXT:
        return text_of(value)
    return float(str(value)) if column.kind is Kind.NUMBER else value


def _kind(value: object) -> Kind:
    kind = _TYPES.get(type(value), Kind.TEXT)
    if kind is Kind.INTEGER and not -(2**63) <= int(str(value)) < 2**63:
        return Kind.TEXT
    return kind

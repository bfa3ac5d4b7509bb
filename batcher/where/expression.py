"""What an expression means: which fields it reads, and what comparing is."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from enum import StrEnum
from functools import lru_cache
from typing import Protocol

import msgspec

KEYWORDS = frozenset({"and", "or", "not"})
BARE = re.compile(r"[^\s()\"'=!<>~]+(?:\([^\s()\"'=!<>~]*\))?")
"""What needs no quotes. It may end with one pair of parentheses, as `16:9(4K)` does."""

_NUMBER = re.compile(r"-?[0-9]{1,30}(?:\.[0-9]{1,30})?")


class Operator(StrEnum):
    """How a field is compared."""

    IS = "="
    IS_NOT = "!="
    BELOW = "<"
    AT_MOST = "<="
    ABOVE = ">"
    AT_LEAST = ">="
    LIKE = "~"
    UNLIKE = "!~"


class Expression(Protocol):
    """What `parse` gives; printed, it is text that `parse` reads as the same."""

    def matches(self, record: Mapping[str, object]) -> bool:
        """Tell whether a request is selected; never raises.

        Args:
            record: Its fields by name; `vars` holds its variables.
        """

    def reads(self, field: str) -> bool:
        """Tell whether it compares a field."""


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """A field against a value.

    Numbers are compared as numbers; text is ordered as numbers when both are written
    as such. A field of several values (`warnings`, `path`) matches when one of them
    does. A field that is missing matches nothing but the negative operators.

    Attributes:
        field: A name, `vars.NAME` for a variable; one that no field has is a
            variable's, too.
        operator: How to compare.
        value: The text to compare with.
    """

    field: str
    operator: Operator
    value: str

    def matches(self, record: Mapping[str, object]) -> bool:
        """Compare one record's field."""
        positive = _POSITIVE.get(self.operator, self.operator)
        test = _TESTS[positive]
        values = _spread(value_of(record, self.field))
        found = any(test(value, self.value) for value in values)
        return found is (positive is self.operator)

    def reads(self, field: str) -> bool:
        """Compare one field alone."""
        return self.field == field

    def __str__(self) -> str:
        return f"{_quoted(self.field)}{self.operator}{_quoted(self.value)}"


class Not(msgspec.Struct, frozen=True, kw_only=True):
    """What its part is not."""

    part: Expression

    def matches(self, record: Mapping[str, object]) -> bool:
        """Match what the part does not."""
        return not self.part.matches(record)

    def reads(self, field: str) -> bool:
        """Compare what the part does."""
        return self.part.reads(field)

    def __str__(self) -> str:
        return f"not {_grouped(self.part)}"


class And(msgspec.Struct, frozen=True, kw_only=True):
    """What all of its parts, two or more, match."""

    parts: tuple[Expression, ...]

    def matches(self, record: Mapping[str, object]) -> bool:
        """Match what every part does."""
        return all(part.matches(record) for part in self.parts)

    def reads(self, field: str) -> bool:
        """Compare what some part does."""
        return any(part.reads(field) for part in self.parts)

    def __str__(self) -> str:
        return " and ".join(map(_grouped, self.parts))


class Or(msgspec.Struct, frozen=True, kw_only=True):
    """What one of its parts, two or more, matches."""

    parts: tuple[Expression, ...]

    def matches(self, record: Mapping[str, object]) -> bool:
        """Match what some part does."""
        return any(part.matches(record) for part in self.parts)

    def reads(self, field: str) -> bool:
        """Compare what some part does."""
        return any(part.reads(field) for part in self.parts)

    def __str__(self) -> str:
        return " or ".join(map(_grouped, self.parts))


def value_of(record: Mapping[str, object], field: str) -> object:
    """Give a record's field, or the variable of that name, or None."""
    value = _reach(record, field)
    return value if value is not None else _reach(record.get("vars"), field)


def number_of(value: object) -> Decimal | None:
    """Read a finite number, or text that is written as a plain one; None for others."""
    if isinstance(value, str):
        return _written_number(value)
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return None
    number = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
    return number if number.is_finite() else None


def _reach(space: object, field: str) -> object:
    """Walk into mappings along the dots of a name; a name may hold dots itself."""
    while isinstance(space, Mapping):
        if field in space:
            return space[field]
        head, _, field = field.partition(".")
        space = space.get(head)
    return None


def _spread(value: object) -> tuple[object, ...]:
    if value is None:
        return ()
    return tuple(value) if isinstance(value, tuple | list) else (value,)


@lru_cache(maxsize=4096)
def _written_number(text: str) -> Decimal | None:
    return Decimal(text) if _NUMBER.fullmatch(text) else None


@lru_cache(maxsize=256)
def _glob(pattern: str) -> re.Pattern[str]:
    return re.compile(fnmatch.translate(pattern))


def _is(value: object, text: str) -> bool:
    if isinstance(value, str):
        return value == text
    if isinstance(value, bool):
        return str(value).lower() == text.lower()
    number = number_of(value)
    return number is not None and number == _written_number(text)


def _is_like(value: object, text: str) -> bool:
    return _glob(text).match(str(value)) is not None


def _order(value: object, text: str) -> int | None:
    """Give a negative number, 0 or a positive one; None for what has no order."""
    number, other = number_of(value), _written_number(text)
    if number is not None and other is not None:
        return (number > other) - (number < other)
    return (value > text) - (value < text) if isinstance(value, str) else None


def _ordered(is_so: Callable[[int], bool]) -> Callable[[object, str], bool]:
    def test(value: object, text: str) -> bool:
        order = _order(value, text)
        return order is not None and is_so(order)

    return test


_POSITIVE = {Operator.IS_NOT: Operator.IS, Operator.UNLIKE: Operator.LIKE}

_TESTS: Mapping[Operator, Callable[[object, str], bool]] = {
    Operator.IS: _is,
    Operator.BELOW: _ordered(lambda order: order < 0),
    Operator.AT_MOST: _ordered(lambda order: order <= 0),
    Operator.ABOVE: _ordered(lambda order: order > 0),
    Operator.AT_LEAST: _ordered(lambda order: order >= 0),
    Operator.LIKE: _is_like,
}


def _quoted(text: str) -> str:
    if BARE.fullmatch(text) and text.lower() not in KEYWORDS:
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _grouped(part: Expression) -> str:
    return f"({part})" if isinstance(part, And | Or) else str(part)

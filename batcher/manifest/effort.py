"""What an operation of a template costs: about the size of what it makes."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

from jinja2 import TemplateRuntimeError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

MOST_WORK = 1_000_000
"""What one rendering may do, about the characters and numbers that it touches."""

_WIDE = re.compile(r"%(\([^)]*\))?[^%a-zA-Z]*?(\*|[0-9]{4})")


def weight(value: object) -> int:
    """Count the characters and values in a value, up to `MOST_WORK`."""
    total = 0
    rest: list[object] = [value]
    while rest and total <= MOST_WORK:
        each = rest.pop()
        total += 1
        if isinstance(each, str | range):
            total += len(each)
        elif isinstance(each, dict):
            rest += [*each, *each.values()]
        elif isinstance(each, list | tuple):
            rest += each
    return total


def product(values: tuple[object, ...]) -> int:
    """Multiply the weights of some values."""
    return math.prod(weight(value) for value in values)


def _bits(value: object) -> int:
    return value.bit_length() if isinstance(value, int) else 1


def _times(left: object, right: object) -> int:
    if isinstance(left, int) and not isinstance(right, int | float):
        left, right = right, left
    if isinstance(right, int) and not isinstance(left, int | float):
        return weight(left) * abs(right)
    return _bits(left) + _bits(right)


def _power(left: object, right: object) -> int:
    return _bits(left) * abs(right) if isinstance(right, int) else 1


def _format(left: object, right: object) -> int:
    check_width(left)
    return weight(left) * weight(right)


GROWTH: Mapping[str, Callable[[object, object], int]] = {
    "+": lambda left, right: weight(left) + weight(right),
    "*": _times,
    "**": _power,
    "%": _format,
}
"""What an operator costs: about the size of what it makes."""


def check_width(text: object) -> None:
    """Refuse a format that pads; raises `TemplateRuntimeError`."""
    if isinstance(text, str) and _WIDE.search(text):
        raise TemplateRuntimeError("a format's width has at most three digits")

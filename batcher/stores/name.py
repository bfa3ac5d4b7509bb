"""The names of images, on their way in and for good."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

PARTIAL_FOLDER = ".partial"


def partial_name(id_: str, attempt: int, number: int) -> str:
    """Name an image that grows below `PARTIAL_FOLDER`."""
    return f"{id_}.{attempt}.{number}"


def partial_number(name: str, id_: str, attempt: int) -> int | None:
    """Tell which image of an attempt is called `name`; None when none of them is."""
    prefix = f"{id_}.{attempt}."
    number = name.removeprefix(prefix)
    return int(number) if name.startswith(prefix) and number.isdecimal() else None


def partial_owner(name: str) -> str:
    """Give the id of the request whose image grows under `name`."""
    return name.partition(".")[0]


def final_names(output: str, suffix: str) -> Iterator[str]:
    """Give the names to try in turn: as asked, then with `~2`, `~3` and on."""
    yield f"{output}{suffix}"
    yield from (f"{output}~{number}{suffix}" for number in count(2))

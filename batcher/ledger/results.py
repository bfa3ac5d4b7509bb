"""Reads how each request ended: the last result of every id, in the ledger's order.

For `list`, `show`, `verify`, `report` and `export`. Holds a number per id, no results.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from batcher.ledger.event import Result
from batcher.ledger.merge import files
from batcher.ledger.reader import raw_lines

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from batcher.stores.directory import Directory

_MOST = 1 << 40
"""Lines of one writer, at most."""

_result = msgspec.json.Decoder(Result).decode


class _Head(msgspec.Struct, frozen=True):
    event: str
    id: str | None = None


_head = msgspec.json.Decoder(_Head).decode


def read_results(place: Path | str | Directory) -> Iterator[Result]:
    """Walk the last result of every request; damaged lines are passed over.

    Raises:
        StoreError: A file cannot be read.
    """
    starts: dict[str, int] = {}
    last: dict[str, int] = {}
    for number, raw in _numbered(place, starts):
        head = _readable(raw)
        if head is not None and head.event == "result" and head.id is not None:
            last[head.id] = number
    wanted = frozenset(last.values())
    for number, raw in _numbered(place, starts):
        if number in wanted:
            try:
                yield _result(raw)
            except msgspec.DecodeError:
                continue


def history(place: Path | str | Directory, id_: str) -> Iterator[dict[str, object]]:
    """Walk every line of one request, as it stands in the ledger."""
    decode = msgspec.json.Decoder(dict[str, object]).decode
    for _, raw in raw_lines(place):
        head = _readable(raw)
        if head is not None and head.id == id_:
            yield decode(raw)


def _numbered(
    place: Path | str | Directory, starts: dict[str, int]
) -> Iterator[tuple[int, bytes]]:
    """Walk lines and their numbers, each writer's counted on its own.

    So that a line has the same number when the ledger is read again, also when several
    are writing.

    Args:
        place: The run directory.
        starts: The first number of each writer, the same in every walk; is added to.
    """
    following: dict[str, int] = {}
    for file in files(place):
        start = starts.setdefault(file.writer, len(starts) * _MOST)
        number = following.get(file.writer, start) - 1
        for number, raw in enumerate(file.lines, number + 1):  # noqa: B020 - goes on
            yield number, raw
        following[file.writer] = number + 1


def _readable(raw: bytes) -> _Head | None:
    if not raw.endswith(b"\n"):
        return None
    try:
        return _head(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None

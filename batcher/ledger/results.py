"""Reads how each request ended: the last result of every id, in the ledger's order.

For `list`, `show`, `verify`, `report` and `export`. Holds a number per id, no results.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from batcher.ledger.event import Result
from batcher.ledger.reader import raw_lines

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_result = msgspec.json.Decoder(Result).decode


class _Head(msgspec.Struct, frozen=True):
    event: str
    id: str | None = None


_head = msgspec.json.Decoder(_Head).decode


def read_results(folder: Path) -> Iterator[Result]:
    """Walk the last result of every request; damaged lines are passed over.

    Raises:
        StoreError: The file cannot be read.
    """
    last: dict[str, int] = {}
    for number, raw in raw_lines(folder):
        head = _readable(raw)
        if head is not None and head.event == "result" and head.id is not None:
            last[head.id] = number
    wanted = frozenset(last.values())
    for number, raw in raw_lines(folder):
        if number in wanted:
            try:
                yield _result(raw)
            except msgspec.DecodeError:
                continue


def history(folder: Path, id_: str) -> Iterator[dict[str, object]]:
    """Walk every line of one request, as it stands in the ledger."""
    decode = msgspec.json.Decoder(dict[str, object]).decode
    for _, raw in raw_lines(folder):
        head = _readable(raw)
        if head is not None and head.id == id_:
            yield decode(raw)


def _readable(raw: bytes) -> _Head | None:
    if not raw.endswith(b"\n"):
        return None
    try:
        return _head(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None

"""Reads a ledger, whatever state a crash left it in.

A torn last line is passed over; a damaged line elsewhere is counted by number and
kept in the file. The ledger may be read while it is written.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import msgspec

from batcher.errors import StoreError
from batcher.ledger.line import read_line
from batcher.ledger.standing import Standings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from batcher.ledger.line import Line
    from batcher.ledger.standing import Holds

FILE_NAME = "ledger.jsonl"

_BUFFER = 1 << 20


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """A ledger that was read.

    Attributes:
        standings: Where each request stands.
        damaged: 1-based numbers of lines that cannot be read.
        is_torn: The last line is not whole, as a crash leaves it.
        size: Bytes of whole lines, a missing last newline counted.
    """

    standings: Standings
    damaged: tuple[int, ...] = ()
    is_torn: bool = False
    size: int = 0


def read_ledger(folder: Path, *, holds: Holds | None = None) -> Reading:
    """Read a run directory's ledger; an absent one is an empty one.

    Args:
        folder: The run directory.
        holds: Checks each kept image; without it none is checked.

    Raises:
        StoreError: The file cannot be read.
    """
    standings = Standings(holds)
    damaged: list[int] = []
    size = 0
    for number, raw in raw_lines(folder):
        if not is_whole(raw):
            return Reading(
                standings=standings, damaged=tuple(damaged), is_torn=True, size=size
            )
        size += len(raw) + (not raw.endswith(b"\n"))
        try:
            standings.take(raw)
        except msgspec.DecodeError:
            damaged.append(number)
    return Reading(standings=standings, damaged=tuple(damaged), size=size)


def is_whole(raw: bytes) -> bool:
    """Tell whether a line is all there; an editor may have cut its newline off."""
    if raw.endswith(b"\n"):
        return True
    try:
        return isinstance(msgspec.json.decode(raw), dict)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False


def names_of(folder: Path, ids: frozenset[str]) -> dict[str, str]:
    """Find the names under which some ids were recorded, by id."""
    return {
        line.id: line.name
        for line in _results(folder)
        if line.id in ids and line.id is not None and line.name is not None
    }


def kept_paths(folder: Path) -> frozenset[str]:
    """List every path that some result line names."""
    return frozenset(
        image.path
        for line in _results(folder)
        if isinstance(line.images, tuple)
        for image in line.images
    )


def _results(folder: Path) -> Iterator[Line]:
    """Walk the results that can be read."""
    for _, raw in raw_lines(folder):
        with contextlib.suppress(msgspec.DecodeError):
            line = read_line(raw)
            if line is not None and line.event == "result":
                yield line


def raw_lines(folder: Path) -> Iterator[tuple[int, bytes]]:
    """Walk a ledger's lines and their 1-based numbers; an absent one has none.

    Raises:
        StoreError: The file cannot be read.
    """
    path = folder / FILE_NAME
    try:
        with path.open("rb", buffering=_BUFFER) as stream:
            yield from enumerate(stream, 1)
    except FileNotFoundError:
        return
    except OSError as error:
        raise StoreError(f"cannot read {str(path)!r}: {error.strerror}") from error

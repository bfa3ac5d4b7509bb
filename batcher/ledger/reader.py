"""Reads a ledger, whatever state a crash left it in.

A torn last line of `ledger.jsonl` is passed over; a damaged line elsewhere is counted
by its place and kept. The ledger may be read while it is written.
"""

from __future__ import annotations

import contextlib
from itertools import chain
from typing import TYPE_CHECKING

import msgspec

from batcher.ledger.fold import Standings
from batcher.ledger.line import read_line
from batcher.ledger.merge import files

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from batcher.ledger.fold import Holds
    from batcher.ledger.line import Line
    from batcher.ledger.merge import File
    from batcher.stores.directory import Directory


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """A ledger that was read.

    Attributes:
        standings: Where each request stands.
        damaged: Lines that cannot be read, as `file:line`, counted from 1.
        size: Bytes of the whole lines of `ledger.jsonl`, a missing last newline
            counted; what a crash has left after them is none of it.
        writers: Who wrote segments, the last one last.
    """

    standings: Standings
    damaged: tuple[str, ...] = ()
    size: int = 0
    writers: tuple[str, ...] = ()


def read_ledger(
    place: Path | str | Directory, *, holds: Holds | None = None
) -> Reading:
    """Read a run directory's ledger; an absent one is an empty one.

    Args:
        place: The run directory.
        holds: Checks each kept image; without it none is checked.

    Raises:
        StoreError: A file cannot be read.
    """
    standings = Standings(holds)
    damaged: list[str] = []
    writers: dict[str, None] = {}
    size = 0
    for file in files(place):
        if file.writer:
            writers[file.writer] = None
            _fold(standings, file, damaged)
        else:
            size = _fold_open(standings, file, damaged)
    return Reading(
        standings=standings,
        damaged=tuple(damaged),
        size=size,
        writers=tuple(writers),
    )


def _fold(standings: Standings, file: File, damaged: list[str]) -> None:
    """Fold a file that nothing is appended to."""
    for number, raw in enumerate(file.lines, file.start):
        try:
            standings.take(raw)
        except msgspec.DecodeError:
            damaged.append(f"{file.name}:{number}")


def _fold_open(standings: Standings, file: File, damaged: list[str]) -> int:
    """Fold a file whose last line a crash may have torn; give its size without it."""
    size = 0
    for number, raw in enumerate(file.lines, file.start):
        if not is_whole(raw):
            return size
        size += len(raw) + (not raw.endswith(b"\n"))
        try:
            standings.take(raw)
        except msgspec.DecodeError:
            damaged.append(f"{file.name}:{number}")
    return size


def is_whole(raw: bytes) -> bool:
    """Tell whether a line is all there; an editor may have cut its newline off."""
    if raw.endswith(b"\n"):
        return True
    try:
        return isinstance(msgspec.json.decode(raw), dict)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False


def names_of(place: Path | str | Directory, ids: frozenset[str]) -> dict[str, str]:
    """Find the names under which some ids were recorded, by id."""
    return {
        line.id: line.name
        for line in _results(place)
        if line.id in ids and line.id is not None and line.name is not None
    }


def result_lines(place: Path | str | Directory, ids: frozenset[str]) -> dict[str, Line]:
    """Find how some ids ended last, in the fields that the fold reads, by id."""
    return {line.id: line for line in _results(place) if line.id in ids and line.id}


def kept_paths(place: Path | str | Directory) -> frozenset[str]:
    """List every path that some result line names."""
    return frozenset(
        image.path
        for line in _results(place)
        if isinstance(line.images, tuple)
        for image in line.images
    )


def _results(place: Path | str | Directory) -> Iterator[Line]:
    """Walk the results that can be read."""
    for _, raw in raw_lines(place):
        with contextlib.suppress(msgspec.DecodeError):
            line = read_line(raw)
            if line is not None and line.event == "result":
                yield line


def raw_lines(place: Path | str | Directory) -> Iterator[tuple[int, bytes]]:
    """Walk a ledger's lines and their 1-based numbers; an absent one has none.

    Raises:
        StoreError: A file cannot be read.
    """
    yield from enumerate(chain.from_iterable(file.lines for file in files(place)), 1)

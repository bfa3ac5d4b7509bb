"""Reads a ledger, whatever state a crash left it in.

A torn last line is passed over; a damaged line elsewhere is counted by number and
kept in the file. The ledger may be read while it is written.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from batcher.errors import StoreError
from batcher.ledger.standing import Holds, Line, Standings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FILE_NAME = "ledger.jsonl"

_BUFFER = 1 << 20
_line = msgspec.json.Decoder(Line).decode


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """A ledger that was read.

    Attributes:
        standings: Where each request stands.
        damaged: 1-based numbers of lines that cannot be read.
        is_torn: The last line is not whole, as a crash leaves it.
        size: Bytes that were read, the torn line left out.
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
    torn = False
    size = 0
    for number, raw in raw_lines(folder):
        if not raw.endswith(b"\n"):
            torn = True
            break
        size += len(raw)
        try:
            standings.take(raw)
        except (msgspec.DecodeError, UnicodeDecodeError):
            damaged.append(number)
    return Reading(standings=standings, damaged=tuple(damaged), is_torn=torn, size=size)


def names_of(folder: Path, ids: frozenset[str]) -> dict[str, str]:
    """Find the names under which some ids were recorded, by id."""
    found: dict[str, str] = {}
    for _, raw in raw_lines(folder):
        try:
            line = _line(raw)
        except (msgspec.DecodeError, UnicodeDecodeError):
            continue
        if line.event == "result" and line.name is not None and line.id in ids:
            found[line.id] = line.name
    return found


def kept_paths(folder: Path) -> frozenset[str]:
    """List every path that some result line names."""
    paths: set[str] = set()
    for _, raw in raw_lines(folder):
        if b'"path"' not in raw:
            continue
        try:
            images = _line(raw).images
        except (msgspec.DecodeError, UnicodeDecodeError):
            continue
        if isinstance(images, tuple):
            paths.update(image.path for image in images)
    return frozenset(paths)


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

"""Opens the run directory that a command is about."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from batcher.errors import UsageError
from batcher.layout import check_ledger
from batcher.ledger import lock_folder, read_ledger
from batcher.ledger.presence import presence
from batcher.stores import LocalDirectory, open_directory

if TYPE_CHECKING:
    from pathlib import Path

    from batcher.fleet import Crew
    from batcher.ledger import Reading
    from batcher.stores import Directory


def open_run(place: str) -> Directory:
    """Open a folder, or a URL of an object store, that holds a ledger.

    Raises:
        UsageError: It holds none, or cannot be used.
        StoreError: It cannot be read.
    """
    directory = open_directory(place)
    check_ledger(directory)
    return directory


def local_folder(place: str, need: str) -> Path:
    """Give the folder of a run directory, where there must be one.

    Args:
        place: What the user named.
        need: Why, and what to do instead.

    Raises:
        UsageError: It is at a URL.
    """
    directory = open_directory(place)
    if not isinstance(directory, LocalDirectory):
        raise UsageError(f"{str(directory)!r} is no folder: {need}")
    return directory.folder


def read_run(directory: Directory, *, is_looking: bool = False) -> Reading:
    """Read a run directory's ledger; lines that cannot be read are warned about.

    Args:
        directory: The run directory.
        is_looking: Look whether what was kept is there, with its size, and is not lost.

    Raises:
        StoreError: It cannot be read.
    """
    reading = read_ledger(directory, holds=presence(directory) if is_looking else None)
    for place in reading.damaged:
        print(f"warning: {place} is damaged", file=sys.stderr)
    return reading


def crew_of(directory: Directory) -> Crew | None:
    """Tell who works in a run directory as a fleet; None for nobody.

    Raises:
        StoreError: The run directory cannot be read or written.
    """
    if next(iter(directory.entries("fleet/")), None) is None:
        return None
    from batcher.fleet import crew_of  # noqa: PLC0415 - most runs are of one worker

    return crew_of(directory)


def is_busy(directory: Directory) -> bool:
    """Tell whether somebody is at work in a run directory; a lock is held in folders.

    Raises:
        StoreError: The run directory cannot be read or written.
    """
    if isinstance(directory, LocalDirectory):
        try:
            lock_folder(directory.folder).release()
        except UsageError:
            return True
    return crew_of(directory) is not None


def check_idle(directory: Directory) -> None:
    """Make sure that no fleet is at work; raises `UsageError`."""
    crew = crew_of(directory)
    if crew is not None:
        who = f"shard {', '.join(crew.shards)}" if crew.shards else "a fleet's driver"
        raise UsageError(
            f"others are writing to {str(directory)!r}: {who}; wait for them or stop"
            " them"
        )

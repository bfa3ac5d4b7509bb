"""A run directory, wherever it is: named files, read and made whole.

What a ledger's readers, a lease and the commands on a finished run need. Images on
their way in are a `Store`'s.
"""

from __future__ import annotations

import os
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING, BinaryIO, Protocol

import msgspec

from batcher.errors import StoreError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """A file of a run directory.

    Attributes:
        name: Relative path, `/`-separated.
        bytes: Size.
        modified: When it was last written, by the clock of whoever keeps it; in whole
            seconds or not, by how it was asked (Ceph).
    """

    name: str
    bytes: int
    modified: datetime


class Directory(Protocol):
    """Named files in a folder, or under a prefix of an object store.

    All methods block; they are safe to call at once from many threads. Names are
    relative and `/`-separated. Whatever cannot be read or written raises `StoreError`,
    retries within included; that a name is absent is an answer, not an error.
    `str()` gives the place as the user named it.
    """

    def open(self, name: str) -> BinaryIO | None:
        """Open a file for reading, in large pieces; None when there is none."""

    def read(self, name: str) -> bytes | None:
        """Give a small file's content; None when there is none."""

    def size(self, name: str) -> int | None:
        """Give a file's size in bytes; None when there is none."""

    def entry(self, name: str) -> Entry | None:
        """Describe a file; None when there is none."""

    def entries(self, prefix: str = "") -> Iterator[Entry]:
        """Walk the files whose names begin with `prefix`, in no order."""

    def create(self, name: str, data: bytes) -> bool:
        """Make a small file, whole or not at all; false when the name is taken.

        Of many who try at once, one is told true.
        """

    def write(self, name: str, data: bytes) -> None:
        """Make or replace a small file, whole or not at all."""

    def remove(self, names: Iterable[str]) -> None:
        """Remove files; those that are gone already are no error."""


def check_exclusive(directory: Directory, *, prefix: str = ".probe-") -> datetime:
    """Check that of two who create one file, the second is refused.

    Some object stores ignore the condition and say yes to both. There, two workers
    could pay for the same images.

    Args:
        directory: What several workers are to share.
        prefix: What the name of a file begins with that is there meanwhile.

    Returns:
        The time, by the clock of whoever keeps the directory.

    Raises:
        UsageError: It is not so; several workers must not share this directory.
        StoreError: The directory cannot be written.
    """
    name = f"{prefix}{os.urandom(8).hex()}"
    try:
        modified = _probed(directory, name)
    except (StoreError, UsageError):
        with suppress(StoreError):  # what failed first is what the user should know
            directory.remove([name])
        raise
    directory.remove([name])
    return modified


def _probed(directory: Directory, name: str) -> datetime:
    """Create a file twice; give the time at which it was."""
    place = str(directory)
    if not directory.create(name, b"?"):
        raise UsageError(f"{place!r} says that a new name is taken")
    if directory.create(name, b"!"):
        raise UsageError(
            f"{place!r} gives one name to two writers (it does not heed "
            "If-None-Match: *), so workers cannot share it; use another place"
        )
    probe = directory.entry(name)
    if probe is None:
        raise UsageError(f"{place!r} does not show what was just written to it")
    return probe.modified

"""Appends to the ledger: one writer, whole lines, each handed to the system at once.

A line survives the death of the process as soon as `append` returns, and a power cut
once `sync` has returned. What is written is folded, so that the running program and a
later reader see the same standings.
"""

from __future__ import annotations

import errno
import os
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING

from batcher.errors import StoreError, UsageError
from batcher.ledger.event import Event, encode
from batcher.ledger.merge import FILE_NAME, has_segments
from batcher.ledger.reader import is_whole
from batcher.ledger.reserve import Reserve
from batcher.stores import LocalDirectory

if TYPE_CHECKING:
    from pathlib import Path

    from filelock import FileLock

    from batcher.ledger.fold import Standings

LOCK_NAME = ".lock"

FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
"""Errors of a disk, or of somebody's part of it, that is full."""

_BLOCK = 1 << 16


class LedgerWriter:
    """The open end of a ledger.

    Args:
        folder: The run directory; it exists.
        standings: What was read of this ledger; appended lines are folded into it.
        expected_size: Bytes that were read; more mean that another run was faster.

    Raises:
        StoreError: The file cannot be opened or repaired, or there are segments.
    """

    def __init__(
        self, folder: Path, standings: Standings, *, expected_size: int = 0
    ) -> None:
        self._path = folder / FILE_NAME
        self.standings = standings
        if has_segments(LocalDirectory(folder)):
            words = "goes on in segments, which are read after it; compact it first"
            raise StoreError(f"{str(self._path)!r} {words}")
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT
        with ExitStack() as opened:
            try:
                self._file = os.open(self._path, flags, 0o644)
                opened.callback(os.close, self._file)
                self._size = repair(self._file)
            except OSError as error:
                raise StoreError(self._words("open", error)) from error
            if self._size != expected_size:
                message = f"{str(self._path)!r} changed while the run was planned"
                raise StoreError(f"{message}; run the command again")
            opened.pop_all()
        self._is_torn = False
        self._reserve = Reserve(folder)

    def append(self, event: Event) -> None:
        """Write one line; raises `StoreError` with the file as it was before.

        Where a torn line cannot be cut off, nothing is written after it.
        """
        line = encode(event)
        try:
            self._write(line)
        except OSError as error:
            raise StoreError(self._words("write", error)) from error
        self._size += len(line)
        self.standings.take(line)

    async def safe(self) -> None:
        """Do nothing: a line is the system's, and safe, once `append` has returned."""

    def sync(self) -> None:
        """Bring what was appended to the disk; blocks, so call it in a thread."""
        try:
            os.fsync(self._file)
        except OSError as error:
            raise StoreError(self._words("sync", error)) from error

    def close(self) -> None:
        """Sync and close."""
        self._reserve.give_up()
        try:
            self.sync()
        finally:
            os.close(self._file)

    def _write(self, line: bytes) -> None:
        """Write a line or nothing, if need be where room was kept for it."""
        self._cut()
        try:
            write_whole(self._file, line)
        except OSError as error:
            self._is_torn = True
            if error.errno not in FULL or not self._reserve.give_up():
                with suppress(OSError):
                    self._cut()
                raise
            self._write(line)

    def _cut(self) -> None:
        """Cut off what a failed write has left; raises before anything follows it."""
        if self._is_torn:
            os.ftruncate(self._file, self._size)
            self._is_torn = False

    def _words(self, verb: str, error: OSError) -> str:
        return f"cannot {verb} {str(self._path)!r}: {error.strerror}"


def lock_folder(folder: Path, *, seconds: float = 0.0) -> FileLock:
    """Take a run directory's lock, which a dead process releases.

    Args:
        folder: The run directory.
        seconds: How long to wait for it; blocks.

    Returns:
        The lock, held; `release` it.

    Raises:
        UsageError: Another process writes there, or the folder refuses.
    """
    from filelock import FileLock, Timeout  # noqa: PLC0415 - readers do without

    lock = FileLock(folder / LOCK_NAME)
    try:
        lock.acquire(timeout=seconds)
    except Timeout as error:
        message = f"another run is writing to {str(folder)!r}; wait for it or stop it"
        raise UsageError(message) from error
    except OSError as error:
        message = f"cannot write to {str(folder)!r}: {error.strerror}"
        raise UsageError(message) from error
    return lock


def write_whole(file: int, line: bytes) -> None:
    """Write a line; a short write is followed by the error that cut it."""
    while line:
        line = line[os.write(file, line) :]


def repair(file: int) -> int:
    """Cut a torn last line off, or end it when it is whole; give the size."""
    size = os.fstat(file).st_size
    if not size or os.pread(file, 1, size - 1) == b"\n":
        return size
    start = _last_line(file, size)
    if is_whole(os.pread(file, size - start, start)):
        os.write(file, b"\n")
        return size + 1
    os.ftruncate(file, start)
    return start


def _last_line(file: int, size: int) -> int:
    """Find where the bytes after the last newline begin."""
    end = size
    while end > 0:
        start = max(0, end - _BLOCK)
        newline = os.pread(file, end - start, start).rfind(b"\n")
        if newline >= 0:
            return start + newline + 1
        end = start
    return 0

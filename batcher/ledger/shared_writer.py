"""Appends to a `ledger.jsonl` to which other processes append as well.

Each line is written under a lock, for as long as that takes: workers of one folder have
shards of their own, so nobody needs to know what the others write.
"""

from __future__ import annotations

import os
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from batcher.errors import StoreError
from batcher.ledger.event import Event, encode
from batcher.ledger.merge import FILE_NAME
from batcher.ledger.writer import repair, write_whole

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from batcher.ledger.fold import Standings

LINE_LOCK_NAME = ".ledger.lock"

PATIENCE = 10.0
"""Seconds after which one of the others must be frozen in the middle of its line."""

IMPATIENCE = 0.01
"""Seconds for each line after that: the run ends, and its loop must not stand still."""


class SharedWriter:
    """The open end of a ledger that several processes share; see `Ledger`.

    Args:
        folder: The run directory; it exists.
        standings: What was read of this ledger; this process's own lines are folded in.
        patience: Seconds to wait for the others, of which each takes some microseconds.

    Raises:
        StoreError: The file cannot be opened.
    """

    def __init__(
        self, folder: Path, standings: Standings, *, patience: float = PATIENCE
    ) -> None:
        self._path = folder / FILE_NAME
        self.standings = standings
        self._patience = patience
        self._lock = FileLock(
            folder / LINE_LOCK_NAME, timeout=patience, poll_interval=0.001
        )
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT
        with self._words("open"):
            self._file = os.open(self._path, flags, 0o644)

    def append(self, event: Event) -> None:
        """Write one line; raises `StoreError` with the file as it was before.

        Blocks for the whole patience once. Then the run ends, and what comes in until
        then is written only if the lock is free again.
        """
        line = encode(event)
        with self._words("write"), self._lock:
            # Another process may have died in the middle of its line.
            size = repair(self._file)
            try:
                write_whole(self._file, line)
            except OSError:
                with suppress(OSError):
                    os.ftruncate(self._file, size)
                raise
        self.standings.take(line)

    async def safe(self) -> None:
        """Do nothing: a line is the system's, and safe, once `append` has returned."""

    def sync(self) -> None:
        """Bring what was appended to the disk; blocks, so call it in a thread."""
        with self._words("sync"):
            os.fsync(self._file)

    def close(self) -> None:
        """Sync and close."""
        try:
            self.sync()
        finally:
            os.close(self._file)

    @contextmanager
    def _words(self, verb: str) -> Iterator[None]:
        try:
            yield
        except Timeout as error:
            self._lock.timeout = min(IMPATIENCE, self._patience)
            seconds = f"{self._patience:g} s"
            words = (
                f"another process has held {LINE_LOCK_NAME!r} for {seconds}: it is "
                "frozen; end it, or let it go on, and run the command again"
            )
            raise StoreError(f"cannot {verb} {str(self._path)!r}: {words}") from error
        except OSError as error:
            words = error.strerror or str(error)
            raise StoreError(f"cannot {verb} {str(self._path)!r}: {words}") from error

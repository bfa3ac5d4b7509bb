"""Writes a ledger where nothing can be appended to a file: segment after segment.

Lines gather until somebody needs them to be safe. One put is under way at a time, and
the next takes all that has gathered meanwhile, so that however many wait, the store is
asked only so often.
"""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import TYPE_CHECKING

from batcher.ledger.event import Event, encode
from batcher.ledger.rollup import Rollup
from batcher.ledger.segment import Segment

if TYPE_CHECKING:
    from batcher.ledger.fold import Standings
    from batcher.stores.directory import Directory

LINGER = 0.03
"""Seconds in which the lines of others join a put."""


class SegmentWriter:
    """The open end of a ledger in segments; see `Ledger`.

    Args:
        directory: The run directory.
        writer: A name that no other writer has, see `segment.writer_name`.
        standings: What was read of this ledger; appended lines are folded into it.
        linger: Seconds to wait before a put that somebody waits for.
    """

    def __init__(
        self,
        directory: Directory,
        writer: str,
        standings: Standings,
        *,
        linger: float = LINGER,
    ) -> None:
        self.standings = standings
        self._directory = directory
        self._writer = writer
        self._linger = linger
        self._pending: list[bytes] = []
        self._appended = 0
        self._kept = 0
        self._number = 1
        self._putting = Lock()
        self._rollup = Rollup(directory)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="ledger")
        self._flight: asyncio.Future[None] | None = None

    def append(self, event: Event) -> None:
        """Take one line; it is not safe before `safe` or `sync` has returned."""
        line = encode(event)
        self._pending.append(line)
        self._appended += 1
        self.standings.take(line)

    async def safe(self) -> None:
        """Wait until what was appended so far is put; others may share the put.

        Raises:
            StoreError: The store refuses; the lines stay pending.
        """
        goal = self._appended
        while self._kept < goal:
            if self._flight is None or self._flight.done():
                loop = asyncio.get_running_loop()
                self._flight = loop.run_in_executor(self._thread, self._put_soon)
                self._flight.add_done_callback(_note)
            # The put is that of all who wait, also when one of them gives up.
            await asyncio.shield(self._flight)

    def sync(self) -> None:
        """Put what is pending, and roll up; blocks, so call it in a thread.

        Raises:
            StoreError: The store refuses; the lines stay pending.
        """
        self._put()
        self._rollup.roll()

    def close(self) -> None:
        """Sync, and end the thread."""
        try:
            self.sync()
            self._rollup.finish()
        finally:
            self._thread.shutdown()

    def _put_soon(self) -> None:
        time.sleep(self._linger)
        self._put()

    def _put(self) -> None:
        """Put what is pending now; more segments than one when numbers are taken."""
        with self._putting:
            left = len(self._pending)
            while left:
                number = self._number
                segment = Segment(writer=self._writer, first=number, last=number)
                lines = self._pending[:left]
                content = b"".join(lines)
                if not self._directory.create(segment.name, content):
                    content = self._directory.read(segment.name) or b""
                    lines = _held(content, lines)
                # Lines are appended meanwhile, behind those that go.
                del self._pending[: len(lines)]
                left -= len(lines)
                self._kept += len(lines)
                self._number += 1
                self._rollup.add(segment, content)


def _held(content: bytes, lines: list[bytes]) -> list[bytes]:
    """Tell which of the first lines a segment holds that is already there.

    It was put by an earlier try whose success was not heard of, and then holds just
    what was pending at the time; or it is not ours, and holds none of them.
    """
    held = lines[: content.count(b"\n")]
    return held if b"".join(held) == content else []


def _note(flight: asyncio.Future[None]) -> None:
    """Take note of a refusal, also when all who waited have given up."""
    flight.exception()

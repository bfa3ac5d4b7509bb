"""How the run as a whole goes: its numbers, and what it answers when it is asked.

Asks through the run's socket, as `batcher ctl` does, and only while somebody watches.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from batcher.errors import UsageError
from batcher.json_text import to_json
from batcher.remote import Command, send

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from batcher.watch.feed import Feed

SECONDS = 1.0
"""Between two askings, and between two tellings of what changed."""


class Pulse:
    """What every open page is told of the run.

    Args:
        folder: The run directory.
        feed: Where the numbers come from.

    Attributes:
        is_over: The watch ends: whoever is told anything is told the last.
    """

    def __init__(self, folder: Path, feed: Feed) -> None:
        self.is_over = False
        self._folder = folder
        self._feed = feed
        self._pages = 0
        self._standing: Mapping[str, object] | None = None
        self._turn = asyncio.Lock()
        self._number = 0
        self._state: tuple[object, ...] = ()
        self._told = b""
        self._at = 0.0

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Count a page that is open for as long as the block takes."""
        self._pages += 1
        try:
            yield
        finally:
            self._pages -= 1

    async def keep_asking(self) -> None:
        """Ask the run where it stands, again and again."""
        while True:
            if self._pages:
                await self.ask()
            await asyncio.sleep(SECONDS)

    async def ask(self) -> None:
        """Ask the run where it stands, if one goes on."""
        try:
            await self.tell(Command(name="status"))
        except UsageError:
            self._standing = None

    async def tell(self, command: Command) -> None:
        """Have the run carry a command out, and keep what it answers.

        Raises:
            UsageError: It refuses, or no run goes on.
        """
        async with self._turn:  # an earlier answer never comes after a later one
            self._standing = await asyncio.to_thread(send, self._folder, command)
        self._at = 0.0  # an answer is news at once

    def header(self) -> dict[str, object]:
        """Give what a page is told beside its requests."""
        return {**self._feed.header(), "standing": self._standing}

    def told(self) -> tuple[int, bytes]:
        """Give what there is to tell as JSON, and its number: the same is not news."""
        state = (self._feed.cursor, self._standing)
        is_due = self.is_over or time.monotonic() - self._at >= SECONDS
        if is_due and state != self._state:
            self._state = state
            self._at = time.monotonic()
            self._number += 1
            self._told = to_json(self.header())
        return self._number, self._told

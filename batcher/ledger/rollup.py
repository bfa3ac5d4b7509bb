"""Rolls a writer's segments up into few large ones, which are faster to read.

A roll-up is there, whole, before anything that it holds is removed: a reader finds
each line once, whenever it looks and wherever a crash comes. One that fails costs
nothing but that speed, so it is told to the log and to nobody else.
"""

from __future__ import annotations

import logging
from collections import deque
from threading import Lock
from typing import TYPE_CHECKING

from batcher.errors import StoreError

if TYPE_CHECKING:
    from batcher.ledger.segment import Segment
    from batcher.stores.directory import Directory

LARGEST = 1 << 25
"""Bytes beyond which a group stays as it is: it is in memory, twice while it is put."""

_log = logging.getLogger(__name__)


class Rollup:
    """Gathers what a writer put, group by group.

    `add` may run at the same time as `roll`.

    Args:
        directory: The run directory.
    """

    def __init__(self, directory: Directory) -> None:
        self._directory = directory
        self._parts: list[bytes] = []
        self._size = 0
        self._due: deque[tuple[Segment, list[bytes]]] = deque()
        self._held: list[Segment] = []
        self._rolling = Lock()

    def add(self, segment: Segment, content: bytes) -> None:
        """Take a segment that was put; they come in order."""
        if segment.first == segment.group.first:
            self._parts, self._size = [], 0
        self._size += len(content)
        if self._size > LARGEST:
            self._parts = []
            return
        self._parts.append(content)
        if segment.last == segment.group.last:
            self._due.append((segment.group, self._parts))
            self._parts = []

    def roll(self) -> None:
        """Put the groups that are whole; blocks."""
        with self._rolling:
            while self._due:
                group, parts = self._due.popleft()
                if self._is_put(group, b"".join(map(_ended, parts))):
                    self._remove_held()
                    self._held = [group]

    def finish(self) -> None:
        """Roll what is whole, and remove what that made needless; blocks."""
        self.roll()
        with self._rolling:
            self._remove_held()

    def _is_put(self, group: Segment, content: bytes) -> bool:
        try:
            return (
                self._directory.create(group.name, content)
                or self._directory.read(group.name) == content
            )
        except StoreError as error:
            _log.warning("a part of the ledger was not rolled up: %s", error)
            return False

    def _remove_held(self) -> None:
        """Remove what the roll-up before the last one holds.

        One roll-up late, so that a listing which is under way, page by page, shows a
        line in one place or in both.
        """
        names = [each.name for group in self._held for each in group.singles()]
        self._held = []
        try:
            self._directory.remove(names)
        except StoreError as error:
            _log.warning("parts of the ledger that were rolled up stay: %s", error)


def _ended(part: bytes) -> bytes:
    """End a last line that lacks its newline, as nothing we put does."""
    return part if part.endswith(b"\n") or not part else part + b"\n"

"""A run directory in memory, whose every step can be watched, refused or cut off."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from typing import BinaryIO

from batcher.stores.directory import Entry

AT = datetime(2026, 11, 22, tzinfo=UTC)


def allow(_: str) -> None:
    """Let it happen."""


class MemoryDirectory:
    """See `Directory`.

    Args:
        before: Is called before each change with its name, and may raise.
        after: Is called after it, when the answer is on its way, and may raise.
    """

    def __init__(
        self,
        before: Callable[[str], None] = allow,
        after: Callable[[str], None] = allow,
    ) -> None:
        self.files: dict[str, bytes] = {}
        self.puts: list[str] = []
        self.before = before
        self.after = after

    def __str__(self) -> str:
        return "memory"

    def open(self, name: str) -> BinaryIO | None:
        content = self.read(name)
        return None if content is None else io.BufferedReader(io.BytesIO(content))

    def read(self, name: str) -> bytes | None:
        return self.files.get(name)

    def size(self, name: str) -> int | None:
        return len(self.files[name]) if name in self.files else None

    def entry(self, name: str) -> Entry | None:
        size = self.size(name)
        return None if size is None else Entry(name=name, bytes=size, modified=AT)

    def entries(self, prefix: str = "") -> Iterator[Entry]:
        for name, content in list(self.files.items()):
            if name.startswith(prefix):
                yield Entry(name=name, bytes=len(content), modified=AT)

    def create(self, name: str, data: bytes) -> bool:
        self.before(name)
        self.puts.append(name)
        is_made = name not in self.files
        self.files.setdefault(name, data)
        self.after(name)
        return is_made

    def write(self, name: str, data: bytes) -> None:
        self.before(name)
        self.files[name] = data
        self.after(name)

    def remove(self, names: Iterable[str]) -> None:
        for name in names:
            self.before(name)
            self.files.pop(name, None)
            self.after(name)

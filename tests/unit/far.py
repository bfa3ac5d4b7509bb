"""A directory that is no folder of this machine, as far as its users can tell."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from threading import Lock
from typing import BinaryIO

from batcher.stores import Entry, LocalDirectory


class FarDirectory:
    """Answers after a while, and counts what it is asked.

    Attributes:
        asked: Calls by method.
        busiest: Calls under way at once.
        on_call: Called with every method and name, before it is done.
    """

    def __init__(self, folder: Path, *, seconds: float = 0.0) -> None:
        self.asked: Counter[str] = Counter()
        self.busiest = 0
        self.on_call: Callable[[str, str], None] = lambda _method, _name: None
        self._files = LocalDirectory(folder)
        self._seconds = seconds
        self._lock = Lock()
        self._busy = 0

    def __str__(self) -> str:
        return "far://bucket/run"

    def open(self, name: str) -> BinaryIO | None:
        self._ask("open", name)
        return self._files.open(name)

    def read(self, name: str) -> bytes | None:
        self._ask("read", name)
        return self._files.read(name)

    def size(self, name: str) -> int | None:
        self._ask("size", name)
        return self._files.size(name)

    def entry(self, name: str) -> Entry | None:
        self._ask("entry", name)
        return self._files.entry(name)

    def entries(self, prefix: str = "") -> Iterator[Entry]:
        self._ask("entries", prefix)
        return self._files.entries(prefix)

    def create(self, name: str, data: bytes) -> bool:
        self._ask("create", name)
        return self._files.create(name, data)

    def write(self, name: str, data: bytes) -> None:
        self._ask("write", name)
        self._files.write(name, data)

    def remove(self, names: Iterable[str]) -> None:
        self._ask("remove", "")
        self._files.remove(names)

    def _ask(self, method: str, name: str) -> None:
        with self._lock:
            self.asked[method] += 1
            self._busy += 1
            self.busiest = max(self.busiest, self._busy)
        self.on_call(method, name)
        time.sleep(self._seconds)
        with self._lock:
            self._busy -= 1

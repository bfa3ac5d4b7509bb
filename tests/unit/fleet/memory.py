"""A directory in memory, whose keeper has a clock and counts what it does."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from io import BytesIO
from math import floor
from typing import BinaryIO, TypeVar

from batcher.stores.directory import Entry

Hook = Callable[[str, Callable[[], object]], object]
"""Does an operation, named by the first argument, with delays or failures."""


T = TypeVar("T")


class FakeClock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class MemoryDirectory:
    """See `Directory`; times are cut to whole seconds, as S3's are."""

    def __init__(self, clock: Callable[[], float], *, coarse: bool = True) -> None:
        self.files: dict[str, tuple[bytes, float]] = {}
        self.counts: Counter[str] = Counter()
        self.hook: Hook = lambda _, do: do()
        self._clock = clock
        self._coarse = coarse

    def __str__(self) -> str:
        return "memory"

    def open(self, name: str) -> BinaryIO | None:
        data = self.read(name)
        return None if data is None else BytesIO(data)

    def read(self, name: str) -> bytes | None:
        found = self._do("read", lambda: self.files.get(name))
        return found[0] if found else None

    def size(self, name: str) -> int | None:
        found = self.entry(name)
        return None if found is None else found.bytes

    def entry(self, name: str) -> Entry | None:
        return self._do("entry", lambda: self._entry(name))

    def entries(self, prefix: str = "") -> Iterator[Entry]:
        def listed() -> list[Entry | None]:
            return [self._entry(n) for n in self.files if n.startswith(prefix)]

        found = self._do("list", listed)
        self.counts["pages"] += len(found) // 1000 + 1
        return (entry for entry in found if entry is not None)

    def create(self, name: str, data: bytes) -> bool:
        def created() -> bool:
            if name in self.files:
                return False
            self.files[name] = (data, self._clock())
            return True

        return self._do("create", created)

    def write(self, name: str, data: bytes) -> None:
        self._do("write", lambda: self.files.update({name: (data, self._clock())}))

    def remove(self, names: Iterable[str]) -> None:
        doomed = list(names)
        if doomed:
            self._do("remove", lambda: [self.files.pop(n, None) for n in doomed])

    def _entry(self, name: str) -> Entry | None:
        found = self.files.get(name)
        if found is None:
            return None
        at = floor(found[1]) if self._coarse else found[1]
        modified = datetime.fromtimestamp(at, UTC)
        return Entry(name=name, bytes=len(found[0]), modified=modified)

    def _do(self, operation: str, do: Callable[[], T]) -> T:
        self.counts[operation] += 1
        return self.hook(operation, do)  # type: ignore[return-value]  # what it did

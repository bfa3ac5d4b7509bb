"""Fetches the images of an object store ahead of their turn.

It takes its time to answer, so many are asked for at once; they come in order, and are
held in memory, so many only that it does not grow with the export.
"""

from __future__ import annotations

from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from batcher.exports.source import UnfitError, name_of, other_size, vouched

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator
    from concurrent.futures import Future
    from pathlib import Path

    from batcher.exports.row import Row
    from batcher.stores import Directory

    Fetching = tuple[Row, Future[bytes] | None]

THREADS = 32
"""Images fetched at once."""

AHEAD = 1 << 27
"""Bytes of images held; a single one may be larger."""


class RemoteSource:
    """The images of an object store; see `Source`."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory
        self._current: Future[bytes] | None = None

    def ahead(
        self, rows: Iterable[Row], needs: Callable[[Row], bool]
    ) -> Generator[Row]:
        """Walk rows, while the images of the next ones are fetched."""
        pool = ThreadPoolExecutor(THREADS, thread_name_prefix="images")
        waiting: deque[Fetching] = deque()
        held = 0
        try:
            for row in rows:
                is_needed = needs(row)
                size = row.bytes if is_needed else 0
                while waiting and (held + size > AHEAD or len(waiting) > THREADS):
                    first, self._current = waiting.popleft()
                    yield first
                    held -= first.bytes if self._current else 0
                fetch = pool.submit(self._fetch, row) if is_needed else None
                waiting.append((row, fetch))
                held += size
            while waiting:
                first, self._current = waiting.popleft()
                yield first
        finally:
            pool.shutdown(cancel_futures=True)

    def pieces(self, row: Row) -> Iterator[bytes]:
        """Give the image of the row that was walked to."""
        data = self._current.result() if self._current else self._fetch(row)
        return vouched([data], row)

    def place(self, target: Path, row: Row, *, is_copy: bool) -> None:  # noqa: ARG002 - it can be nothing else
        """Copy a row's image to a file."""
        pieces = self.pieces(row)
        with target.open("wb") as stream:
            stream.writelines(pieces)

    def base(self, out: Path) -> str:  # noqa: ARG002 - the same from everywhere
        """Give the run directory's URL."""
        return str(self._directory)

    def address(self, row: Row) -> str:
        """Give an image's URL."""
        return f"{self._directory}/{name_of(row)}"

    def _fetch(self, row: Row) -> bytes:
        name = str(name_of(row))
        stream = self._directory.open(name)
        if stream is None:
            raise UnfitError("is missing")
        with stream:
            data = stream.read(row.bytes + 1)
        if len(data) != row.bytes:
            size = self._directory.size(name)
            raise other_size(len(data) if size is None else size, row)
        return data

"""Follows a ledger as it grows: every line once, and a look costs what is new.

For a folder and for an object store, with segments or without, while others append and
roll up. Knows nothing of what the lines say.
"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Self

from batcher.errors import StoreError
from batcher.ledger.merge import (
    FILE_NAME,
    START,
    Place,
    files_after,
    lines_of,
    merged_in,
    merged_writers,
)
from batcher.ledger.segment import GROUP
from batcher.ledger.tail import Tail
from batcher.stores import LocalDirectory

if TYPE_CHECKING:
    from collections.abc import Iterator

    from batcher.stores.directory import Directory

PIECE = 1000
"""Lines at once of a `ledger.jsonl` that lies in an object store."""


class Follower:
    """A run directory's ledger, each line handed out once; a context manager.

    Its methods block, and one thread at a time calls them.

    Args:
        directory: The run directory; it need not be there yet.
    """

    def __init__(self, directory: Directory) -> None:
        self._directory = directory
        self._open = ExitStack()
        self._tail: Tail | None = None
        if isinstance(directory, LocalDirectory):
            self._tail = self._open.enter_context(Tail(directory.folder / FILE_NAME))
        self._forget()

    def _forget(self) -> None:
        self._lines = 0
        self._is_read = False
        self._places: dict[str, Place] = {}
        self._merged: frozenset[str] = frozenset()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def is_rewritten(self) -> bool:
        """Tell whether the ledger was compacted, so that it has to be read anew.

        Raises:
            StoreError: It cannot be told now.
        """
        if self._tail is None:
            return False
        with self._words():
            if self._tail.is_replaced():
                return True
        if self._lines or not self._places:
            return False
        return not self._places.keys().isdisjoint(merged_writers(self._directory))

    def begin_anew(self) -> None:
        """Forget what was handed out; the next lines are the first."""
        if self._tail is not None:
            self._tail.begin_anew()
        self._forget()

    def look(self) -> Iterator[list[bytes]]:
        """Walk the lines that were added since the last look, some at a time.

        Each writer's come in the order in which they were written. A last line without
        its newline is waited for. A walk that is given up is gone on with by the next.

        Raises:
            StoreError: A file cannot be read now; the next look makes up for it.
        """
        for piece in self._one_file():
            if not self._lines:
                self._merged = frozenset(merged_in(piece[0]))
            self._lines += len(piece)
            yield piece
        for file in files_after(self._directory, self._places, self._merged):
            lines = list(file.lines)
            before = self._places.get(file.writer, START).before + len(lines)
            is_ended = file.last % GROUP == 0
            self._places[file.writer] = Place(file.last + 1, 0 if is_ended else before)
            if lines:
                yield lines

    def _one_file(self) -> Iterator[list[bytes]]:
        """Walk what is new in `ledger.jsonl`."""
        if self._tail is None:
            yield from self._object()
            return
        while True:
            with self._words():
                lines = self._tail.read()
            if not lines:
                return
            yield [raw for _, raw in lines]

    def _object(self) -> Iterator[list[bytes]]:
        """Walk a `ledger.jsonl` in an object store, where nothing is appended to it."""
        stream = None if self._is_read else self._directory.open(FILE_NAME)
        if stream is None:
            return
        lines = lines_of(self._directory, FILE_NAME, stream)
        rest = islice(lines, self._lines, None)
        while piece := list(islice(rest, PIECE)):
            yield piece
        self._is_read = True

    @contextmanager
    def _words(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            place = f"{self._directory}/{FILE_NAME}"
            raise StoreError(f"cannot read {place!r}: {error.strerror}") from error

"""Follows a file of lines as it grows; knows nothing of what they say.

A last line without its newline is waited for. Another file in its place, as after a
compaction, is noticed.
"""

from __future__ import annotations

import os
from contextlib import ExitStack
from io import BytesIO
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from pathlib import Path

_BLOCK = 1 << 20
_LINE = 1 << 13


class Tail:
    """The lines of a file, each handed out once; a context manager.

    Args:
        path: The file; it need not be there yet.

    Attributes:
        offset: Bytes of lines that were handed out.
    """

    def __init__(self, path: Path) -> None:
        self.offset = 0
        self._path = path
        self._file: int | None = None
        self._open = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def is_replaced(self) -> bool:
        """Tell whether another file, or a shorter one, has taken its place."""
        if self._file is None:
            return False
        try:
            there, mine = self._path.stat(), os.fstat(self._file)
        except FileNotFoundError:
            return False
        is_other = (there.st_dev, there.st_ino) != (mine.st_dev, mine.st_ino)
        return is_other or there.st_size < self.offset

    def begin_anew(self) -> None:
        """Forget what was handed out; the next lines are the first."""
        self._open.close()
        self._file = None
        self.offset = 0

    def read(self) -> list[tuple[int, bytes]]:
        """Give the next lines, about a megabyte of them, each with its offset.

        Raises:
            OSError: The file cannot be read.
        """
        self._file = self._find() if self._file is None else self._file
        if self._file is None:
            return []
        lines = []
        for raw in BytesIO(self._block(self._file)):
            lines.append((self.offset, raw))
            self.offset += len(raw)
        return lines

    def line_at(self, offset: int) -> bytes:
        """Give a line again that began at an offset; none of another file."""
        if self._file is None:
            return b""
        size = _LINE
        while True:
            data = os.pread(self._file, size, offset)
            end = data.find(b"\n") + 1
            if end or len(data) < size:
                return data[:end]
            size *= 8

    def _find(self) -> int | None:
        try:
            file = os.open(self._path, os.O_RDONLY)
        except FileNotFoundError:
            return None
        self._open.callback(os.close, file)
        return file

    def _block(self, file: int) -> bytes:
        """Read whole lines; one longer than a block is read in one piece."""
        size = _BLOCK
        while True:
            data = os.pread(file, size, self.offset)
            end = data.rfind(b"\n") + 1
            if end or len(data) < size:
                return data[:end]
            size *= 2

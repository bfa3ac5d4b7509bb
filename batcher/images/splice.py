"""Reads pieces of a file as one stream, and puts bytes into it on the way.

Knows nothing of formats. Holds the piece at hand, however the stream is divided.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence


class Splice(msgspec.Struct, frozen=True, kw_only=True):
    """One change of a file.

    Attributes:
        at: Its place in the file as it was.
        cut: How many bytes are left out from there on.
        insert: What stands there instead.
    """

    at: int
    cut: int = 0
    insert: bytes = b""


class Stream:
    """A file in pieces of any size, read forward.

    Attributes:
        place: Bytes that were passed; beyond the file's end after a skip across it.
    """

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self.place = 0
        self._pieces = iter(pieces)
        self._data = memoryview(b"")

    def peek(self, count: int) -> bytes:
        """Give the next bytes without passing them; fewer at the end."""
        if len(self._data) < count:
            held = bytearray(self._data)
            for piece in self._pieces:
                held += piece
                if len(held) >= count:
                    break
            self._data = memoryview(bytes(held))
        return bytes(self._data[:count])

    def take(self, count: int) -> bytes:
        """Read few enough bytes to hold; fewer at the end."""
        taken = self.peek(count)
        self.skip(len(taken))
        return taken

    def skip(self, count: int) -> None:
        """Pass over bytes."""
        self.place += count
        for data in self._next(count):
            del data

    def copy(self, count: int) -> Iterator[bytes]:
        """Pass bytes on, as pieces."""
        self.place += count
        yield from map(bytes, self._next(count))

    def rest(self) -> Iterator[bytes]:
        """Pass on everything that is left."""
        yield bytes(self._data)
        yield from map(bytes, self._pieces)

    def _next(self, count: int) -> Iterator[memoryview]:
        while count > len(self._data):
            yield self._data
            count -= len(self._data)
            piece = next(self._pieces, None)
            if piece is None:
                self._data = memoryview(b"")
                return
            self._data = memoryview(piece)
        yield self._data[:count]
        self._data = self._data[count:]


def spliced(pieces: Iterable[bytes], splices: Sequence[Splice]) -> Iterator[bytes]:
    """Walk a file as it is after some changes.

    Args:
        pieces: The file, divided in any way.
        splices: Its changes, by place.
    """
    stream = Stream(pieces)
    for splice in splices:
        yield from stream.copy(splice.at - stream.place)
        yield splice.insert
        stream.skip(splice.cut)
    yield from stream.rest()

"""Reads an object as a file: from the start in one stream, elsewhere by a new one."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, BinaryIO, cast

import obstore

from batcher.stores.cloud_error import FOREIGN, is_absent, refusal, refusals

if TYPE_CHECKING:
    from collections.abc import Iterator

    from obstore import GetResult
    from obstore.store import ObjectStore

_PIECE = 1 << 20


def open_object(client: ObjectStore, name: str, place: str) -> BinaryIO | None:
    """Open an object for reading; None when there is none.

    Raises:
        StoreError: The store refuses, here or while it is read.
    """
    try:
        found = obstore.get(client, name)
    except FOREIGN as error:
        if is_absent(error):
            return None
        raise refusal("read", place, error) from error
    raw = ObjectReader(client, name, place, found)
    # A buffered reader is what `open` gives, but is not declared to be one.
    return cast("BinaryIO", io.BufferedReader(raw, _PIECE))


class ObjectReader(io.RawIOBase):
    """The bytes of one version of an object.

    Args:
        client: Of the store.
        name: Of the object.
        place: The object as the user knows it.
        found: The object's first stream.
    """

    def __init__(
        self, client: ObjectStore, name: str, place: str, found: GetResult
    ) -> None:
        super().__init__()
        self._client = client
        self._name = name
        self._place = place
        self._size = found.meta["size"]
        self._version = found.meta["e_tag"]
        self._at = 0
        self._pieces: Iterator[bytes] | None = iter(found.stream(_PIECE))
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        """Be readable."""
        return True

    def seekable(self) -> bool:
        """Be seekable; each leap is a request."""
        return True

    def tell(self) -> int:
        """Give the position."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go elsewhere."""
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}
        target = max(0, start[whence] + offset)
        if target != self._at:
            self._at, self._pieces, self._rest = target, None, memoryview(b"")
        return target

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # Buffer is 3.12's
        """Read what has come, at least one byte unless it is the end."""
        if not self._rest and self._at < self._size:
            with refusals("read", self._place):
                self._rest = memoryview(self._next())
        count = min(len(buffer), len(self._rest))
        buffer[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        self._at += count
        return count

    def close(self) -> None:
        """Let go of the stream and its connection."""
        self._pieces, self._rest = None, memoryview(b"")
        super().close()

    def _next(self) -> bytes:
        if self._pieces is None:
            rest = obstore.get(
                self._client,
                self._name,
                options={"range": {"offset": self._at}, "if_match": self._version},
            )
            self._pieces = iter(rest.stream(_PIECE))
        piece = next(self._pieces, None)
        if piece is None:
            raise OSError(f"{self._size - self._at} bytes are missing at its end")
        return piece

"""Unpacks bodies that a gateway compressed though it was asked not to (RFC 9110 §8.4).

Pure. Gives its bytes in pieces, so that a small body cannot fill the memory at once.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Final

from batcher.transport.response import BrokenReplyError, Piece

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

LARGEST_PIECE: Final = 1 << 20

_GZIP: Final = 16 + zlib.MAX_WBITS
_ZLIB: Final = zlib.MAX_WBITS
_BARE: Final = -zlib.MAX_WBITS
_WINDOWS: Final = {"gzip": _GZIP, "x-gzip": _GZIP, "deflate": _ZLIB}
_DEFLATED: Final = 8  # RFC 1950 §2.2, the low half of the first byte


class Unpacker:
    """Unpacks one body.

    Args:
        coding: The `Content-Encoding`. One that is not known leaves a body as it is.
    """

    def __init__(self, coding: str) -> None:
        self._window = _WINDOWS.get(coding.strip().lower())
        self._stream: zlib._Decompress | None = None
        self._is_between = False  # one stream has ended, and nothing came of another
        self._is_over = False

    def unpack(self, pieces: Iterable[Piece]) -> Iterable[Piece]:
        """Give the next pieces of the body as it was meant.

        Raises:
            BrokenReplyError: While they are read: it is not what the coding says.
        """
        return pieces if self._window is None else self._unpacked(pieces, self._window)

    def _unpacked(self, pieces: Iterable[Piece], window: int) -> Iterator[Piece]:
        for piece in pieces:
            packed: Piece = piece
            while packed and not self._is_over:
                stream = self._stream = self._stream or _begin(window, packed[0])
                try:
                    unpacked = stream.decompress(packed, LARGEST_PIECE)
                except zlib.error as error:
                    self._is_over = self._is_between
                    if self._is_over:  # it only follows the body
                        return
                    raise BrokenReplyError(
                        f"the reply is not packed: {error}"
                    ) from error
                packed = stream.unconsumed_tail
                if unpacked:
                    self._is_between = False
                    yield unpacked
                if stream.eof:
                    packed = stream.unused_data
                    self._stream, self._is_between = None, True
                    # Of gzip alone several make one body (RFC 1952 §2.2).
                    self._is_over = window != _GZIP


def _begin(window: int, first: int) -> zlib._Decompress:
    # Some servers mean by `deflate` the stream without its wrapper.
    is_bare = window == _ZLIB and first & 15 != _DEFLATED
    return zlib.decompressobj(_BARE if is_bare else window)

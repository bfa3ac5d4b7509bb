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

    def unpack(self, pieces: Iterable[Piece]) -> Iterable[Piece]:
        """Give the next pieces of the body as it was meant.

        Raises:
            BrokenReplyError: While they are read: it is not what the coding says.
        """
        return pieces if self._window is None else self._unpacked(pieces, self._window)

    def _unpacked(self, pieces: Iterable[Piece], window: int) -> Iterator[Piece]:
        for piece in pieces:
            if self._stream is None:
                # Some servers mean by `deflate` the stream without its wrapper.
                is_bare = window == _ZLIB and piece[0] & 15 != _DEFLATED
                self._stream = zlib.decompressobj(_BARE if is_bare else window)
            packed: Piece = piece
            while packed and not self._stream.eof:
                try:
                    unpacked = self._stream.decompress(packed, LARGEST_PIECE)
                except zlib.error as error:
                    raise BrokenReplyError(
                        f"the reply is not packed: {error}"
                    ) from error
                packed = self._stream.unconsumed_tail
                if unpacked:
                    yield unpacked

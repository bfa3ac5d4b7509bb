"""The chunks of a WebP (RFC 9649)."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from batcher.images.verdict import Defect, Format, sized

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from batcher.images.source import Source, Wait
    from batcher.images.verdict import Verdict

MISSING = "shorter than its RIFF header says"
_CHUNK = struct.Struct("<4sI")
_PIXELS = frozenset({b"VP8 ", b"VP8L", b"ANMF"})


def walk(source: Source) -> Wait[Verdict]:
    """Follow the chunks to the end that the RIFF header announces."""
    source.at += 4
    left = int.from_bytes((yield from source.take(4)), "little") - 4
    source.at += 4
    width = height = 0
    has_pixels = False
    while left >= _CHUNK.size:
        kind, length = _CHUNK.unpack((yield from source.take(_CHUNK.size)))
        left -= _CHUNK.size
        if length > left:
            return Defect(message="damaged: a WebP chunk is longer than its file")
        used = 0
        if not width:
            used, edges = _HEADERS.get(kind, (0, None))
            if edges is None or length < used:
                return Defect(message="damaged: the first WebP chunk is not a header")
            width, height = edges((yield from source.take(used)))
        has_pixels |= kind in _PIXELS
        step = min(length + length % 2, left)  # some files lack the last pad byte
        source.at += step - used
        left -= step
    source.at += max(left, 0)
    yield from source.reach()
    if not has_pixels:
        return Defect(message="damaged: WebP without an image chunk")
    return sized(Format.WEBP, width, height)


def edges(kind: bytes, head: bytes) -> tuple[int, int]:
    """Read width and height from the first bytes of a WebP's first chunk.

    Both are 0 where the bytes are no such chunk's.
    """
    used, read = _HEADERS.get(kind, (0, None))
    return read(head) if read is not None and len(head) >= used else (0, 0)


def _lossy_edges(head: bytes) -> tuple[int, int]:
    if head[3:6] != b"\x9d\x01\x2a":
        return 0, 0
    width, height = struct.unpack_from("<HH", head, 6)
    return width & 0x3FFF, height & 0x3FFF  # the upper two bits are a scale


def _lossless_edges(head: bytes) -> tuple[int, int]:
    if head[0] != 0x2F:
        return 0, 0
    bits = int.from_bytes(head[1:5], "little")
    return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1


def _extended_edges(head: bytes) -> tuple[int, int]:
    width, height = head[4:7], head[7:10]
    return int.from_bytes(width, "little") + 1, int.from_bytes(height, "little") + 1


_HEADERS: Mapping[bytes, tuple[int, Callable[[bytes], tuple[int, int]]]] = {
    b"VP8 ": (10, _lossy_edges),
    b"VP8L": (5, _lossless_edges),
    b"VP8X": (10, _extended_edges),
}

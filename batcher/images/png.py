"""The chunks of a PNG, each with its CRC-32 (W3C PNG, third edition, §5)."""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING

from batcher.images.verdict import Defect, Format, sized

if TYPE_CHECKING:
    from batcher.images.source import Source, Wait
    from batcher.images.verdict import Verdict

MISSING = "no IEND chunk"
_CHUNK = struct.Struct(">I4s")
_IHDR = struct.Struct(">I4sII")


def walk(source: Source) -> Wait[Verdict]:
    """Check every chunk, so that any cut and any flipped bit is noticed."""
    source.at += 8
    length, kind, width, height = _IHDR.unpack((yield from source.take(_IHDR.size)))
    if (length, kind) != (13, b"IHDR"):
        return Defect(message="damaged: the first PNG chunk is not a header")
    length -= 8
    crc = zlib.crc32(struct.pack(">II", width, height), zlib.crc32(kind))
    has_pixels = False
    while True:
        crc = yield from source.checksum(length, crc)
        if (yield from source.take(4)) != crc.to_bytes(4, "big"):
            name = kind.decode("latin-1")
            return Defect(message=f"damaged: PNG chunk {name!r} fails its checksum")
        if kind == b"IEND":
            break
        length, kind = _CHUNK.unpack((yield from source.take(_CHUNK.size)))
        crc = zlib.crc32(kind)
        has_pixels |= kind == b"IDAT"
    if not has_pixels:
        return Defect(message="damaged: PNG without an IDAT chunk")
    return sized(Format.PNG, width, height)

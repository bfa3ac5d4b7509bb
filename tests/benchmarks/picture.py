"""Makes valid PNGs of a wanted weight: rows of noise, and black ones below."""

from __future__ import annotations

import random
import struct
import zlib

SIGNATURE = b"\x89PNG\r\n\x1a\n"
BLACK_SHRINKS = 1000
"""About how many times smaller zlib makes a run of equal bytes."""


def picture(width: int, height: int, weight: int) -> bytes:
    """Give a PNG of so many pixels that weighs about `weight` bytes."""
    row = 1 + 3 * width  # the filter's byte, then red, green and blue
    noisy = min(height, round((weight - row * height / BLACK_SHRINKS) / row))
    chance = random.Random(1)
    rows = b"".join(b"\0" + chance.randbytes(row - 1) for _ in range(noisy))
    pixels = zlib.compress(rows + bytes(row * (height - noisy)), 9)
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", pixels), (b"IEND", b""))
    return SIGNATURE + b"".join(chunk(kind, body) for kind, body in chunks)


def chunk(kind: bytes, body: bytes) -> bytes:
    """Frame one part of a PNG (W3C PNG, third edition, §5.3)."""
    checksum = zlib.crc32(body, zlib.crc32(kind))
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", checksum)

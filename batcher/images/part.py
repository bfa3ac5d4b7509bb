"""The outer parts of an image file, with their places: chunks, segments, blocks.

For what is put beside the pixels. Reads the same structure as the walkers, which judge
whether an image is whole; this one only finds, and stops at what it does not know.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import msgspec

from batcher.images.verdict import Format

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from batcher.images.splice import Stream

LARGEST_BODY = 1 << 20
"""Bytes of one part that are held to be looked at."""

SCAN = b"\xda"
"""Kind of a JPEG's last part: what comes after it is pixels."""

TRAILER = b";"
COMMENT = b"!\xfe"
APPLICATION = b"!\xff"


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """One part of an image file.

    Attributes:
        kind: A chunk's type, a segment's marker, or a block's first bytes.
        start: Place of its first byte.
        end: Place after its last byte, checksum and padding included.
        body: What it holds, cut at `LARGEST_BODY`; empty for pixels.
    """

    kind: bytes
    start: int
    end: int
    body: bytes = b""


def parts(stream: Stream, image_format: Format) -> Iterator[Part]:
    """Walk the parts of an image from its first byte on; never raises."""
    return _PARTS[image_format](stream)


def _png(stream: Stream) -> Iterator[Part]:
    """Walk the chunks (W3C PNG, third edition, §5.3)."""
    stream.skip(8)
    kind = b""
    while kind != b"IEND" and len(head := stream.take(8)) == 8:
        length, kind = struct.unpack(">I4s", head)
        held = LARGEST_BODY if kind == b"iTXt" else 0
        yield _chunk(stream, kind, min(length, held), length + 4)


def _jpeg(stream: Stream) -> Iterator[Part]:
    """Walk the segments up to the first scan (ITU-T T.81, annex B)."""
    stream.skip(2)
    while stream.take(1) == b"\xff":
        start = stream.place - 1
        while (marker := stream.take(1)) == b"\xff":
            pass  # any number of fill bytes may stand before a marker
        if marker == b"\x01" or b"\xd0" <= marker <= b"\xd8":
            continue
        if marker in (b"", b"\x00", b"\xd9"):
            break
        head = stream.take(2)
        length = max(int.from_bytes(head, "big") - 2, 0)
        body = stream.take(length)
        yield Part(kind=marker, start=start, end=stream.place, body=body)
        if marker == SCAN:
            break


def _webp(stream: Stream) -> Iterator[Part]:
    """Walk the chunks within the RIFF chunk (RFC 9649, §2.3)."""
    end = 8 + int.from_bytes(stream.take(12)[4:8], "little")
    while stream.place + 8 <= end and len(head := stream.take(8)) == 8:
        kind, length = struct.unpack("<4sI", head)
        room = min(length + length % 2, end - stream.place)
        held = _HEADS.get(kind, LARGEST_BODY)
        yield _chunk(stream, kind, min(length, held, room), room)


def _gif(stream: Stream) -> Iterator[Part]:
    """Walk the blocks (GIF89a specification, 1990)."""
    stream.skip(10)
    stream.skip(_table(stream.take(3)[:1]))
    while (kind := stream.take(1)) not in (b"", TRAILER):
        start = stream.place - 1
        if kind == b",":
            stream.skip(_table(stream.take(9)[8:]) + 1)
        elif kind == b"!":
            kind += stream.take(1)
        else:
            return
        body = bytearray()
        while size := int.from_bytes(stream.take(1), "big"):
            block = stream.take(size)
            if kind[:1] == b"!" and len(body) < LARGEST_BODY:
                body += block
        yield Part(kind=kind, start=start, end=stream.place, body=bytes(body))
    if kind:
        yield Part(kind=kind, start=stream.place - 1, end=stream.place)


def _chunk(stream: Stream, kind: bytes, held: int, room: int) -> Part:
    """Pass over what follows a chunk's head, holding the first of it."""
    start = stream.place - 8
    body = stream.take(held)
    stream.skip(room - len(body))
    return Part(kind=kind, start=start, end=stream.place, body=body)


def _table(flags: bytes) -> int:
    """Give the length of the colour table that a descriptor announces."""
    return 6 << (flags[0] & 7) if flags and flags[0] & 0x80 else 0


_HEADS = {b"VP8 ": 10, b"VP8L": 5, b"ALPH": 0, b"ANMF": 0}
"""Bytes wanted of the chunks of a WebP that hold pixels."""

_PARTS: Mapping[Format, Callable[[Stream], Iterator[Part]]] = {
    Format.PNG: _png,
    Format.JPEG: _jpeg,
    Format.WEBP: _webp,
    Format.GIF: _gif,
}

"""The segments and scans of a JPEG (ITU-T T.81, annex B)."""

from __future__ import annotations

import re
import struct
from typing import TYPE_CHECKING

from batcher.images.verdict import Defect, Format, sized

if TYPE_CHECKING:
    from batcher.images.source import Source, Wait
    from batcher.images.verdict import Verdict

MISSING = "no end-of-image marker"
_EOI = 0xD9
_SOS = 0xDA
_SOF = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # but DHT, JPG and DAC
_FRAME = struct.Struct(">BHH")
# After FF: stuffed zeros, TEM, restarts and SOI. They have no segment to pass over.
_NO_SEGMENT = frozenset({0x00, 0x01, *range(0xD0, 0xD9)})
# An FF that ends a piece is a candidate: its second half comes with the next piece.
_MARKER = re.compile(rb"\xff(?:[^\x00\x01\xd0-\xd8\xff]|\Z)")


def walk(source: Source) -> Wait[Verdict]:
    """Follow the markers, which alone tell where a scan ends."""
    source.at += 2
    width = height = 0
    has_pixels = False
    while (marker := (yield from _next_marker(source))) != _EOI:
        length = int.from_bytes((yield from source.take(2)), "big")
        used = 2
        if marker in _SOF and not width:
            _, height, width = _FRAME.unpack((yield from source.take(_FRAME.size)))
            used += _FRAME.size
        if length < used:
            return Defect(message=f"damaged: JPEG segment {marker:02x} is too short")
        # A segment is passed over whole, so a thumbnail in it cannot be mistaken.
        source.at += length - used
        has_pixels |= marker == _SOS
    if not has_pixels:
        return Defect(message="damaged: JPEG without a scan")
    return sized(Format.JPEG, width, height)


def _next_marker(source: Source) -> Wait[int]:
    """Pass over everything up to and with the next marker that has a segment."""
    while True:
        match = _MARKER.search(source.data, source.at)
        if match is None:
            source.at = max(source.at, len(source.data))
            yield
            continue
        source.at = match.start()
        del match  # it would hold the piece while this waits for the next
        byte = (yield from source.take(2))[1]
        if byte == 0xFF:
            source.at -= 1  # this may be the first half of the marker
        elif byte not in _NO_SEGMENT:
            return byte

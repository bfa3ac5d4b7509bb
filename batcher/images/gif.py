"""The blocks of a GIF (CompuServe GIF89a specification, 1990)."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from batcher.images.verdict import Defect, Format, sized

if TYPE_CHECKING:
    from batcher.images.source import Source, Wait
    from batcher.images.verdict import Verdict

MISSING = "no trailer"
_SCREEN = struct.Struct("<HHBxx")


def walk(source: Source) -> Wait[Verdict]:
    """Follow the blocks to the trailer."""
    source.at += 6
    width, height, flags = _SCREEN.unpack((yield from source.take(_SCREEN.size)))
    source.at += _color_table(flags)
    has_pixels = False
    while (kind := (yield from source.take(1))) != b";":
        if kind == b",":
            descriptor = yield from source.take(9)
            source.at += _color_table(descriptor[8])
            has_pixels = True
        elif kind != b"!":
            return Defect(message=f"damaged: no GIF block begins with {kind.hex()}")
        source.at += 1  # an image's code size, an extension's label
        yield from _sub_blocks(source)
    if not has_pixels:
        return Defect(message="damaged: GIF without a frame")
    return sized(Format.GIF, width, height)


def _sub_blocks(source: Source) -> Wait[None]:
    """Pass over a chain of sub-blocks and its terminator."""
    while size := (yield from source.take(1))[0]:
        source.at += size


def _color_table(flags: int) -> int:
    """Give the length in bytes of the colour table that a descriptor announces."""
    return 6 << (flags & 7) if flags & 0x80 else 0

"""Paints flat shapes in spans, row by row, and encodes them as PNG or GIF.

A row is a list of spans (start, stop, colour), back to front, so the cost follows
the edges of the shapes and not the pixels. Knows nothing of what is drawn.
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from typing import TypeAlias

Colour: TypeAlias = bytes
"""Three bytes: red, green, blue."""

Paint: TypeAlias = Callable[[int], Colour]
"""Gives the colour of a row."""

Point: TypeAlias = tuple[float, float]
"""Two lengths in pixels, across and down from the left and top edges."""

Span: TypeAlias = tuple[int, int, Colour]
"""A piece of a row: its first column, the one after its last, its colour."""

SOFT = ((0.4, 0.45), (-0.1, 1.0))
"""How an edge is smoothed: pixels beyond it, and the share of the shape's colour."""

GIF_PALETTE = bytes(
    part * 255 // 4 for i in range(125) for part in (i // 25, i // 5 % 5, i % 5)
) + bytes(9)
"""A cube of five steps for each of red, green and blue, filled up to 128 colours."""

GIF_RUN = 120
"""Pixels between two clear codes: fewer than fill the table up to 256 entries."""


class Canvas:
    """A picture in the making; later shapes cover earlier ones.

    Attributes:
        width: Pixels.
        height: Pixels.
        background: What soft edges of discs are mixed with.
    """

    def __init__(self, width: int, height: int, background: Paint) -> None:
        self.width = width
        self.height = height
        self.background = background
        self.rows: list[list[Span]] = [
            [(0, width, background(y))] for y in range(height)
        ]

    def inside(self, top: float, bottom: float) -> range:
        """Give the canvas's rows between two heights."""
        return range(max(0, round(top)), min(self.height, round(bottom)))

    def span(self, y: int, start: float, stop: float, colour: Colour) -> None:
        """Paint a piece of row `y`; what lies outside its ends is left out."""
        left = int(start + 0.5) if start > 0 else 0
        right = int(stop + 0.5) if stop < self.width else self.width
        if left < right:
            self.rows[y].append((left, right, colour))

    def box(self, corner: Point, size: Point, paint: Paint) -> None:
        """Paint an upright rectangle; `corner` is its left and top."""
        left, top = corner
        for y in self.inside(top, top + size[1]):
            self.span(y, left, left + size[0], paint(y))

    def spire(self, tip: Point, size: Point, paint: Paint) -> None:
        """Paint an upright triangle below its `tip`."""
        (x, top), (width, height) = tip, size
        for y in self.inside(top, top + height):
            half = width / 2 * (y + 0.5 - top) / height
            self.span(y, x - half, x + half, paint(y))

    def ellipse(self, centre: Point, radii: Point, paint: Paint) -> None:
        """Paint an upright ellipse with a hard edge."""
        (x, y), (across, up) = centre, radii
        for row in self.inside(y - up, y + up):
            half = across * reach((row + 0.5 - y) / up)
            self.span(row, x - half, x + half, paint(row))

    def disc(self, centre: Point, radius: float, paint: Paint) -> None:
        """Paint a circle with a soft edge."""
        for beyond, share in SOFT:
            radii = (radius + beyond, radius + beyond)
            self.ellipse(centre, radii, blend(self.background, paint, share))

    def ground(self, tops: Sequence[float], paint: Paint, behind: Paint) -> None:
        """Paint everything below a line, with a soft edge.

        Args:
            tops: The line's height in pixels from the top, for each column.
            paint: What is below the line.
            behind: What the line is mostly seen against.
        """
        for beyond, share in SOFT:
            edge = [int(top - beyond + 0.5) for top in tops]
            if min(edge) < 0 or max(edge) > self.height:
                edge = [min(self.height, max(0, top)) for top in edge]
            self.below(edge, blend(behind, paint, share))
        for y in range(max(edge), self.height):
            self.rows[y] = [(0, self.width, paint(y))]

    def below(self, tops: Sequence[int], paint: Paint) -> None:
        """Paint what is below a line in the rows that the line passes."""
        first, last = min(tops), max(tops)
        turns: list[list[int]] = [[] for _ in range(first, last)]
        previous = last
        for x, top in enumerate(tops):
            if top != previous:
                upper, lower = (top, previous) if top < previous else (previous, top)
                for marks in turns[upper - first : lower - first]:
                    marks.append(x)
                previous = top
        for y, marks in enumerate(turns, first):
            marks.append(self.width)
            colour = paint(y)
            self.rows[y] += [
                (start, stop, colour)
                for start, stop in zip(marks[::2], marks[1::2], strict=False)
            ]

    def png(self) -> bytes:
        """Encode as PNG, 8 bits each of red, green and blue (RFC 2083)."""
        head = struct.pack(">IIBBBBB", self.width, self.height, 8, 2, 0, 0, 0)
        raw = b"".join(b"\0" + pixels(spans, depth=3) for spans in self.rows)
        return b"\x89PNG\r\n\x1a\n" + b"".join(
            chunk(kind, content)
            for kind, content in (
                (b"IHDR", head),
                (b"IDAT", zlib.compress(raw, 1)),
                (b"IEND", b""),
            )
        )

    def gif(self) -> bytes:
        """Encode as GIF89a of 128 colours, not compressed.

        A clear code before the table of strings outgrows eight bits keeps every code
        one byte wide, so a pixel is a byte (GIF89a specification, appendix F).
        """
        flat = b"".join(
            pixels([(start, stop, gif_ink(ink)) for start, stop, ink in spans], depth=1)
            for spans in self.rows
        )
        codes = b"".join(b"\x80" + part for part in pieces(flat, GIF_RUN)) + b"\x81"
        size = struct.pack("<HH", self.width, self.height)
        return b"".join(
            (
                b"GIF89a" + size + b"\xf6\0\0" + GIF_PALETTE,
                b",\0\0\0\0" + size + b"\0\7",
                *(bytes((len(part),)) + part for part in pieces(codes, 255)),
                b"\0;",
            )
        )


def pixels(spans: Iterable[Span], *, depth: int) -> bytearray:
    """Write a row out, each colour in `depth` bytes."""
    row = bytearray()
    for start, stop, colour in spans:
        row[start * depth : stop * depth] = colour * (stop - start)
    return row


@lru_cache(maxsize=8192)
def mix(one: Colour, other: Colour, share: float) -> Colour:
    """Blend two colours; `share` is the second's, 0 to 1."""
    return bytes(round(a + (b - a) * share) for a, b in zip(one, other, strict=True))


def blend(one: Paint, other: Paint, share: float) -> Paint:
    """Blend two paints; `share` is the second's, 0 to 1."""
    return other if share >= 1 else lambda y: mix(one(y), other(y), share)


def reach(height: float) -> float:
    """Give half the width of the unit circle at a height."""
    return math.sqrt(max(0.0, 1 - height * height))


def gif_ink(colour: Colour) -> bytes:
    """Give the palette's nearest entry."""
    red, green, blue = ((part + 32) // 64 for part in colour)
    return bytes((red * 25 + green * 5 + blue,))


def pieces(content: bytes, size: int) -> Iterator[bytes]:
    """Cut into pieces of at most `size` bytes."""
    return (content[at : at + size] for at in range(0, len(content), size))


def chunk(kind: bytes, content: bytes) -> bytes:
    """Frame one part of a PNG file: length, name, content, checksum."""
    checksum = zlib.crc32(content, zlib.crc32(kind))
    return (
        struct.pack(">I", len(content)) + kind + content + checksum.to_bytes(4, "big")
    )

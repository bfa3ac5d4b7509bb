"""What every scene shares: the canvas, the colours, the dice, and a few motifs.

Lengths are shares of the picture unless a docstring says pixels, so a scene looks
alike at every size.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING

from batcher.sandbox.canvas import Canvas, Colour, Paint, Point, blend, mix

if TYPE_CHECKING:
    from random import Random

STEPS = 64
"""Colours in a gradient: more are hardly seen."""

SCHEMES = tuple(
    tuple(bytes.fromhex(word) for word in line.split())
    for line in (
        "1d2b53 f49d6e ffe3a3 8d5a7b 1a1330",
        "0f4c75 bbe1fa fff6d5 5e93b8 0b2138",
        "3c1642 f06543 ffd23f a23b57 1c0a24",
        "7cc0d8 fdf1d8 ffffff 7fb09a 1d4a45",
        "2d3047 e8a87c fff1cf 7a6a88 171827",
        "10002b c77dff ffd6ff 7b2cbf 12002e",
        "ffb4a2 fff1e6 ff5d5d c98a9b 3d2645",
        "001d3d 3a86c8 e0fbfc 1f5f8b 000a1f",
        "e9c46a fdf0d5 e76f51 c98d58 264653",
        "14342b 9ccfa0 f6ffd9 4f8a6d 0a1f19",
        "5b2333 f7b267 fff3b0 b5595b 2a0f1c",
        "4a4e69 f2e9e4 ffd7ba 9a8c98 22223b",
    )
)
"""Five colours each: zenith, horizon, light, far land, near land."""


class Studio:
    """A canvas with the colours and the dice of one picture.

    Args:
        theme: Decides the colours.
        dice: Decides the composition.
        width: Pixels.
        height: Pixels.
    """

    def __init__(self, theme: Random, dice: Random, *, width: int, height: int) -> None:
        self.dice = dice
        tint, amount = theme.choice(SCHEMES)[3], theme.uniform(0, 0.25)
        self.zenith, self.horizon, self.light, self.far, self.near = (
            mix(colour, tint, amount) for colour in theme.choice(SCHEMES)
        )
        self.width, self.height, self.unit = width, height, min(width, height)
        self.sky = self.ramp(self.zenith, self.horizon, stop=0.75)
        self.canvas = Canvas(width, height, self.sky)

    def ramp(
        self, top: Colour, bottom: Colour, *, start: float = 0, stop: float = 1
    ) -> Paint:
        """Run from one colour to another between two heights."""
        first, length = start * self.height, (stop - start) * self.height
        turns = [round(first + length * step / STEPS) for step in range(1, STEPS + 1)]
        edges = [0, *(min(self.height, max(0, turn)) for turn in turns), self.height]
        rows: list[Colour] = []
        for step, (upper, lower) in enumerate(pairwise(edges)):
            rows += [mix(top, bottom, step / STEPS)] * (lower - upper)
        return rows.__getitem__

    def depth(self, share: float) -> Colour:
        """Give the land's colour: 0 far away, 1 at one's feet."""
        return mix(self.far, self.near, share)

    def at(self, x: float, y: float) -> Point:
        """Turn shares into pixels."""
        return x * self.width, y * self.height

    def waves(self, level: float, swell: float, count: float) -> list[float]:
        """Give a smooth line, in pixels from the top for each column.

        Args:
            level: Where the line lies on average.
            swell: How far it goes up and down.
            count: Waves from edge to edge of a square picture.
        """
        sines = [
            (swell * part, math.tau * count * often, self.dice.uniform(0, math.tau))
            for part, often in (
                (0.62, self.dice.uniform(0.8, 1.2)),
                (0.28, self.dice.uniform(2.0, 2.8)),
                (0.10, self.dice.uniform(4.5, 6.5)),
            )
        ]
        across = self.width / self.unit / 256
        return self.stretch(
            [
                level + sum(up * math.sin(f * x * across + p) for up, f, p in sines)
                for x in range(257)
            ]
        )

    def peaks(self, level: float, swell: float) -> list[float]:
        """Give a jagged line by midpoint displacement, in pixels for each column."""
        line = [level + self.dice.uniform(-swell, swell) for _ in range(3)]
        for _ in range(7):
            swell *= 0.52
            ridge = line[:1]
            for left, right in pairwise(line):
                bump = self.dice.uniform(-swell, swell)
                ridge += [(left + right) / 2 + bump, right]
            line = ridge
        return self.stretch(line)

    def stretch(self, line: list[float]) -> list[float]:
        """Turn evenly spaced heights into one height in pixels for each column."""
        pixels = [height * self.height for height in line]
        length = math.ceil(self.width / (len(line) - 1))
        shares = [step / length for step in range(length)]
        columns = [
            low + (high - low) * share
            for low, high in pairwise(pixels)
            for share in shares
        ]
        return columns[: self.width]

    def sun(self, x: float, y: float, radius: float) -> None:
        """Paint a light with its glow; `radius` is a share of the shorter edge."""
        centre, size = self.at(x, y), radius * self.unit
        for ring in range(6, 0, -1):
            halo = blend(self.sky, flat(self.light), 0.03 + 0.24 / ring)
            glow = size * (1 + 0.08 * ring * ring)
            self.canvas.ellipse(centre, (glow, glow), halo)
        warm = mix(self.light, self.horizon, 0.3)
        face = self.ramp(self.light, warm, start=y - radius, stop=y + radius)
        self.canvas.disc(centre, size, face)

    def stars(self, count: int, lowest: float) -> None:
        """Sprinkle points of light above a height."""
        for _ in range(count):
            x, y = self.dice.random(), self.dice.random() ** 1.4 * lowest
            size = max(0.8, self.unit * self.dice.choice((0.001, 0.0015, 0.0028)))
            paint = blend(self.sky, flat(self.light), self.dice.choice((0.4, 0.7, 1)))
            self.canvas.ellipse(self.at(x, y), (size, size), paint)


def flat(colour: Colour) -> Paint:
    """Use one colour for every row."""
    return lambda _: colour

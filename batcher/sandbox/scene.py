"""The scenes: what can stand on the sandbox's pictures. Each fills one studio."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from batcher.sandbox.canvas import Colour, Paint, Point, blend, mix, reach
from batcher.sandbox.studio import Studio, flat

Scene: TypeAlias = Callable[[Studio], None]


def mountains(studio: Studio) -> None:
    """Paint ranges behind one another in the mist, a low sun, firs in front."""
    dice = studio.dice
    place = dice.uniform(0.2, 0.8), dice.uniform(0.2, 0.4)
    studio.sun(*place, dice.uniform(0.05, 0.1))
    behind = studio.sky
    for layer in range(4):
        near, level = layer / 3, 0.46 + 0.13 * layer
        crest = mix(studio.horizon, studio.depth(near), 0.35 + 0.65 * near)
        mist = mix(crest, studio.horizon, 0.55 - 0.4 * near)
        paint = studio.ramp(crest, mist, start=level - 0.12, stop=level + 0.24)
        line = studio.peaks(level, 0.13 - 0.02 * layer)
        studio.canvas.ground(line, paint, behind)
        behind = paint
    wood(studio, flat(studio.near))


def wood(studio: Studio, paint: Paint) -> None:
    """Paint firs along a line, and the ground below it."""
    dice, line = studio.dice, studio.waves(0.93, 0.03, 1.3)
    for _ in range(30 * studio.width // studio.unit):
        x = dice.randrange(studio.width)
        tall = studio.unit * dice.uniform(0.05, 0.16)
        for part in (0.0, 0.22, 0.45):
            tip = x, line[x] - tall * (1 - part)
            size = tall * (0.2 + 0.32 * part), tall * (0.5 + 0.3 * part)
            studio.canvas.spire(tip, size, paint)
    studio.canvas.ground(line, paint, paint)


def sea(studio: Studio) -> None:
    """Paint a light over the water, its path on the waves, islands, a sail."""
    dice, canvas = studio.dice, studio.canvas
    shore, x = dice.uniform(0.5, 0.64), dice.uniform(0.25, 0.75)
    radius = dice.uniform(0.07, 0.13)
    studio.sun(x, shore - dice.uniform(0.1, 0.26), radius)
    island = studio.waves(shore + 0.015, 0.05, dice.uniform(0.5, 0.9))
    canvas.ground(island, flat(mix(studio.far, studio.horizon, 0.3)), studio.sky)
    shallow = mix(studio.horizon, studio.far, 0.55)
    water = studio.ramp(shallow, studio.near, start=shore, stop=1.05)
    canvas.box(studio.at(0, shore), studio.at(1, 1 - shore), water)
    glitter(studio, x, shore, radius)
    sail(studio, dice.uniform(0.12, 0.88), shore + dice.uniform(0.04, 0.14))


def glitter(studio: Studio, x: float, shore: float, radius: float) -> None:
    """Paint the light's path on the water: strokes that grow towards the viewer."""
    dice = studio.dice
    for stroke in range(70):
        near = (stroke / 70) ** 1.3
        spread = radius * studio.unit * (0.5 + 1.6 * near)
        middle, y = studio.at(x, shore + (1 - shore) * near + 0.004)
        thick = max(1.0, studio.unit * (0.0012 + 0.004 * near))
        shine = mix(studio.light, studio.horizon, dice.uniform(0, 0.6))
        centre = middle + dice.gauss(0, spread * 0.35), y
        size = spread * dice.uniform(0.25, 0.9), thick
        studio.canvas.ellipse(centre, size, flat(shine))


def sail(studio: Studio, x: float, y: float) -> None:
    """Paint a small boat that floats at a place."""
    canvas, (left, water) = studio.canvas, studio.at(x, y)
    size = studio.unit * studio.dice.uniform(0.07, 0.12)
    cloth, hull = flat(mix(studio.light, studio.far, 0.1)), flat(studio.near)
    top = water - size
    canvas.spire((left, top), (size * 0.62, size * 0.86), cloth)
    canvas.box((left - size * 0.02, top), (size * 0.04, size), hull)
    canvas.box(
        (left - size * 0.42, water - size * 0.1), (size * 0.84, size * 0.1), hull
    )


def city(studio: Studio) -> None:
    """Paint blocks against the evening, the nearest with lit windows."""
    dice = studio.dice
    studio.stars(50, 0.5)
    place = dice.uniform(0.15, 0.85), dice.uniform(0.14, 0.34)
    studio.sun(*place, dice.uniform(0.05, 0.09))
    for layer in range(3):
        near = layer / 2
        roof = mix(studio.horizon, studio.depth(near), 0.45 + 0.55 * near)
        street = mix(roof, studio.horizon, 0.25 - 0.2 * near)
        blocks(studio, studio.ramp(roof, street, start=0.4), near)


def blocks(studio: Studio, paint: Paint, near: float) -> None:
    """Paint one row of blocks, from edge to edge."""
    dice, canvas = studio.dice, studio.canvas
    left = -0.05 * studio.unit
    while left < studio.width:
        width = studio.unit * dice.uniform(0.06, 0.1 + 0.06 * near)
        top = studio.height * (dice.triangular(0.34, 0.72) + 0.2 * near)
        canvas.box((left, top), (width, studio.height - top), paint)
        roof = dice.random()
        if roof < 0.25:
            canvas.spire((left + width / 2, top - width), (width, width), paint)
        elif roof < 0.5:
            mast = left + width * 0.47, top - width
            canvas.box(mast, (max(1.0, width * 0.06), width), paint)
        if near == 1:
            windows(studio, (left, top), width)
        left += width * dice.uniform(1, 1.15)


def windows(studio: Studio, corner: Point, width: float) -> None:
    """Light some of the windows of a block."""
    dice, pitch = studio.dice, studio.unit * 0.024
    paints = flat(studio.light), flat(mix(studio.light, studio.near, 0.6))
    columns = max(1, int(width / pitch) - 1)
    left = corner[0] + (width - (columns - 0.5) * pitch) / 2
    for row in range(1, int((studio.height - corner[1]) / pitch / 1.35)):
        for column in range(columns):
            if dice.random() < 0.4:
                place = left + column * pitch, corner[1] + row * pitch * 1.35
                size = pitch * 0.5, pitch * 0.62
                studio.canvas.box(place, size, dice.choice(paints))


def dunes(studio: Studio) -> None:
    """Paint a large sun over waves of sand, and a flight of birds."""
    dice = studio.dice
    x, y = dice.uniform(0.25, 0.75), dice.uniform(0.3, 0.45)
    studio.sun(x, y, dice.uniform(0.14, 0.22))
    behind = studio.sky
    for layer in range(5):
        near, level = layer / 4, 0.56 + 0.1 * layer
        crest = mix(studio.light, studio.depth(near), 0.35 + 0.45 * near)
        foot = mix(studio.far, studio.depth(near), 0.2 + 0.8 * near)
        paint = studio.ramp(crest, foot, start=level - 0.06, stop=level + 0.16)
        line = studio.waves(level, 0.03 + 0.02 * layer, 0.9 - 0.1 * layer)
        studio.canvas.ground(line, paint, behind)
        behind = paint
    for _ in range(dice.randint(5, 11)):
        bird(studio, x + dice.gauss(0, 0.12), y + dice.gauss(-0.02, 0.06))


def bird(studio: Studio, x: float, y: float) -> None:
    """Paint a pair of wings."""
    (middle, top), paint = studio.at(x, y), flat(studio.near)
    wing = studio.unit * studio.dice.uniform(0.012, 0.024)
    steps = max(2, round(wing))
    for step in range(-steps, steps + 1):
        share = abs(step) / steps
        rise = wing * (0.5 * share - 0.9 * share * share)
        size = 1.5, max(1.0, wing * 0.13 * (1.3 - share))
        studio.canvas.box((middle + wing * step / steps, top - rise), size, paint)


def planets(studio: Studio) -> None:
    """Paint a banded planet with its rings, and moons, among the stars."""
    dice, canvas = studio.dice, studio.canvas
    night = mix(studio.near, studio.zenith, 0.35)
    studio.sky = canvas.background = studio.ramp(mix(night, bytes(3), 0.5), night)
    canvas.box((0, 0), studio.at(1, 1), studio.sky)
    studio.stars(200, 1)
    centre = studio.at(dice.uniform(0.35, 0.65), dice.uniform(0.4, 0.6))
    radius, tilt = studio.unit * dice.uniform(0.2, 0.28), dice.uniform(0.12, 0.24)
    colours = [mix(studio.horizon, studio.far, dice.random()) for _ in range(9)]
    rings(studio, centre, (radius, tilt), front=False)
    canvas.disc(centre, radius * 1.05, blend(studio.sky, flat(studio.horizon), 0.22))
    canvas.disc(centre, radius, bands(colours, centre[1] - radius, radius * 2))
    rings(studio, centre, (radius, tilt), front=True)
    for _ in range(dice.randint(1, 3)):
        x, y = dice.random(), dice.random()
        face = studio.ramp(studio.light, studio.far, start=y - 0.03, stop=y + 0.05)
        canvas.disc(studio.at(x, y), studio.unit * dice.uniform(0.015, 0.05), face)


def bands(colours: list[Colour], top: float, height: float) -> Paint:
    """Give stripes of equal height, beginning at `top`."""
    last, scale = len(colours) - 1, len(colours) / height
    return lambda y: colours[min(last, max(0, int((y - top) * scale)))]


def rings(studio: Studio, centre: Point, shape: Point, *, front: bool) -> None:
    """Paint the rings of a planet, or only their half in front of it.

    Args:
        studio: Where.
        centre: The planet's, in pixels.
        shape: The planet's radius, and how far we look at its rings from above.
        front: Leave out the upper half, which the planet covers.
    """
    (x, y), (radius, tilt) = centre, shape
    dust = mix(studio.light, studio.far, 0.4)
    for hoop in range(6):
        outer = radius * (1.3 + 0.13 * hoop)
        inner = outer - radius * 0.1
        colour = mix(dust, studio.near, 0.2 * (hoop % 3))
        top = y if front else y - outer * tilt
        for row in studio.canvas.inside(top, y + outer * tilt):
            height = (row + 0.5 - y) / tilt
            wide, hole = outer * reach(height / outer), inner * reach(height / inner)
            studio.canvas.span(row, x - wide, x - hole, colour)
            studio.canvas.span(row, x + hole, x + wide, colour)


def quilt(studio: Studio) -> None:
    """Paint a patchwork of arches, discs, triangles and stripes."""
    dice = studio.dice
    colours = studio.zenith, studio.horizon, studio.light, studio.far, studio.near
    columns = max(1, round(dice.choice((4, 5, 6, 7)) * studio.width / studio.unit))
    side = studio.width / columns
    for row in range(int(studio.height / side) + 1):
        for column in range(columns):
            paper, figure, dot = (flat(one) for one in dice.sample(colours, 3))
            corner = column * side, row * side
            studio.canvas.box(corner, (side, side), paper)
            dice.choice(PATCHES)(studio, corner, side, (figure, dot))


def eye(
    studio: Studio, corner: Point, side: float, paints: tuple[Paint, Paint]
) -> None:
    """Paint a disc within a disc."""
    centre = corner[0] + side / 2, corner[1] + side / 2
    for paint, share in zip(paints, (0.42, 0.2), strict=True):
        studio.canvas.ellipse(centre, (side * share, side * share), paint)


def tents(
    studio: Studio, corner: Point, side: float, paints: tuple[Paint, Paint]
) -> None:
    """Paint two triangles, one above the other."""
    left, top = corner
    for paint, share in zip(paints, (0.0, 0.5), strict=True):
        tip = left + side / 2, top + side * share
        studio.canvas.spire(tip, (side, side / 2), paint)


def stripes(
    studio: Studio, corner: Point, side: float, paints: tuple[Paint, Paint]
) -> None:
    """Paint three bars."""
    for bar in range(3):
        place = corner[0], corner[1] + side * (bar / 3 + 1 / 12)
        studio.canvas.box(place, (side, side / 6), paints[0])


def arch(
    studio: Studio, corner: Point, side: float, paints: tuple[Paint, Paint]
) -> None:
    """Paint two quarters of a circle about one of the square's corners."""
    left, top = corner
    is_left, is_top = studio.dice.random() < 0.5, studio.dice.random() < 0.5
    for paint, radius in zip(paints, (side, side / 2), strict=True):
        first = top if is_top else top + side - radius
        for row in studio.canvas.inside(first, first + radius):
            height = (row + 0.5 - top) if is_top else (top + side - row - 0.5)
            wide = radius * reach(height / radius)
            start = left if is_left else left + side - wide
            studio.canvas.span(row, start, start + wide, paint(row))


PATCHES = (eye, tents, stripes, arch)

SCENES: tuple[Scene, ...] = (mountains, sea, city, dunes, planets, quilt)

"""Draws the picture of a prompt: the same order gives the same bytes.

The prompt decides the scene and its colours, the sample the composition, so that
samples of one prompt are siblings. Knows no HTTP.
"""

from __future__ import annotations

from hashlib import blake2b
from random import Random
from typing import TYPE_CHECKING

import msgspec

from batcher.sandbox.scene import SCENES
from batcher.sandbox.studio import Studio

if TYPE_CHECKING:
    from batcher.sandbox.canvas import Canvas


class Picture(msgspec.Struct, frozen=True, kw_only=True):
    """All that is needed to draw a picture, now or again.

    Attributes:
        theme: 8 bytes that decide the scene and its colours.
        variant: 8 bytes that decide the composition.
        width: Pixels.
        height: Pixels.
    """

    theme: bytes
    variant: bytes
    width: int
    height: int


def theme_of(prompt: str) -> bytes:
    """Reduce a prompt to what decides its pictures' scene and colours."""
    return blake2b(prompt.encode(), digest_size=8).digest()


def picture(prompt: str, sample: str, *, width: int, height: int) -> Picture:
    """Describe the picture of one sample of a prompt."""
    theme = theme_of(prompt)
    variant = blake2b(sample.encode(), key=theme, digest_size=8).digest()
    return Picture(theme=theme, variant=variant, width=width, height=height)


def draw(order: Picture) -> Canvas:
    """Paint a picture; `png` or `gif` of the canvas gives the file."""
    theme = Random(order.theme)  # noqa: S311 - it paints, it guards nothing
    dice = Random(order.variant)  # noqa: S311 - as above
    scene = theme.choice(SCENES)
    studio = Studio(theme, dice, width=order.width, height=order.height)
    scene(studio)
    return studio.canvas

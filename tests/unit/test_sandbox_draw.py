from __future__ import annotations

import io
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from batcher.sandbox.draw import draw, picture
from batcher.sandbox.scene import SCENES, Scene
from batcher.sandbox.studio import Studio

SIZES = st.integers(min_value=1, max_value=90)


def decoded(content: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(content))
    image.load()
    return image


@given(prompt=st.text(max_size=20), width=SIZES, height=SIZES)
@settings(max_examples=60, deadline=None)
def test_a_picture_has_exactly_the_size_that_was_asked(
    prompt: str, width: int, height: int
) -> None:
    canvas = draw(picture(prompt, "0", width=width, height=height))
    png, gif = decoded(canvas.png()), decoded(canvas.gif())
    assert (png.format, png.mode, png.size) == ("PNG", "RGB", (width, height))
    assert (gif.format, gif.size) == ("GIF", (width, height))


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.__name__)
@pytest.mark.parametrize("size", [(320, 180), (64, 256)], ids=["wide", "tall"])
def test_every_scene_can_be_painted_in_many_variants(
    scene: Scene, size: tuple[int, int]
) -> None:
    width, height = size
    files = set()
    for variant in range(6):
        studio = Studio(Random(variant), Random(variant), width=width, height=height)
        scene(studio)
        png = studio.canvas.png()
        assert decoded(png).size == size
        files.add(png)
    assert len(files) == 6


def test_the_same_order_gives_the_same_bytes() -> None:
    once, again = (picture("a fox", "3", width=64, height=48) for _ in range(2))
    assert draw(once).png() == draw(again).png()


def test_samples_and_prompts_look_different() -> None:
    orders = [("a fox", "0"), ("a fox", "1"), ("a heron", "0")]
    pngs = {draw(picture(*order, width=64, height=64)).png() for order in orders}
    assert len(pngs) == 3


def test_a_gif_shows_the_same_picture_in_fewer_colours() -> None:
    canvas = draw(picture("a heron", "0", width=120, height=90))
    png, gif = decoded(canvas.png()), decoded(canvas.gif()).convert("RGB")
    for x in range(0, 120, 7):
        for y in range(0, 90, 7):
            fine, coarse = png.getpixel((x, y)), gif.getpixel((x, y))
            assert isinstance(fine, tuple)
            assert isinstance(coarse, tuple)
            assert max(abs(a - b) for a, b in zip(fine, coarse, strict=True)) <= 34

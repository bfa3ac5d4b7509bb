from __future__ import annotations

import os
from pathlib import Path

import msgspec
import pytest
from PIL import Image as Pillow

from batcher.reports.thumbnail import EDGE, Thumbnailer
from tests.unit.reports.ledger import draw


def make(folder: Path, path: str, size: tuple[int, int]) -> str | None:
    thumbs = Thumbnailer(folder / "report", Pillow)
    return thumbs.thumbnail(draw(folder, path, size), folder / path)


@pytest.mark.parametrize("size", [(1024, 512), (300, 900)], ids=str)
def test_a_thumbnail_keeps_the_shape_within_its_edge(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    name = make(tmp_path, "a.png", size)
    assert name is not None
    with Pillow.open(tmp_path / "report" / name) as small:
        assert max(small.size) == EDGE
        assert small.width * size[1] == pytest.approx(small.height * size[0], rel=0.01)


def test_an_image_that_is_small_needs_none(tmp_path: Path) -> None:
    assert make(tmp_path, "a.png", (EDGE, 100)) is None


def test_a_thumbnail_is_made_once(tmp_path: Path) -> None:
    image = draw(tmp_path, "a.png")
    thumbs = Thumbnailer(tmp_path / "report", Pillow)
    names = {thumbs.thumbnail(image, tmp_path / "a.png") for _ in range(3)}
    assert len(names) == 1
    assert thumbs.made == 1


def test_an_image_that_is_newer_is_drawn_again(tmp_path: Path) -> None:
    image = draw(tmp_path, "a.png")
    thumbs = Thumbnailer(tmp_path / "report", Pillow)
    name = thumbs.thumbnail(image, tmp_path / "a.png")
    assert name is not None
    os.utime(tmp_path / "report" / name, (1, 1))
    thumbs.thumbnail(image, tmp_path / "a.png")
    assert thumbs.made == 2


@pytest.mark.parametrize("mode", ["P", "L", "LA", "I;16", "CMYK", "RGBA"])
def test_every_mode_of_colour_gets_a_thumbnail(tmp_path: Path, mode: str) -> None:
    image = draw(tmp_path, "a.png")
    suffix = "jpg" if mode == "CMYK" else "png"
    Pillow.new(mode, (640, 480)).save(tmp_path / f"b.{suffix}")
    thumbs = Thumbnailer(tmp_path / "report", Pillow)
    assert thumbs.thumbnail(image, tmp_path / f"b.{suffix}")


def test_a_spoilt_image_costs_its_thumbnail_alone(tmp_path: Path) -> None:
    image = draw(tmp_path, "a.png")
    whole = (tmp_path / "a.png").read_bytes()
    thumbs = Thumbnailer(tmp_path / "report", Pillow)
    for spoilt in (b"<html>", whole[:60], whole[:40] + b"\0" * 99, b""):
        (tmp_path / "a.png").write_bytes(spoilt)
        assert thumbs.thumbnail(image, tmp_path / "a.png") is None
    assert not [p for p in (tmp_path / "report").rglob("*") if p.is_file()]


def test_a_hash_that_is_none_names_no_file(tmp_path: Path) -> None:
    image = msgspec.structs.replace(draw(tmp_path, "a.png"), sha256="../../x")
    thumbs = Thumbnailer(tmp_path / "report", Pillow)
    assert thumbs.thumbnail(image, tmp_path / "a.png") is None


def test_without_pillow_there_are_no_thumbnails(tmp_path: Path) -> None:
    image = draw(tmp_path, "a.png")
    thumbs = Thumbnailer(tmp_path / "report", None)
    assert thumbs.thumbnail(image, tmp_path / "a.png") is None
    assert not thumbs.is_able

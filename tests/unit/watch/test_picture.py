from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from batcher.models import Image
from batcher.watch.picture import Wall
from tests.unit.reports.ledger import draw


@pytest.fixture
def image(tmp_path: Path) -> Image:
    return draw(tmp_path / "run", "Tokyo/at dawn #%.png")


@pytest.mark.parametrize(
    "path",
    [
        "../secret.png",
        "Tokyo/../../secret.png",
        "/etc/hostname",
        "way/secret.png",
        "alias.png",
        "gone.png",
        "Tokyo",
        "x" * 999,
        "nul\0.png",
    ],
)
def test_only_what_lies_in_the_run_directory_is_shown(
    tmp_path: Path, image: Image, path: str
) -> None:
    secret = tmp_path / "secret.png"
    secret.write_bytes(b"secret")
    (tmp_path / "run" / "way").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "run" / "alias.png").symlink_to(secret)
    wall = Wall(tmp_path / "run")
    elsewhere = replace(image, path=path)
    assert wall.find(elsewhere) is None
    assert wall.thumbnail(elsewhere) is None


@pytest.mark.parametrize("path", ["../secret.png", "gone.png", "nul\0.png"])
def test_what_is_not_there_has_no_link(tmp_path: Path, image: Image, path: str) -> None:
    (tmp_path / "secret.png").touch()
    assert Wall(tmp_path / "run").hang("a", 0, replace(image, path=path)).src is None


def test_a_link_names_no_path(tmp_path: Path, image: Image) -> None:
    picture = Wall(tmp_path / "run").hang("a", 2, image)
    assert picture.src == f"image/a/2?{image.sha256[:8]}"
    assert picture.thumb == f"thumb/a/2?{image.sha256[:8]}"


def test_a_small_image_is_its_own_thumbnail(tmp_path: Path) -> None:
    small = draw(tmp_path, "small.png", (64, 64))
    assert Wall(tmp_path).hang("a", 0, small).thumb is None


def test_a_thumbnail_is_made_once_and_where_a_report_finds_it(
    tmp_path: Path, image: Image
) -> None:
    path = Wall(tmp_path / "run").thumbnail(image)
    assert path is not None
    assert path.is_relative_to(tmp_path / "run" / "report" / "thumbs")
    made = path.stat().st_mtime_ns
    assert Wall(tmp_path / "run").thumbnail(image) == path
    assert path.stat().st_mtime_ns == made

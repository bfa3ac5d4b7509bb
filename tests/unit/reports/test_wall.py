from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from PIL import Image as Pillow

from batcher.layout import Inventory
from batcher.reports import write_report
from batcher.reports.thumbnail import Thumbnailer
from batcher.reports.wall import CopiedWall
from tests.unit.far import FarDirectory
from tests.unit.reports.ledger import draw, kept, run_line, write_ledger


def wall_of(
    far: FarDirectory, out: Path, *, is_thumbs_only: bool = False
) -> CopiedWall:
    thumbs = Thumbnailer(out, Pillow)
    return CopiedWall(Inventory(far), out, thumbs, is_thumbs_only=is_thumbs_only)


@pytest.mark.parametrize("path", ["../a.png", "/a.png", "nothing.png"])
def test_what_is_not_there_is_not_copied(tmp_path: Path, path: str) -> None:
    image = msgspec.structs.replace(draw(tmp_path / "run", "a.png"), path=path)
    far = FarDirectory(tmp_path / "run")
    picture = wall_of(far, tmp_path / "out").picture(image)
    assert (picture.src, picture.thumb) == (None, None)
    assert far.asked["open"] == 0


def test_an_image_that_goes_meanwhile_is_not_linked(tmp_path: Path) -> None:
    image = draw(tmp_path / "run", "a.png")
    wall = wall_of(FarDirectory(tmp_path / "run"), tmp_path / "out")
    (tmp_path / "run" / "a.png").unlink()
    assert wall.picture(image).src is None


def test_a_small_image_is_its_own_thumbnail(tmp_path: Path) -> None:
    image = draw(tmp_path / "run", "a/b c.png", (8, 8))
    far = FarDirectory(tmp_path / "run")
    wall = wall_of(far, tmp_path / "out", is_thumbs_only=True)
    for _ in range(2):
        picture = wall.picture(image)
        assert (picture.src, picture.thumb) == ("images/a/b%20c.png", None)
    assert wall.copied == image.bytes
    assert far.asked == {"entries": 1, "open": 1}


def test_an_object_store_is_listed_once_for_a_report(tmp_path: Path) -> None:
    images = [draw(tmp_path / "run", f"{each}.png") for each in range(40)]
    results = (kept(each, image) for each, image in enumerate(images))
    write_ledger(tmp_path / "run", (run_line(40), *results))
    far = FarDirectory(tmp_path / "run")
    report = write_report(far, tmp_path / "out")
    assert report.copied == sum(image.bytes for image in images)
    copied = (tmp_path / "out" / "images" / "7.png").read_bytes()
    assert copied == (tmp_path / "run" / "7.png").read_bytes()
    before = far.asked["size"], far.asked["open"]
    assert write_report(far, tmp_path / "out").made == 0
    again = far.asked["size"] - before[0], far.asked["open"] - before[1]
    assert again[0] <= 1
    assert again[1] <= 5

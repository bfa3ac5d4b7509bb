from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from batcher.ledger.line import ImageLine
from batcher.ledger.presence import presence
from batcher.stores import Directory, Entry, LocalDirectory
from tests.unit.fleet.memory import FakeClock, MemoryDirectory


def image(path: str, size: int = 3) -> ImageLine:
    return msgspec.json.decode(
        msgspec.json.encode({"path": path, "bytes": size}), type=ImageLine
    )


@pytest.fixture(params=["folder", "elsewhere"])
def directory(request: pytest.FixtureRequest, tmp_path: Path) -> Directory:
    if request.param == "folder":
        return LocalDirectory(tmp_path)
    return MemoryDirectory(FakeClock())


def test_an_image_is_there_when_its_name_and_its_size_are(directory: Directory) -> None:
    directory.write("a.png", b"abc")
    holds = presence(directory)
    assert holds(image("a.png"))
    assert not holds(image("a.png", 4))
    assert not holds(image("b.png"))
    assert not holds(image("b\0.png"))


class Counted(MemoryDirectory):
    """A store that counts its listings."""

    def entries(self, prefix: str = "") -> Iterator[Entry]:
        self.counts["listings"] += 1
        return super().entries(prefix)


@pytest.mark.parametrize("names", [(), ("a.png",)], ids=["empty", "with an image"])
def test_an_object_store_is_listed_once_and_not_before_it_is_asked(
    names: tuple[str, ...],
) -> None:
    directory = Counted(FakeClock())
    for name in names:
        directory.write(name, b"abc")
    holds = presence(directory)
    assert directory.counts["listings"] == 0
    assert [holds(image("a.png")), holds(image("b.png"))] == [bool(names), False]
    assert directory.counts["listings"] == 1

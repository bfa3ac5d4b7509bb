from __future__ import annotations

from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from batcher.exports import remote
from batcher.exports.remote import RemoteSource
from batcher.exports.row import Row, rows_of
from batcher.exports.source import UnfitError
from tests.unit.far import FarDirectory
from tests.unit.reports.ledger import draw, kept


def rows_in(folder: Path, number: int) -> list[Row]:
    return [
        row
        for each in range(number)
        for row in rows_of(kept(each, draw(folder, f"{each}.png", (8, 8))))
    ]


def test_images_come_in_order_and_are_asked_for_once(tmp_path: Path) -> None:
    rows = rows_in(tmp_path, 100)
    far = FarDirectory(tmp_path)
    source = RemoteSource(far)
    with closing(source.ahead(rows, lambda _: True)) as walked:
        for row, expected in zip(walked, rows, strict=True):
            data = (tmp_path / expected.path).read_bytes()
            assert (row, b"".join(source.pieces(row))) == (expected, data)
    assert far.asked == {"open": 100}


def test_so_many_only_are_held_as_memory_allows(tmp_path: Path) -> None:
    (row,) = rows_in(tmp_path, 1)
    huge = msgspec.structs.replace(row, bytes=remote.AHEAD // 3)
    far = FarDirectory(tmp_path)
    taken = 0

    def taking() -> list[Row]:
        return [huge] * 12

    with closing(RemoteSource(far).ahead(taking(), lambda _: True)) as walked:
        for _ in walked:
            taken += 1
            # The one that is looked at, and what fits beside it.
            assert far.asked["open"] <= taken + 2
    assert taken == 12


def test_what_is_not_needed_is_not_fetched_ahead(tmp_path: Path) -> None:
    rows = rows_in(tmp_path, 4)
    far = FarDirectory(tmp_path)
    source = RemoteSource(far)
    with closing(source.ahead(rows, lambda row: row is rows[2])) as walked:
        assert [*walked] == rows
    assert far.asked == {"open": 1}


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("nothing.png", "is missing"),
        ("../0.png", "leaves the run directory"),
        ("longer.png", "has 99 bytes instead of"),
        ("shorter.png", "has 9 bytes instead of"),
        ("other.png", "holds other bytes"),
    ],
)
def test_what_is_not_as_kept_is_said(tmp_path: Path, path: str, words: str) -> None:
    (row,) = rows_in(tmp_path, 1)
    for name, size in (("longer", 99), ("shorter", 9), ("other", row.bytes)):
        (tmp_path / f"{name}.png").write_bytes(bytes(size))
    strange = msgspec.structs.replace(row, path=path)
    source = RemoteSource(FarDirectory(tmp_path))
    with closing(source.ahead([strange], lambda _: True)) as walked:
        for each in walked:
            with pytest.raises(UnfitError, match=words):
                source.place(tmp_path / "copy", each, is_copy=False)
    assert source.address(row) == "far://bucket/run/0.png"
    assert source.base(tmp_path) == "far://bucket/run"

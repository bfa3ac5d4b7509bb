from __future__ import annotations

import errno
import os
from pathlib import Path

import msgspec
import pytest

from batcher.exports.row import Row, rows_of
from batcher.exports.source import UnfitError, check, holds, place, source_of
from tests.unit.reports.ledger import draw, kept


@pytest.fixture
def row(tmp_path: Path) -> Row:
    (made,) = rows_of(kept(1, draw(tmp_path, "a.png", (8, 8))))
    return made


def refuse(_: Path, __: Path) -> None:
    raise OSError(errno.EXDEV, "other disk")


@pytest.mark.parametrize("path", ["../a.png", "/etc/hostname", "a\0.png", "b/../../c"])
def test_no_path_leads_out_of_the_run(tmp_path: Path, row: Row, path: str) -> None:
    with pytest.raises(UnfitError, match="leaves the run directory"):
        source_of(tmp_path, msgspec.structs.replace(row, path=path))


def test_an_unknown_format_is_not_exported(tmp_path: Path, row: Row) -> None:
    with pytest.raises(UnfitError, match="format"):
        source_of(tmp_path, msgspec.structs.replace(row, suffix=""))


def test_a_link_is_followed_to_the_image(tmp_path: Path, row: Row) -> None:
    (tmp_path / "real.png").write_bytes((tmp_path / "a.png").read_bytes())
    (tmp_path / "a.png").unlink()
    (tmp_path / "a.png").symlink_to("real.png")
    (tmp_path / "out").mkdir()
    place(tmp_path / "a.png", tmp_path / "out/b.png", row, is_copy=False)
    assert not (tmp_path / "out/b.png").is_symlink()
    assert holds(tmp_path / "out/b.png", row)


def test_where_no_link_can_be_there_is_a_copy(tmp_path: Path, row: Row) -> None:
    place(tmp_path / "a.png", tmp_path / "b.png", row, is_copy=False, link=refuse)
    assert holds(tmp_path / "b.png", row)
    assert (tmp_path / "b.png").stat().st_nlink == 1


def test_a_disk_that_refuses_is_no_fault_of_the_image(tmp_path: Path, row: Row) -> None:
    def fail(_: Path, __: Path) -> None:
        raise OSError(errno.ENOSPC, "full")

    with pytest.raises(OSError, match="full"):
        place(tmp_path / "a.png", tmp_path / "b.png", row, is_copy=False, link=fail)


@pytest.mark.parametrize("is_copy", [True, False])
def test_other_bytes_of_the_same_size_are_noticed(
    tmp_path: Path, row: Row, is_copy: bool
) -> None:
    (tmp_path / "a.png").write_bytes(bytes(row.bytes))
    with pytest.raises(UnfitError, match="holds other bytes"):
        place(tmp_path / "a.png", tmp_path / "b.png", row, is_copy=is_copy)


def test_what_is_no_file_is_not_opened(tmp_path: Path, row: Row) -> None:
    os.mkfifo(tmp_path / "pipe")
    for name, words in (("pipe", "no file"), ("x", "missing"), ("a.png/x", "Not a")):
        with pytest.raises(UnfitError, match=words):
            check(tmp_path / name, row)

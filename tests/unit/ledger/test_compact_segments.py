"""Compaction of a ledger in segments: one file, and what it says stays the same."""

from __future__ import annotations

import random
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batcher.errors import StoreError, UsageError
from batcher.ledger import (
    FILE_NAME,
    LedgerWriter,
    Standings,
    compact_ledger,
    kept_paths,
    read_ledger,
)
from batcher.ledger.merge import listed
from batcher.ledger.segment import Segment
from batcher.stores.folder import LocalDirectory
from tests.unit.ledger.test_compact import LINES, encoded
from tests.unit.ledger.test_merge import KEPT, OPEN, fleets


def laid_out(folder: Path, contents: dict[str, bytes]) -> Path:
    for name, content in contents.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


def nobody() -> bool:
    return False


def segment(writer: str, number: int) -> str:
    return Segment(writer=writer, first=number, last=number).name


@settings(deadline=None, max_examples=15)
@given(LINES, fleets(), st.randoms(use_true_random=False))
def test_it_says_the_same_in_one_file_whatever_a_crash_left_behind(
    before: list[dict[str, object]],
    fleet: tuple[list[bytes], dict[str, bytes]],
    chance: random.Random,
) -> None:
    contents = {FILE_NAME: b"".join(encoded(before)), **fleet[1]}
    with tempfile.TemporaryDirectory() as name:
        folder = laid_out(Path(name), contents)
        expected = read_ledger(folder).standings
        paths = kept_paths(folder)
        done = compact_ledger(folder, is_live=nobody)
        assert done.merged == len(fleet[1])
        for _ in range(2):
            assert read_ledger(folder).standings.says_the_same(expected)
            assert kept_paths(folder) == paths
            assert not listed(LocalDirectory(folder))
            left = chance.sample(sorted(fleet[1]), chance.randint(0, len(fleet[1])))
            laid_out(folder, {each: contents[each] for each in left})
            assert read_ledger(folder).standings.says_the_same(expected)
            assert compact_ledger(folder, is_live=nobody).merged == len(left)


def test_segments_alone_become_a_ledger_that_can_be_appended_to(
    tmp_path: Path,
) -> None:
    laid_out(tmp_path, {segment("a", 1): OPEN, segment("b", 1): KEPT + b"x\n"})
    with pytest.raises(StoreError, match="goes on in segments"):
        LedgerWriter(tmp_path, Standings())
    done = compact_ledger(tmp_path, is_live=nobody)
    assert (done.kept_as, done.merged, done.lines_before) == (None, 2, 3)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ledger", FILE_NAME]
    reading = read_ledger(tmp_path)
    assert reading.damaged == (f"{FILE_NAME}:3",)
    laid_out(tmp_path, {segment("a", 1): OPEN})  # as a crash may have left it
    LedgerWriter(tmp_path, Standings(), expected_size=reading.size).close()


def test_what_a_later_writer_puts_is_read_after_it_and_left_alone(
    tmp_path: Path,
) -> None:
    laid_out(tmp_path, {segment("a", 1): OPEN})

    def begin() -> bool:
        laid_out(tmp_path, {segment("b", 1): KEPT})
        return False

    assert compact_ledger(tmp_path, is_live=begin).merged == 1
    assert (tmp_path / segment("b", 1)).read_bytes() == KEPT
    reading = read_ledger(tmp_path)
    assert reading.writers == ("b",)
    assert [each.state for each in reading.standings.values()] == ["succeeded"]


def test_it_is_refused_unless_nobody_writes(tmp_path: Path) -> None:
    laid_out(tmp_path, {segment("a", 1): OPEN})
    with pytest.raises(UsageError, match="others may be writing"):
        compact_ledger(tmp_path)
    assert not (tmp_path / FILE_NAME).exists()


def test_a_refused_rewrite_removes_no_segment(tmp_path: Path) -> None:
    laid_out(tmp_path, {segment("a", 1): OPEN})
    shutil.copytree(tmp_path / "ledger", tmp_path / FILE_NAME)
    with pytest.raises(StoreError, match="cannot"):
        compact_ledger(tmp_path, is_live=nobody)
    assert listed(LocalDirectory(tmp_path))

from __future__ import annotations

from pathlib import Path

from batcher.ledger.reserve import LARGEST, Reserve
from tests.integration.small_disk import fill, free, small_disk


def test_a_reserve_has_no_name_and_is_given_up_once(tmp_path: Path) -> None:
    reserve = Reserve(tmp_path)
    assert [*tmp_path.iterdir()] == []
    assert reserve.give_up()
    assert not reserve.give_up()


def test_there_is_none_where_no_file_can_be_made(tmp_path: Path) -> None:
    assert not Reserve(tmp_path / "gone").give_up()


def test_a_reserve_makes_room_on_a_full_disk(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    with small_disk(disk, 4096):
        reserve = Reserve(disk)
        fill(disk)
        assert free(disk) == 0
        assert reserve.give_up()
        assert free(disk) == LARGEST


def test_a_small_disk_is_left_to_the_images(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    with small_disk(disk, 256):
        before = free(disk)
        reserve = Reserve(disk)
        assert before - free(disk) == 16 << 10
        assert reserve.give_up()

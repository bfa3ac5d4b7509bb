from __future__ import annotations

from pathlib import Path

import pytest

from batcher.layout import Inventory, is_own, place_for, title_of
from batcher.stores import LocalDirectory


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.png", False),
        ("a/b.png", False),
        ("a/ledger.jsonl.png", False),
        ("ledger.jsonl", True),
        ("ledger.jsonl.1", True),
        (".lock", True),
        (".partial/a.png", True),
        ("a/.b/c.png", True),
        ("report/images/a.png", True),
        ("a/report/b.png", False),
        ("ledger/w/00000001-00000001.jsonl", True),
        ("shards/0001-of-0002/epoch-000001", True),
        ("fleet/pace", True),
        ("purse/000001/slot-000001-t000001", True),
        ("fleet/cars.png", False),
        ("a/fleet/pace", False),
    ],
)
def test_the_programs_own_files_are_known_by_name(name: str, expected: bool) -> None:
    assert is_own(name, is_image=name.endswith(".png")) is expected


def test_a_folder_is_asked_for_each_file(tmp_path: Path) -> None:
    files = Inventory(LocalDirectory(tmp_path))
    (tmp_path / "a.png").write_bytes(b"12345")
    assert (files.size("a.png"), files.size("b.png"), files.listed) == (5, None, None)


def test_what_is_made_from_a_folder_goes_into_it(tmp_path: Path) -> None:
    directory = LocalDirectory(tmp_path / "x" / "..")
    assert title_of(directory) == tmp_path.name
    assert place_for(directory, "report") == directory.folder / "report"

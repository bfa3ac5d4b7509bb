from __future__ import annotations

import json
from typing import TYPE_CHECKING

from batcher.sandbox.journal import KEPT, Journal, described
from batcher.sandbox.tally import Tally

if TYPE_CHECKING:
    from pathlib import Path


def test_a_line_is_in_the_file_before_write_returns(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    path.write_bytes(b'{"event":"earlier"}\n')
    journal = Journal(path)
    journal.write("post", {"number": 1})
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line["event"] for line in lines] == ["earlier", "post"]
    assert lines[1]["at"].endswith("Z")
    assert journal.text() == path.read_bytes().partition(b"\n")[2]
    journal.close()


def test_memory_keeps_only_the_latest_lines() -> None:
    journal = Journal(None)
    for number in range(KEPT + 5):
        journal.write("post", {"number": number})
    assert len(journal) == KEPT
    assert next(iter(journal))["number"] == 5
    journal.close()


def test_a_post_is_described_by_its_fields_and_not_by_its_images() -> None:
    sent: dict[str, object] = {"model": "m", "prompt": "p", "image": "QUJD", "n": 2}
    assert described(sent) == {
        "prompt": "p",
        "model": "m",
        "size": None,
        "n": 2,
        "has_image": True,
        "fields": ["model", "prompt", "image", "n"],
    }
    assert described({"watermark": False})["watermark"] is False


def test_money_is_told_exactly() -> None:
    journal = Journal(None)
    journal.billed_micros = 52_690
    assert str(journal.billed_usd) == "0.052690"


def test_a_tally_forgets_what_it_has_not_heard_for_longest() -> None:
    tally = Tally(2)
    assert [tally.count(name) for name in "aabac"] == [1, 2, 1, 3, 1]
    assert tally.count("b") == 1
    assert tally.count("c") == 2

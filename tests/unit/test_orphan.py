"""What the ledger names and the manifest no longer asks for."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from batcher.ledger import FILE_NAME
from batcher.models import Request
from batcher.orphan import MOST_NAMED, Gone, accepted_before, taken_names
from batcher.stores import LocalDirectory


def request(name: str) -> Request:
    body = {"model": "gpt-image-2-pro", "prompt": "a fox"}
    return Request(id=name, name=name, body=body, vars={}, output=name, origin="m:1")


def test_a_name_is_taken_when_another_request_has_it() -> None:
    orphans = {"0": "fox", "1": "heron"}
    assert taken_names([request("fox"), request("otter")], orphans) == {"fox"}


def test_a_run_of_all_accepts_every_orphan_and_one_of_a_part_no_new_one() -> None:
    gone = Gone(orphaned=frozenset({"b", "a"}), accepted=frozenset({"b"}))
    assert gone.named(is_all=True) == ("a", "b")
    assert gone.named(is_all=False) == ("b",)


def test_more_orphans_than_a_line_should_hold_are_not_named() -> None:
    many = frozenset(map(str, range(MOST_NAMED + 1)))
    assert Gone(orphaned=many).named(is_all=True) == ()
    assert len(Gone(orphaned=many - {"0"}).named(is_all=True)) == MOST_NAMED


@pytest.mark.parametrize(
    ("lines", "ids"),
    [
        ([], set()),
        ([{"event": "run", "orphans": ["a", "b"]}], {"a", "b"}),
        (
            [
                {"event": "run", "orphans": ["a"]},
                {"event": "run", "orphans": ["b"]},
                {"event": "end", "run": "1", "orphans": ["c"]},
                {"event": "result", "name": "run"},
                {"event": "run", "orphans": 5},
            ],
            {"b"},
        ),
        ([{"event": "run", "orphans": ["a"]}, {"event": "run"}], set()),
    ],
    ids=["no ledger", "one run", "other lines", "a run that lacks nothing"],
)
def test_the_last_run_says_what_it_was_accepted_to_lack(
    tmp_path: Path, lines: list[dict[str, object]], ids: set[str]
) -> None:
    content = b"".join(msgspec.json.encode(line) + b"\n" for line in lines)
    if lines:
        (tmp_path / FILE_NAME).write_bytes(content)
    assert accepted_before(LocalDirectory(tmp_path)) == ids

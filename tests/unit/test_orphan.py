"""What the ledger names and the manifest no longer asks for."""

from __future__ import annotations

from pathlib import Path

import msgspec

from batcher.ledger import Standings
from batcher.ledger.event import encode
from batcher.models import Request
from batcher.orphan import MOST_NAMED, Gone, compare, taken_names
from batcher.stores import LocalDirectory
from tests.unit.reports.ledger import attempt_line, run_line


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


def test_what_the_last_run_was_accepted_to_lack_is_known_from_the_fold(
    tmp_path: Path,
) -> None:
    standings = Standings()
    for id_ in "abc":
        standings.take(encode(attempt_line(id_)))
    ids = frozenset(standings)
    first, *others = sorted(ids)
    for named in ((*others, "of another ledger"), (first, "of another ledger")):
        line = msgspec.structs.replace(run_line(3), orphans=named)
        standings.take(encode(line))
    place = LocalDirectory(tmp_path / "is not read again")
    gone = compare(ids, standings, place, every=(), asked=tuple)
    assert (gone.orphaned, gone.accepted) == (ids, frozenset({first}))

"""Compaction, against the fold: what a ledger says must not change."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batcher.errors import StoreError
from batcher.ledger import Standings, compact_ledger, kept_paths, read_ledger
from batcher.ledger.compact import Compactor

AT = datetime(2026, 11, 22, tzinfo=UTC)
RUN = {"event": "run", "at": AT, "run": "r", "total": 2}
END = {"event": "end", "at": AT, "run": "r", "reason": "finished"}
LACKS = {**RUN, "orphans": ["x"], "settings": {"max_spend": 1.50}}
OTHERS = [RUN, LACKS, END, {"event": "control", "command": "pause"}, {"event": 7}, {}]
MONEY = st.sampled_from([None, "0", "0.5", "0.250000", "1.000001"])


@st.composite
def lines_of_a_request(draw: st.DrawFn) -> dict[str, object]:
    """Make a line, whether or not a worker would write it there."""
    event = draw(st.sampled_from(["attempt", "retry", "reply", "unknown", "result"]))
    classes = st.sampled_from(["server", "ambiguous", "download"])
    line: dict[str, object] = {
        "event": event,
        "id": draw(st.sampled_from("abc")),
        "name": "fox",
        "attempt": draw(st.integers(0, 4)),
        "reserved_usd": draw(MONEY),
    }
    if event in {"retry", "unknown"}:
        line |= {"error": {"class": draw(classes)}, "maybe_billed": draw(st.booleans())}
    if event == "reply":
        line["urls"] = ["http://127.0.0.1/a"]
    if event == "result":
        status = draw(st.sampled_from(["succeeded", "failed", "rejected"]))
        line |= {
            "status": status,
            "attempts": draw(st.integers(0, 4)),
            "cost_usd": draw(MONEY),
            "maybe_billed_usd": draw(MONEY),
        }
        if status == "succeeded":
            path = draw(st.sampled_from(["x.png", "y.png"]))
            line["images"] = [{"path": path, "bytes": 7}]
        else:
            line["error"] = {"class": draw(classes)}
    return line


LINES = st.lists(lines_of_a_request() | st.sampled_from(OTHERS), max_size=30)


def encoded(lines: list[dict[str, object]]) -> list[bytes]:
    return [msgspec.json.encode(line) + b"\n" for line in lines]


def damaged(lines: list[dict[str, object]], chance: random.Random) -> list[bytes]:
    raw = encoded(lines)
    return [line[1:] if chance.random() < 0.05 else line for line in raw]


def folded(lines: list[bytes]) -> Standings:
    standings = Standings()
    for line in lines:
        try:
            standings.take(line)
        except msgspec.DecodeError:
            continue
    return standings


def compacted(lines: list[bytes]) -> list[bytes]:
    return list(Compactor(lines).needed(lines, AT))


@settings(deadline=None)
@given(LINES, st.randoms(use_true_random=False))
def test_a_compacted_ledger_says_the_same(
    lines: list[dict[str, object]], chance: random.Random
) -> None:
    ledger = damaged(lines, chance)
    before, after = folded(ledger), folded(compacted(ledger))
    assert after.says_the_same(before)
    assert str(after.spent) == str(before.spent)
    assert str(after.maybe_billed()) == str(before.maybe_billed())
    assert {id_: after.get(id_) for id_ in after} == {
        id_: before.get(id_) for id_ in before
    }


@settings(deadline=None)
@given(LINES, st.randoms(use_true_random=False))
def test_to_compact_twice_is_to_compact_once(
    lines: list[dict[str, object]], chance: random.Random
) -> None:
    once = compacted(damaged(lines, chance))
    assert compacted(once) == once


@settings(deadline=None)
@given(LINES, LINES)
def test_what_is_written_later_folds_as_it_would_have(
    lines: list[dict[str, object]], later: list[dict[str, object]]
) -> None:
    ledger, more = encoded(lines), encoded(later)
    assert folded(compacted(ledger) + more).says_the_same(folded(ledger + more))


def a_request(id_: str) -> list[dict[str, object]]:
    """Write what a worker does for a request that succeeds at the second attempt."""
    error = {"class": "server"}
    return [
        {"event": "attempt", "id": id_, "attempt": 1, "reserved_usd": 0.5},
        {"event": "retry", "id": id_, "attempt": 1, "error": error, "delay": 1.0},
        {"event": "attempt", "id": id_, "attempt": 2, "reserved_usd": 0.5},
        {
            "event": "result",
            "id": id_,
            "status": "succeeded",
            "attempts": 2,
            "images": [{"path": f"{id_}.png", "bytes": 7}],
            "cost_usd": 0.25,
        },
    ]


def write(folder: Path, lines: list[dict[str, object]], end: bytes = b"") -> bytes:
    ledger = b"".join(encoded(lines)) + end
    (folder / "ledger.jsonl").write_bytes(ledger)
    return ledger


def test_of_an_ended_request_its_result_stays(tmp_path: Path) -> None:
    old = write(tmp_path, [RUN, *a_request("a"), *a_request("b"), END])
    done = compact_ledger(tmp_path)
    new = (tmp_path / "ledger.jsonl").read_bytes()
    events = [msgspec.json.decode(line)["event"] for line in new.splitlines()]
    assert events == ["run", "result", "result", "end", "compacted"]
    assert (done.lines_before, done.lines_after) == (10, 5)
    assert (done.bytes_before, done.bytes_after) == (len(old), len(new))


def test_the_old_ledger_is_kept_under_a_name_that_was_free(tmp_path: Path) -> None:
    (tmp_path / "ledger.jsonl.1").write_bytes(b"an older one")
    old = write(tmp_path, a_request("a"))
    assert compact_ledger(tmp_path).kept_as == "ledger.jsonl.2"
    assert (tmp_path / "ledger.jsonl.2").read_bytes() == old
    assert (tmp_path / "ledger.jsonl.1").read_bytes() == b"an older one"
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"ledger.jsonl", "ledger.jsonl.1", "ledger.jsonl.2"}


def test_a_ledger_that_is_being_read_stays_readable(tmp_path: Path) -> None:
    old = write(tmp_path, a_request("a"))
    with (tmp_path / "ledger.jsonl").open("rb") as reading:
        compact_ledger(tmp_path)
        assert reading.read() == old


def test_only_the_last_run_goes_on_naming_its_orphans(tmp_path: Path) -> None:
    write(tmp_path, [LACKS, END, LACKS, END, {**LACKS, "orphans": ["x", "y"]}])
    runs = (tmp_path / "ledger.jsonl").read_bytes().splitlines()[::2]
    compact_ledger(tmp_path)
    *first, last = (tmp_path / "ledger.jsonl").read_bytes().splitlines()[::2]
    assert first == [run.replace(b'"orphans":["x"],', b"") for run in runs[:2]]
    assert last == runs[2]


def test_where_nothing_can_go_nothing_is_written(tmp_path: Path) -> None:
    old = write(tmp_path, [RUN, a_request("a")[0]])
    assert compact_ledger(tmp_path).kept_as is None
    assert [path.name for path in tmp_path.iterdir()] == ["ledger.jsonl"]
    assert (tmp_path / "ledger.jsonl").read_bytes() == old


def test_an_image_that_was_bought_again_under_another_name_stays_known(
    tmp_path: Path,
) -> None:
    again = [{**line, "attempts": 4} for line in a_request("a")]
    again[-1]["images"] = [{"path": "a~2.png", "bytes": 7}]
    write(tmp_path, [*a_request("a"), *again])
    compact_ledger(tmp_path)
    assert kept_paths(tmp_path) == {"a.png", "a~2.png"}


def test_a_damaged_line_is_kept_and_a_torn_one_is_not(tmp_path: Path) -> None:
    write(tmp_path, [*a_request("a"), *a_request("b")], b'broken\n{"event":"att')
    compact_ledger(tmp_path)
    reading = read_ledger(tmp_path)
    assert len(reading.damaged) == 1
    assert reading.size == (tmp_path / "ledger.jsonl").stat().st_size
    assert b"broken\n" in (tmp_path / "ledger.jsonl").read_bytes()


def test_a_last_line_without_its_newline_counts(tmp_path: Path) -> None:
    write(tmp_path, a_request("a"), b'{"event":"attempt","id":"b","attempt":1}')
    compact_ledger(tmp_path)
    assert set(read_ledger(tmp_path).standings) == {"a", "b"}


def test_a_ledger_that_changes_meanwhile_is_left_alone() -> None:
    ledger = encoded(a_request("a"))
    with pytest.raises(StoreError, match="stays as it was"):
        list(Compactor(ledger).needed([*ledger, ledger[0]], AT))


def test_a_disk_that_refuses_leaves_the_ledger_as_it_was(tmp_path: Path) -> None:
    old = write(tmp_path, a_request("a"))
    (tmp_path / "ledger.jsonl.new").mkdir()
    with pytest.raises(StoreError, match="cannot rewrite"):
        compact_ledger(tmp_path)
    assert (tmp_path / "ledger.jsonl").read_bytes() == old

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from batcher.ledger.event import Attempt, Event, encode
from batcher.models import Status, Summary
from batcher.watch.feed import Feed
from batcher.watch.picture import Wall
from tests.unit.reports.ledger import (
    START,
    attempt_line,
    draw,
    kept,
    rejected,
    run_line,
    write_ledger,
)


@pytest.fixture
def feed(tmp_path: Path) -> Iterator[Feed]:
    with Feed(tmp_path, Wall(tmp_path).hang) as opened:
        yield opened


def append(folder: Path, *events: Event) -> None:
    with (folder / "ledger.jsonl").open("ab") as stream:
        stream.writelines(encode(event) for event in events)


def changed(feed: Feed, cursor: str) -> list[str]:
    new = feed.since(cursor)
    assert new is not None
    return [id_ for id_, _ in new]


def test_a_page_is_told_what_changed_since_it_last_looked(
    feed: Feed, tmp_path: Path
) -> None:
    before = feed.cursor
    append(tmp_path, run_line(2), attempt_line("a"), attempt_line("b"))
    assert feed.advance()
    middle = feed.cursor
    append(tmp_path, attempt_line("a"))
    assert feed.advance()
    assert not feed.advance()
    assert changed(feed, before) == ["b", "a"]
    assert changed(feed, middle) == ["a"]
    assert changed(feed, feed.cursor) == []


def test_a_page_that_took_some_goes_on_after_them(feed: Feed, tmp_path: Path) -> None:
    before = feed.cursor
    append(tmp_path, *(attempt_line(id_) for id_ in "abc"))
    feed.advance()
    new = feed.since(before)
    assert new is not None
    after = [feed.cursor_after(offset) for _, offset in new]
    assert [changed(feed, cursor) for cursor in after] == [["b", "c"], ["c"], []]


@pytest.mark.parametrize("cursor", ["", "nothing", "0-0", "-5", "0-x"])
def test_nothing_is_said_of_a_cursor_of_another_ledger(feed: Feed, cursor: str) -> None:
    assert feed.since(cursor) is None


def test_a_compacted_ledger_is_another_one(feed: Feed, tmp_path: Path) -> None:
    append(tmp_path, attempt_line("a"), attempt_line("a"))
    feed.advance()
    before = feed.cursor
    (tmp_path / "ledger.jsonl").unlink()
    append(tmp_path, attempt_line("b"))
    assert feed.advance()
    assert feed.since(before) is None
    assert feed.ids() == ["b"]


def test_a_request_is_described_as_it_stands(feed: Feed, tmp_path: Path) -> None:
    result = kept(1, draw(tmp_path, "a b.png"))
    attempt = Attempt(at=START, id=result.id, name="cube", attempt=1)
    append(tmp_path, attempt)
    feed.advance()
    entry = feed.entry(result.id)
    assert entry is not None
    assert (entry.status, entry.name, entry.images) == ("unknown", "cube", ())
    append(tmp_path, result)
    feed.advance()
    entry = feed.entry(result.id)
    assert entry is not None
    assert entry.status == "succeeded"
    assert entry.images[0].src == f"image/{result.id}/0?{result.images[0].sha256[:8]}"
    assert feed.entry("f" * 20) is None


def test_the_last_result_counts(feed: Feed, tmp_path: Path) -> None:
    image = draw(tmp_path, "a.png")
    append(tmp_path, run_line(1), rejected(1), kept(1, image))
    feed.advance()
    (id_,) = feed.ids()
    entry = feed.entry(id_)
    assert entry is not None
    assert entry.status == Status.SUCCEEDED
    assert feed.image(id_, 0) == image
    assert feed.image(id_, 1) is None
    assert feed.image("f" * 20, 0) is None


def test_the_numbers_are_those_of_status(feed: Feed, tmp_path: Path) -> None:
    append(tmp_path, run_line(9), kept(1, draw(tmp_path, "a.png")), rejected(2))
    append(tmp_path, attempt_line("f" * 20))
    feed.advance()
    summary = feed.header()["summary"]
    assert isinstance(summary, Summary)
    assert (summary.total, summary.succeeded, summary.rejected) == (9, 1, 1)
    assert (summary.unknown, summary.pending) == (1, 6)
    assert str(tmp_path) not in repr(feed.header())


def test_what_cannot_be_read_is_passed_over(feed: Feed, tmp_path: Path) -> None:
    write_ledger(tmp_path, [run_line(3)])
    with (tmp_path / "ledger.jsonl").open("ab") as stream:
        stream.write(b'{"event":"result","id":"a"\n\xff\xfe\n{"event":"attempt"}\n[]\n')
        stream.write(b'{"event":"later","id":"b","images":"many"}\n')
        stream.write(b'{"event":"result","at":"x","id":"c","status":"failed"}\n')
    append(tmp_path, rejected(1))
    assert feed.advance()
    assert len(feed.ids()) == 2
    broken = feed.entry("c")
    assert broken is not None
    assert broken.status == "failed"


def test_a_run_may_last_longer_than_a_page(feed: Feed, tmp_path: Path) -> None:
    late = Attempt(at=START + timedelta(days=1), id="a", attempt=1)
    append(tmp_path, run_line(1), late)
    feed.advance()
    entry = feed.entry("a")
    assert entry is not None
    assert entry.at == late.at

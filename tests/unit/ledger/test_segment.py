from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batcher.ledger.segment import (
    GROUP,
    Segment,
    segments_in,
    without_spent,
    writer_name,
)
from batcher.stores.directory import Entry

AT = datetime(2026, 11, 22, 15, 30, 0, 123456, tzinfo=UTC)


def entry(name: str) -> Entry:
    return Entry(name=name, bytes=7, modified=AT)


def segment(writer: str, first: int, last: int | None = None) -> Segment:
    return Segment(writer=writer, first=first, last=last or first, bytes=7)


def test_a_writer_is_named_by_its_start_and_its_lease() -> None:
    name = writer_name(AT, shard=3, shards=16, epoch=2)
    assert name == "20261122T153000.123Z-0003-of-0016-e000002"


@given(st.integers(-5000, 5000), st.integers(0, 999_999))
def test_a_writer_sorts_behind_those_it_has_read_whatever_the_clocks_say(
    milliseconds: int, microsecond: int
) -> None:
    earlier = AT.replace(microsecond=microsecond)
    before = writer_name(earlier, shard=9, shards=9, epoch=9)
    later = earlier + timedelta(milliseconds=milliseconds)
    after = writer_name(later, shard=1, shards=9, epoch=1, after=before)
    assert after > before


def test_what_is_no_segment_is_passed_over() -> None:
    names = [
        "ledger/w/.00000001-00000001.jsonl.1f",
        "ledger/fox.png",
        "ledger/w/00000001-00000001.jsonl.new",
        "ledger/w/x/00000001-00000001.jsonl",
        "ledger/w/1-1.jsonl",
    ]
    assert segments_in(map(entry, names)) == []


@given(st.randoms(use_true_random=False))
def test_segments_come_in_order_without_those_in_a_longer_one(chance: object) -> None:
    group = segment("a", 1, GROUP)
    spent = [segment("a", number) for number in (1, 2, GROUP)]
    wanted = [group, segment("a", GROUP + 1), segment("a", 99_999_999)]
    wanted += [segment("a", 100_000_000), segment("b", 1), segment("b", 2)]
    entries = [entry(each.name) for each in spent + wanted]
    getattr(chance, "shuffle")(entries)  # noqa: B009 - hypothesis gives no type
    assert without_spent(segments_in(entries)) == wanted


@pytest.mark.parametrize("number", [1, 2, GROUP, GROUP + 1, 5 * GROUP])
def test_a_segment_is_one_of_its_group(number: int) -> None:
    one = Segment(writer="a", first=number, last=number)
    assert one in set(one.group.singles())
    assert one.group.group == one.group
    assert one.group.last - one.group.first == GROUP - 1

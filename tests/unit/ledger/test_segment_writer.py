"""The writer of segments, against a store that refuses, lies and dies."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batcher.errors import StoreError
from batcher.ledger import Standings, read_ledger, rollup
from batcher.ledger.event import Attempt, encode
from batcher.ledger.reader import raw_lines
from batcher.ledger.segment import GROUP, Segment
from batcher.ledger.segment_writer import SegmentWriter
from tests.unit.ledger.memory_directory import AT, MemoryDirectory, allow
from tests.unit.ledger.test_writer import NO_LINE

if TYPE_CHECKING:
    from batcher.ledger import Ledger


def attempt(number: int) -> Attempt:
    return Attempt(at=AT, id=f"r{number}", attempt=1)


def lines(count: int, start: int = 0) -> list[bytes]:
    return [encode(attempt(number)) for number in range(start, start + count)]


def read(directory: MemoryDirectory) -> list[bytes]:
    return [raw for _, raw in raw_lines(directory)]


def name(number: int) -> str:
    return Segment(writer="w", first=number, last=number).name


@contextmanager
def opened(directory: MemoryDirectory) -> Iterator[SegmentWriter]:
    writer = SegmentWriter(directory, "w", Standings(), linger=0)
    try:
        yield writer
    finally:
        with suppress(StoreError):
            writer.close()


def put_each(writer: Ledger, count: int, start: int = 0) -> None:
    for number in range(start, start + count):
        writer.append(attempt(number))
        writer.sync()


def put_pairs(writer: Ledger, count: int, start: int = 0) -> None:
    for number in range(start, start + count):
        writer.append(attempt(2 * number))
        writer.append(attempt(2 * number + 1))
        writer.sync()


def refuse(_: str) -> None:
    raise StoreError("the store is gone")


def test_what_is_appended_is_folded_at_once_and_put_by_sync() -> None:
    directory = MemoryDirectory()
    with opened(directory) as writer:
        writer.append(attempt(0))
        writer.append(attempt(1))
        assert writer.standings.attempts == 2
        assert read(directory) == []
        writer.sync()
        writer.sync()
        assert directory.files == {name(1): b"".join(lines(2))}
        writer.append(attempt(2))
    assert read(directory) == lines(3)
    assert read_ledger(directory).standings.says_the_same(writer.standings)
    assert read_ledger(directory).writers == ("w",)


def test_a_line_that_could_not_be_read_is_not_put() -> None:
    directory = MemoryDirectory()
    with opened(directory) as writer:
        with pytest.raises(StoreError, match="not a sum of money"):
            writer.append(NO_LINE)
        assert writer.standings.attempts == 0
        writer.append(attempt(0))
    assert read(directory) == lines(1)


def test_a_refused_put_keeps_the_lines_for_the_next() -> None:
    directory = MemoryDirectory(before=refuse)
    with opened(directory) as writer:
        writer.append(attempt(0))
        with pytest.raises(StoreError, match="gone"):
            writer.sync()
        writer.append(attempt(1))
        directory.before = allow
        writer.sync()
    assert read(directory) == lines(2)


def test_a_put_whose_answer_was_lost_is_found_and_gone_on_from() -> None:
    directory = MemoryDirectory(after=refuse)
    with opened(directory) as writer:
        writer.append(attempt(0))
        writer.append(attempt(1))
        with pytest.raises(StoreError, match="gone"):
            writer.sync()
        directory.after = allow
        writer.append(attempt(2))
        writer.sync()
    assert directory.files == {
        name(1): b"".join(lines(2)),
        name(2): b"".join(lines(1, 2)),
    }


@pytest.mark.parametrize("content", [b"", b"not ours\n", lines(1)[0][:-1]])
def test_a_number_that_is_taken_is_left_to_whoever_has_it(content: bytes) -> None:
    directory = MemoryDirectory()
    directory.files[name(1)] = content
    with opened(directory) as writer:
        writer.append(attempt(0))
        writer.sync()
    assert directory.files == {name(1): content, name(2): lines(1)[0]}


async def test_nobody_waits_for_what_is_safe_already() -> None:
    directory = MemoryDirectory()
    with opened(directory) as writer:
        await writer.safe()
        assert directory.puts == []
        writer.append(attempt(0))
        writer.sync()
        await writer.safe()
        assert directory.puts == [name(1)]


async def test_all_who_wait_share_a_put() -> None:
    directory = MemoryDirectory()

    async def announce(writer: SegmentWriter, number: int) -> None:
        writer.append(attempt(number))
        await writer.safe()
        assert f'"r{number}"'.encode() in b"".join(directory.files.values())

    with opened(directory) as writer:
        async with asyncio.TaskGroup() as group:
            for number in range(50):
                group.create_task(announce(writer, number))
        assert len(directory.puts) <= 2
    assert sorted(read(directory)) == sorted(lines(50))


async def test_what_comes_while_a_put_is_under_way_goes_with_the_next() -> None:
    entered, release = threading.Event(), threading.Event()

    def hold(_: str) -> None:
        entered.set()
        release.wait()

    directory = MemoryDirectory(before=hold)
    with opened(directory) as writer:
        writer.append(attempt(0))
        first = asyncio.ensure_future(writer.safe())
        await asyncio.to_thread(entered.wait)
        writer.append(attempt(1))
        writer.append(attempt(2))
        later = [asyncio.ensure_future(writer.safe()) for _ in range(9)]
        directory.before = allow
        release.set()
        await asyncio.gather(first, *later)
    assert directory.files == {name(1): lines(1)[0], name(2): b"".join(lines(2, 1))}


async def test_one_who_gives_up_does_not_take_the_put_from_the_others() -> None:
    entered, release = threading.Event(), threading.Event()

    def hold(_: str) -> None:
        entered.set()
        release.wait()

    directory = MemoryDirectory(before=hold)
    with opened(directory) as writer:
        writer.append(attempt(0))
        gives_up = asyncio.ensure_future(writer.safe())
        waits = asyncio.ensure_future(writer.safe())
        await asyncio.to_thread(entered.wait)
        gives_up.cancel()
        with pytest.raises(asyncio.CancelledError):
            await gives_up
        release.set()
        await waits
        assert directory.puts == [name(1)]


async def test_all_who_wait_hear_of_a_refusal_and_the_next_tries_again() -> None:
    directory = MemoryDirectory(before=refuse)
    with opened(directory) as writer:
        writer.append(attempt(0))
        told = await asyncio.gather(
            writer.safe(), writer.safe(), return_exceptions=True
        )
        assert [type(each) for each in told] == [StoreError, StoreError]
        directory.before = allow
        await writer.safe()
    assert read(directory) == lines(1)


def test_threads_that_sync_at_once_lose_and_double_nothing() -> None:
    directory = MemoryDirectory()
    done = threading.Event()

    def sync(writer: SegmentWriter) -> None:
        while not done.is_set():
            writer.sync()

    with opened(directory) as writer:
        threads = [threading.Thread(target=sync, args=(writer,)) for _ in range(3)]
        for thread in threads:
            thread.start()
        for number in range(5000):
            writer.append(attempt(number))
        done.set()
        for thread in threads:
            thread.join()
    assert read(directory) == lines(5000)


def test_segments_are_rolled_up_and_the_old_ones_removed() -> None:
    directory = MemoryDirectory()
    with opened(directory) as writer:
        put_each(writer, 2 * GROUP + 3)
    names = [
        f"ledger/w/{first:08}-{last:08}.jsonl"
        for first, last in [(1, 256), (257, 512), (513, 513), (514, 514), (515, 515)]
    ]
    assert sorted(directory.files) == names
    assert read(directory) == lines(2 * GROUP + 3)


def test_a_group_that_is_too_large_stays_as_it_is(
    caplog: pytest.LogCaptureFixture,
) -> None:
    directory = MemoryDirectory()
    gathered = rollup.Rollup(directory)
    content = bytes(rollup.LARGEST // 200)
    for number in range(1, 2 * GROUP + 1):
        each = Segment(writer="w", first=number, last=number)
        gathered.add(each, content if number < GROUP else b"")
        gathered.roll()
    assert directory.puts == [Segment(writer="w", first=257, last=512).name]
    assert not caplog.records


def test_a_refused_roll_up_stops_nothing(caplog: pytest.LogCaptureFixture) -> None:
    def refuse_group(name: str) -> None:
        if "-00000256" in name and "00000256-" not in name:
            raise StoreError("too large")

    directory = MemoryDirectory(before=refuse_group)
    with caplog.at_level(logging.WARNING), opened(directory) as writer:
        put_each(writer, GROUP + 1)
    assert "not rolled up: too large" in caplog.text
    assert read(directory) == lines(GROUP + 1)
    assert len(directory.files) == GROUP + 1


def test_a_refused_removal_stops_nothing(caplog: pytest.LogCaptureFixture) -> None:
    def refuse_late(_: str) -> None:
        if len(directory.puts) > GROUP:
            raise StoreError("no permission")

    directory = MemoryDirectory(before=refuse_late)
    with caplog.at_level(logging.WARNING), opened(directory) as writer:
        put_each(writer, GROUP)
    assert "stay: no permission" in caplog.text
    assert read(directory) == lines(GROUP)


def test_a_roll_up_whose_answer_was_lost_counts_when_it_holds_the_same() -> None:
    directory = MemoryDirectory()
    group = Segment(writer="w", first=1, last=GROUP)
    directory.files[group.name] = b"".join(lines(GROUP))
    with opened(directory) as writer:
        put_each(writer, GROUP)
    assert list(directory.files) == [group.name]


class Death(BaseException):
    """The process dies."""


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 3 * GROUP + 20), st.booleans())
def test_a_crash_at_any_step_loses_and_doubles_nothing(
    steps: int, is_before: bool
) -> None:
    left = steps
    kept = 0

    def count(_: str) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise Death

    directory = MemoryDirectory()
    if is_before:
        directory.before = count
    else:
        directory.after = count
    writer = SegmentWriter(directory, "w", Standings(), linger=0)
    with suppress(Death):
        for number in range(2 * GROUP):
            writer.append(attempt(number))
            writer.sync()
            kept = number + 1
        writer.close()
    found = read(directory)
    assert found == lines(len(found))
    assert len(found) in (kept, kept + 1)


@settings(deadline=None, max_examples=40)
@given(
    st.integers(1, 2 * GROUP + 9), st.integers(0, 4 * GROUP), st.integers(0, 2 * GROUP)
)
def test_a_reading_that_is_overtaken_by_roll_ups_goes_on_in_them(
    before: int, taken: int, meanwhile: int
) -> None:
    directory = MemoryDirectory()
    with opened(directory) as writer:
        put_pairs(writer, before)
        reading = raw_lines(directory)
        found = [raw for _, (_, raw) in zip(range(taken), reading, strict=False)]
        put_pairs(writer, meanwhile, before)
    found += [raw for _, raw in reading]
    assert found == lines(len(found))
    assert 2 * before <= len(found) <= 2 * (before + meanwhile)

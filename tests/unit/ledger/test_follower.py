"""Following a ledger gives just the lines that reading it in the end gives."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batcher.errors import StoreError
from batcher.ledger import FILE_NAME, compact_ledger
from batcher.ledger.event import Compacted, encode, now
from batcher.ledger.follower import PIECE, Follower
from batcher.ledger.merge import files
from batcher.ledger.rollup import Rollup
from batcher.ledger.segment import GROUP, Segment
from batcher.stores import LocalDirectory
from batcher.stores.directory import Entry
from tests.unit.ledger.memory_directory import MemoryDirectory


class FlakyDirectory(MemoryDirectory):
    """Refuses some reads, and may show a listing that is under way for long."""

    def __init__(self) -> None:
        super().__init__()
        self.refusals = 0
        self.is_stale = False
        self.asked: list[str] = []
        self._listed: list[Entry] = []

    def read(self, name: str) -> bytes | None:
        self.asked.append(name)
        if self.refusals:
            self.refusals -= 1
            raise StoreError("the store is away")
        return super().read(name)

    def entries(self, prefix: str = "") -> Iterator[Entry]:
        """Show the first half as it was, and the second as it is."""
        new = sorted(super().entries(prefix), key=lambda each: each.name)
        half = self._listed[: len(self._listed) // 2] if self.is_stale else []
        names = {each.name for each in half}
        last = max(names, default="")
        yield from [*half, *(each for each in new if each.name > last)]
        self._listed = new


class Writer:
    """Puts segments and rolls them up, as `SegmentWriter` does."""

    def __init__(self, directory: MemoryDirectory, name: str) -> None:
        self.name = name
        self.number = 0
        self._directory = directory
        self._rollup = Rollup(directory)

    def put(self, *, lines: int = 1) -> None:
        self.number += 1
        segment = Segment(writer=self.name, first=self.number, last=self.number)
        head = f"{self.name} {self.number}"
        content = "".join(f"{head}.{n}\n" for n in range(lines)).encode()
        self._directory.create(segment.name, content)
        self._rollup.add(segment, content)
        self._rollup.roll()

    def finish(self) -> None:
        self._rollup.finish()


def taken(follower: Follower) -> list[bytes]:
    return [*chain.from_iterable(follower.look())]


def by_writer(lines: list[bytes]) -> dict[bytes, list[bytes]]:
    found: dict[bytes, list[bytes]] = {}
    for line in lines:
        found.setdefault(line.split()[0], []).append(line)
    return found


def read(directory: MemoryDirectory) -> dict[bytes, list[bytes]]:
    """Give the lines that a reading gives, by writer."""
    return by_writer([raw for file in files(directory) for raw in file.lines])


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.integers(0, 2), st.integers(1, GROUP + 9)),
        st.tuples(st.just("finish"), st.integers(0, 2), st.just(0)),
        st.tuples(st.just("look"), st.just(0), st.integers(0, 3)),
        st.tuples(st.just("stale"), st.just(0), st.just(0)),
    ),
    max_size=14,
)


@settings(max_examples=150, deadline=None)
@given(STEPS, st.integers(0, 2))
def test_whatever_is_put_and_rolled_up_meanwhile_every_line_comes_once(
    steps: list[tuple[str, int, int]], most: int
) -> None:
    directory = FlakyDirectory()
    directory.files[FILE_NAME] = b"file 1\nfile 2\n"
    writers = [Writer(directory, name) for name in ("a", "b", "c")]
    seen: list[bytes] = []
    with Follower(directory) as follower:
        for what, which, number in steps:
            if what == "put":
                for n in range(number):
                    writers[which].put(lines=n % (most + 1))
            elif what == "finish":
                writers[which].finish()
            elif what == "look":
                directory.refusals = number
                seen += looked(follower)
            directory.is_stale = what == "stale"
        directory.refusals, directory.is_stale = 0, False
        seen += taken(follower)
        assert taken(follower) == []
    assert by_writer(seen) == read(directory)


def looked(follower: Follower) -> list[bytes]:
    """Give what a look hands out before the store refuses."""
    lines: list[bytes] = []
    try:
        for piece in follower.look():
            lines += piece
    except StoreError:
        pass
    return lines


def test_a_look_reads_what_is_new_and_nothing_else() -> None:
    directory = FlakyDirectory()
    writer = Writer(directory, "a")
    for _ in range(40):
        writer.put()
    with Follower(directory) as follower:
        assert len(taken(follower)) == 40
        writer.put()
        directory.asked.clear()
        assert taken(follower) == [b"a 41.0\n"]
    assert directory.asked == [FILE_NAME, Segment(writer="a", first=41, last=41).name]


def test_a_walk_that_is_given_up_is_gone_on_with() -> None:
    directory = MemoryDirectory()
    directory.files[FILE_NAME] = b"".join(b"x %d\n" % n for n in range(3 * PIECE))
    writer = Writer(directory, "a")
    writer.put()
    writer.put()
    with Follower(directory) as follower:
        pieces = [next(follower.look()) for _ in range(5)]
    assert [len(piece) for piece in pieces] == [PIECE] * 3 + [1, 1]
    assert len({*chain.from_iterable(pieces)}) == 3 * PIECE + 2


def test_segments_that_were_merged_are_passed_over() -> None:
    directory = MemoryDirectory()
    head = Compacted(at=now(), attempts=0, cost_usd=None, writers=("a",))
    directory.files[FILE_NAME] = encode(head) + b"x\n"
    for name in ("a", "b"):
        Writer(directory, name).put()
    with Follower(directory) as follower:
        assert taken(follower) == [encode(head), b"x\n", b"b 1.0\n"]
        assert not follower.is_rewritten()


def test_a_missing_segment_is_told_and_found_later() -> None:
    directory = MemoryDirectory()
    writer = Writer(directory, "a")
    for _ in range(3):
        writer.put()
    name = Segment(writer="a", first=2, last=2).name
    content = directory.files.pop(name)
    with Follower(directory) as follower:
        look = follower.look()
        assert next(look) == [b"a 1.0\n"]
        with pytest.raises(StoreError, match="missing"):
            next(look)
        directory.files[name] = content
        assert taken(follower) == [content, b"a 3.0\n"]


def test_a_files_lines_come_as_they_are_ended(tmp_path: Path) -> None:
    ledger = tmp_path / "out" / FILE_NAME
    with Follower(LocalDirectory(ledger.parent)) as follower:
        assert taken(follower) == []
        ledger.parent.mkdir()
        ledger.write_bytes(b"a\nb")
        assert taken(follower) == [b"a\n"]
        with ledger.open("ab") as stream:
            stream.write(b"c\nx\n")
        assert taken(follower) == [b"bc\n", b"x\n"]


@pytest.mark.parametrize("was_read", [True, False], ids=["file", "segments alone"])
def test_a_compaction_is_noticed(tmp_path: Path, was_read: bool) -> None:
    directory = LocalDirectory(tmp_path)
    if was_read:
        (tmp_path / FILE_NAME).write_bytes(b'{"event":"x"}\n')
    segment = Segment(writer="w", first=1, last=1)
    directory.create(segment.name, b'{"event":"y"}\n')
    with Follower(directory) as follower:
        assert not follower.is_rewritten()
        before = taken(follower)
        assert not follower.is_rewritten()
        compact_ledger(tmp_path, is_live=lambda: False)
        assert follower.is_rewritten()
        follower.begin_anew()
        assert not follower.is_rewritten()
        assert taken(follower)[1:] == before


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).mkdir()
    with (
        Follower(LocalDirectory(tmp_path)) as follower,
        pytest.raises(StoreError, match=r"cannot read .*ledger\.jsonl"),
    ):
        taken(follower)


def test_a_follower_that_begins_anew_hands_out_everything() -> None:
    directory = MemoryDirectory()
    directory.files[FILE_NAME] = b"x\n"
    Writer(directory, "a").put()
    with Follower(directory) as follower:
        before = taken(follower)
        follower.begin_anew()
        assert taken(follower) == before == [b"x\n", b"a 1.0\n"]

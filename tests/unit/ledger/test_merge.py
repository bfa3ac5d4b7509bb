"""A ledger in many files reads as one, whoever wrote them and whatever crashed."""

from __future__ import annotations

import errno
import io
from collections import defaultdict
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batcher.errors import StoreError
from batcher.ledger import (
    FILE_NAME,
    LedgerWriter,
    Standings,
    history,
    kept_paths,
    merge,
    names_of,
    read_ledger,
    read_results,
)
from batcher.ledger.merge import files
from batcher.ledger.reader import raw_lines
from batcher.ledger.segment import GROUP, Segment
from tests.unit.ledger.memory_directory import MemoryDirectory
from tests.unit.ledger.test_compact import lines_of_a_request

KEPT = (
    b'{"at":"2026-11-22T00:00:00Z","event":"result","id":"a","name":"fox","attempts":1,'
    b'"status":"succeeded","request":{},"vars":{},"images":[]}\n'
)
OPEN = b'{"event":"attempt","id":"a","attempt":1}\n'


def kept(id_: str, name: str) -> bytes:
    return KEPT.replace(b'"a"', f'"{id_}"'.encode()).replace(b"fox", name.encode())


def segment(writer: str, number: int) -> str:
    return Segment(writer=writer, first=number, last=number).name


def read(directory: MemoryDirectory) -> list[bytes]:
    return [raw for _, raw in raw_lines(directory)]


def test_the_open_file_comes_first_then_writers_by_name_then_numbers() -> None:
    directory = MemoryDirectory()
    directory.files = {
        segment("b", 1): b"4\n",
        segment("a", 2): b"3\n",
        FILE_NAME: b"1\n",
        segment("a", 1): b"2\n",
        "ledger/fox.png": b"no line\n",
    }
    assert list(raw_lines(directory)) == [(n, b"%d\n" % n) for n in range(1, 5)]
    assert read_ledger(directory).writers == ("a", "b")


def test_a_folder_is_read_by_its_path_or_its_name(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_bytes(OPEN)
    path = tmp_path / segment("w", 1)
    path.parent.mkdir(parents=True)
    path.write_bytes(KEPT)
    for place in (tmp_path, str(tmp_path)):
        assert [raw for _, raw in raw_lines(place)] == [OPEN, KEPT]
        assert [line["event"] for line in history(place, "a")] == ["attempt", "result"]
        assert [result.name for result in read_results(place)] == ["fox"]
        assert names_of(place, frozenset("a")) == {"a": "fox"}
        assert kept_paths(place) == frozenset()
        assert read_ledger(place).size == len(OPEN)


def test_a_torn_line_of_a_segment_is_damage_and_is_named() -> None:
    directory = MemoryDirectory()
    directory.files = {
        FILE_NAME: OPEN + b"x\n" + OPEN[:9],
        segment("a", 1): OPEN + OPEN[:9],
        segment("a", 2): KEPT[:-1],
    }
    reading = read_ledger(directory)
    assert reading.damaged == (f"{FILE_NAME}:2", f"{segment('a', 1)}:2")
    assert reading.size == len(OPEN) + 2
    assert reading.standings.attempts == 2
    assert [each.state for each in reading.standings.values()] == ["succeeded"]


@pytest.mark.parametrize("number", [1, 2])
def test_a_segment_that_is_missing_between_others_is_an_error(number: int) -> None:
    directory = MemoryDirectory()
    directory.files = {segment("a", n): OPEN for n in (1, 2, 3)}
    del directory.files[segment("a", number)]
    with pytest.raises(StoreError, match=rf"memory/{segment('a', number)}.* missing"):
        read(directory)
    directory.files[segment("a", number)] = b""
    assert read(directory) == [OPEN, OPEN]


def test_a_roll_up_that_a_listing_did_not_show_is_found() -> None:
    directory = MemoryDirectory()
    group = Segment(writer="a", first=1, last=GROUP)
    files_ = {segment("a", 1): OPEN, segment("a", GROUP + 1): KEPT}
    directory.files = {**files_, group.name: OPEN * 2 + b"x\n"}
    shown = [each for each in directory.entries("ledger/") if each.name in files_]

    def entries(_: str = "") -> object:
        return iter(shown)

    directory.entries = entries  # type: ignore[assignment]  # an old page
    assert read(directory) == [OPEN, OPEN, b"x\n", KEPT]
    assert read_ledger(directory).damaged == (f"{group.name}:3",)


def test_large_roll_ups_are_read_as_a_stream_and_in_order() -> None:
    directory = MemoryDirectory()
    large = OPEN * (merge.LARGEST // len(OPEN) + 1)
    groups = [Segment(writer="a", first=n, last=n + GROUP - 1) for n in (1, 257)]
    singles = [segment("a", 513 + n) for n in range(3 * merge.THREADS)]
    parts = {single: b"%d\n" % n for n, single in enumerate(singles)}
    directory.files = {each.name: large for each in groups} | parts
    lines = read(directory)
    assert lines[-len(singles) :] == list(parts.values())
    assert len(lines) == 2 * large.count(b"\n") + len(singles)


def test_a_reading_that_is_given_up_leaves_nothing_open() -> None:
    directory = MemoryDirectory()
    directory.files = {segment("a", n): OPEN for n in range(1, 200)}
    reading = files(directory)
    next(reading)
    reading.close()  # type: ignore[attr-defined]  # it is a generator


class Broken(io.BytesIO):
    """A file whose disk fails."""

    def readline(self, size: int | None = -1, /) -> bytes:
        raise OSError(errno.EIO, "disk failed", size)

    __next__ = readline


def test_a_file_that_fails_while_it_is_read_is_an_error() -> None:
    directory = MemoryDirectory()
    directory.open = lambda name: Broken(name.encode())  # type: ignore[method-assign]  # fails
    with pytest.raises(StoreError, match=r"cannot read 'memory/ledger\.jsonl': disk"):
        read(directory)


def test_results_and_history_pass_over_what_is_damaged() -> None:
    directory = MemoryDirectory()
    cut = b'{"event":"result","id":"b","status":"succeeded"}\n'
    directory.files = {
        segment("a", 1): OPEN + b"x\n" + cut + kept("c", "hen") + KEPT,
        segment("a", 2): OPEN[:9],
    }
    assert [each.name for each in read_results(directory)] == ["hen", "fox"]
    assert [each["event"] for each in history(directory, "a")] == ["attempt", "result"]


def test_results_stay_whole_while_others_write() -> None:
    directory = MemoryDirectory()
    directory.files = {
        segment("b", 1): kept("a", "first"),
        segment("d", 1): kept("b", "second"),
    }
    results = read_results(directory)
    assert next(results).name == "first"
    results = read_results(directory)
    listed = iter([directory.files, directory.files | {segment("a", 1): OPEN * 9}])

    def entries(prefix: str = "") -> object:
        directory.files = next(listed)
        return MemoryDirectory.entries(directory, prefix)

    directory.entries = entries  # type: ignore[assignment]  # another writes meanwhile
    assert [each.name for each in results] == ["first", "second"]


def test_nothing_is_appended_where_segments_follow(tmp_path: Path) -> None:
    path = tmp_path / segment("w", 1)
    path.parent.mkdir(parents=True)
    path.write_bytes(KEPT)
    with pytest.raises(StoreError, match="goes on in segments"):
        LedgerWriter(tmp_path, Standings())
    assert not (tmp_path / FILE_NAME).exists()


SHARDS = 3
EPOCHS = 3


@st.composite
def fleets(draw: st.DrawFn) -> tuple[list[bytes], dict[str, bytes]]:
    """Give lines in the order they were written, and the files they came to lie in.

    Every request is one shard's; every shard was taken over now and then, while the
    others went on.
    """
    lines = draw(st.lists(lines_of_a_request(), max_size=40))
    epochs = [0] * SHARDS
    starts = {(shard, 0): shard for shard in range(SHARDS)}
    written: dict[tuple[int, int], list[list[bytes]]] = defaultdict(lambda: [[]])
    for line in lines:
        shard = "abc".index(str(line["id"])) % SHARDS
        if epochs[shard] + 1 < EPOCHS and draw(st.integers(0, 5)) == 0:
            epochs[shard] += 1
            starts[shard, epochs[shard]] = len(starts)
        segments = written[shard, epochs[shard]]
        segments[-1].append(msgspec.json.encode(line) + b"\n")
        if draw(st.booleans()):
            segments.append([])
    contents = {
        segment(f"{starts[key]:03}-{key[0]}", number): b"".join(each)
        for key, segments in written.items()
        for number, each in enumerate(segments, 1)
    }
    return [msgspec.json.encode(line) + b"\n" for line in lines], contents


@settings(deadline=None)
@given(fleets())
def test_what_a_fleet_wrote_folds_as_if_one_had_written_it(
    fleet: tuple[list[bytes], dict[str, bytes]],
) -> None:
    lines, contents = fleet
    expected = Standings()
    for line in lines:
        expected.take(line)
    directory = MemoryDirectory()
    directory.files = contents
    found = read_ledger(directory)
    assert found.standings.says_the_same(expected)
    assert found.damaged == ()

"""Puts the files of a ledger into the one order in which they are folded.

First `ledger.jsonl`, where there is one, then the segments of every writer, those of
the earlier ones first. Segments are fetched ahead, because an object store takes its
time to answer, and so many only that memory does not grow with the ledger.
"""

from __future__ import annotations

from collections import deque
from io import BytesIO
from itertools import chain, islice
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from batcher.errors import StoreError
from batcher.ledger.segment import FOLDER, Segment, segments_in, without_spent
from batcher.stores import open_directory

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping
    from concurrent.futures import Future
    from pathlib import Path
    from typing import BinaryIO

    from batcher.stores.directory import Directory

FILE_NAME = "ledger.jsonl"

THREADS = 32
"""Segments fetched at once."""

AHEAD = 1 << 25
"""Bytes of segments held before their turn."""

LARGEST = 1 << 24
"""Bytes of the largest roll-up that is fetched whole; others are read as a stream."""


class _Head(msgspec.Struct, frozen=True):
    event: str
    writers: tuple[str, ...] = ()


_head = msgspec.json.Decoder(_Head).decode


class File(NamedTuple):
    """A file of a ledger; read its lines before asking for the next one.

    Attributes:
        writer: Who wrote it; empty for `ledger.jsonl`. A writer's lines keep their
            order and their number, whatever is rolled up.
        name: Its name within the run directory.
        lines: Its lines, to be walked once.
        start: Number of the first of them in the file.
        last: Number of the last segment that it holds.
    """

    writer: str
    name: str
    lines: Iterable[bytes]
    start: int = 1
    last: int = 0


class Place(NamedTuple):
    """How far a writer's segments were read.

    Attributes:
        number: Of the segment to be read next.
        before: Lines that were read of those it will be rolled up with.
    """

    number: int = 1
    before: int = 0


START = Place()
_NOWHERE: Mapping[str, Place] = MappingProxyType({})


def files(place: Path | str | Directory) -> Iterator[File]:
    """Walk the files of a ledger, in order; it may be written meanwhile.

    Raises:
        StoreError: One cannot be read, or is missing between others.
    """
    directory = open_directory(place)
    # Listed before anything is read: what came later is no part of this reading.
    segments = listed(directory)
    stream = directory.open(FILE_NAME)
    if stream is not None:
        lines = lines_of(directory, FILE_NAME, stream)
        if segments:
            first = next(lines, b"")
            segments = _without(segments, merged_in(first))
            lines = chain(filter(None, (first,)), lines)
        yield File("", FILE_NAME, lines)
    if segments:
        yield from _in_order(directory, without_spent(segments))


def files_after(
    directory: Directory, places: Mapping[str, Place], merged: Collection[str]
) -> Iterator[File]:
    """Walk what writers have put since a reading, in order.

    Args:
        directory: The run directory.
        places: How far each writer was read; of any other, all is new.
        merged: Writers whose segments count no more, see `merged_in`.

    Raises:
        StoreError: A file cannot be read, or is missing between others.
    """
    segments = _without(listed(directory), merged)
    new = (s for s in segments if s.last >= places.get(s.writer, START).number)
    yield from _in_order(directory, without_spent(new), places)


def listed(directory: Directory) -> list[Segment]:
    """List every segment that is there, in order, also those not to be read."""
    return segments_in(directory.entries(f"{FOLDER}/"))


def has_segments(directory: Directory) -> bool:
    """Tell whether a ledger goes on behind `ledger.jsonl`."""
    segments = listed(directory)
    return bool(segments and _without(segments, merged_writers(directory)))


def merged_writers(directory: Directory) -> tuple[str, ...]:
    """Name those whose segments were merged into `ledger.jsonl`, and count no more."""
    stream = directory.open(FILE_NAME)
    if stream is None:
        return ()
    return merged_in(next(lines_of(directory, FILE_NAME, stream), b""))


def merged_in(first: bytes) -> tuple[str, ...]:
    """Read of the first line of `ledger.jsonl` whose segments were merged into it."""
    try:
        head = _head(first)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ()
    return head.writers if head.event == "compacted" else ()


def _without(segments: Iterable[Segment], writers: Iterable[str]) -> list[Segment]:
    merged = frozenset(writers)
    return [each for each in segments if each.writer not in merged]


def _in_order(
    directory: Directory,
    segments: Iterable[Segment],
    places: Mapping[str, Place] = _NOWHERE,
) -> Iterator[File]:
    """Walk segments, taking the roll-up for those that went while this was read."""
    writer, (number, before) = "", START
    for segment, stream in _fetched(directory, segments):
        if segment.writer != writer:
            writer = segment.writer
            number, before = places.get(writer, START)
        while number < segment.first or (stream is None and number <= segment.last):
            due = Segment(writer=writer, first=number, last=number)
            yield _rolled_up(directory, due, before)
            number, before = due.group.last + 1, 0
        if stream is None or segment.last < number:
            continue
        seen = before if segment.first < number else 0
        if segment.first == segment.group.first:
            before = 0
        lines: Iterable[bytes] = stream
        if isinstance(stream, BytesIO):
            before += _count(stream.getvalue())
        else:
            lines = lines_of(directory, segment.name, stream)
        rest = islice(lines, seen, None) if seen else lines
        yield File(writer, segment.name, rest, seen + 1, segment.last)
        number = segment.last + 1


def _rolled_up(directory: Directory, due: Segment, before: int) -> File:
    """Read on in the roll-up of a segment that is not there.

    Args:
        directory: The run directory.
        due: The segment.
        before: Lines of the same roll-up that were read already.
    """
    name = due.group.name
    stream = directory.open(name)
    if stream is None:
        place = f"{directory}/{due.name}"
        words = "is missing from the ledger; restore it, or put an empty file there"
        raise StoreError(f"{place!r} {words}")
    lines = islice(lines_of(directory, name, stream), before, None)
    return File(due.writer, name, lines, before + 1, due.group.last)


def _fetched(
    directory: Directory, segments: Iterable[Segment]
) -> Iterator[tuple[Segment, BinaryIO | None]]:
    """Open segments ahead of their turn; None for one that is not there."""
    from concurrent.futures import (  # noqa: PLC0415 - a ledger in one file does without
        ThreadPoolExecutor,
    )

    pool = ThreadPoolExecutor(THREADS, thread_name_prefix="segments")
    waiting: deque[tuple[Segment, Future[bytes | None] | None]] = deque()
    ahead = 0
    try:
        for segment in segments:
            is_large = segment.bytes > LARGEST and segment.last > segment.first
            size = 0 if is_large else segment.bytes
            while waiting and (ahead + size > AHEAD or len(waiting) >= 2 * THREADS):
                first, fetching = waiting.popleft()
                ahead -= first.bytes if fetching else 0
                yield first, _opened(directory, first, fetching)
            fetch = None if is_large else pool.submit(directory.read, segment.name)
            waiting.append((segment, fetch))
            ahead += size
        for first, fetching in waiting:
            yield first, _opened(directory, first, fetching)
    finally:
        pool.shutdown(cancel_futures=True)


def _opened(
    directory: Directory, segment: Segment, fetching: Future[bytes | None] | None
) -> BinaryIO | None:
    if fetching is None:
        return directory.open(segment.name)
    content = fetching.result()
    return None if content is None else BytesIO(content)


def lines_of(directory: Directory, name: str, stream: BinaryIO) -> Iterator[bytes]:
    """Walk a file's lines; raises `StoreError`, and closes it."""
    try:
        with stream:
            yield from stream
    except OSError as error:
        place = f"{directory}/{name}"
        words = error.strerror or error
        raise StoreError(f"cannot read {place!r}: {words}") from error


def _count(content: bytes) -> int:
    """Count lines, one that lacks its newline included."""
    return content.count(b"\n") + (content[-1:] not in (b"", b"\n"))

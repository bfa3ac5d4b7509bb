"""Names the pieces of a ledger that is kept where nothing can be appended to a file.

Each writer has a folder of its own, whose name begins with the time it started, and
numbers its segments from 1 without a gap. A group of them that was rolled up into one
has the range as its name. Pure: knows nothing of what is in them.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from batcher.stores.directory import Entry

FOLDER = "ledger"
"""Where segments are, within a run directory."""

GROUP = 256
"""Segments of one roll-up; the first has the number 1, 257, 513, …"""

_NAME = re.compile(rf"{FOLDER}/([^/]+)/(\d{{8,}})-(\d{{8,}})\.jsonl")
_STAMP = re.compile(r"\d{8}T\d{6}\.\d{3}(?=Z-)")
_FORMAT = "%Y%m%dT%H%M%S.%f"


class Segment(msgspec.Struct, frozen=True, kw_only=True):
    """A piece of a writer's lines; never changed once it is there.

    Attributes:
        writer: Whose it is.
        first: Number of the first segment that it holds.
        last: Number of the last one; the same, unless it was rolled up.
        bytes: Its size.
    """

    writer: str
    first: int
    last: int
    bytes: int = 0

    @property
    def name(self) -> str:
        """Its name within the run directory."""
        return f"{FOLDER}/{self.writer}/{self.first:08}-{self.last:08}.jsonl"

    @property
    def group(self) -> Segment:
        """The segment that it is, or will be, rolled up into."""
        first = (self.first - 1) // GROUP * GROUP + 1
        return Segment(writer=self.writer, first=first, last=first + GROUP - 1)

    def singles(self) -> Iterator[Segment]:
        """Walk the segments that one which was rolled up holds."""
        for number in range(self.first, self.last + 1):
            yield Segment(writer=self.writer, first=number, last=number)


def writer_name(
    at: datetime, *, shard: int, shards: int, epoch: int, after: str = ""
) -> str:
    """Name a writer, so that it sorts behind those whose lines it has read.

    Args:
        at: When it starts, in UTC.
        shard: Which part of the work it does, counted from 1.
        shards: Of how many.
        epoch: Of the shard's lease; no two writers share all three.
        after: The last writer that was read. Where its machine's clock was ahead of
            this one's, the name says a millisecond later than it.
    """
    earlier = _STAMP.match(after)
    stamp = _stamp(at)
    if earlier is not None and stamp <= earlier[0]:
        ahead = datetime.strptime(earlier[0], _FORMAT)  # noqa: DTZ007 - both are UTC
        stamp = _stamp(ahead + timedelta(milliseconds=1))
    return f"{stamp}Z-{shard:04}-of-{shards:04}-e{epoch:06}"


def segments_in(entries: Iterable[Entry]) -> list[Segment]:
    """Tell which files are segments, in order, a longer one before those within it."""
    found = [
        Segment(writer=m[1], first=int(m[2]), last=int(m[3]), bytes=entry.bytes)
        for entry in entries
        if (m := _NAME.fullmatch(entry.name))
    ]
    found.sort(key=lambda each: (each.writer, each.first, -each.last))
    return found


def without_spent(segments: Iterable[Segment]) -> list[Segment]:
    """Leave out, of segments in order, those within a longer one."""
    wanted: list[Segment] = []
    for each in segments:
        before = wanted[-1] if wanted else None
        if before and each.writer == before.writer and each.last <= before.last:
            continue
        wanted.append(each)
    return wanted


def _stamp(at: datetime) -> str:
    return at.strftime(_FORMAT)[:-3]

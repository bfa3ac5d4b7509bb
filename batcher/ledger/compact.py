"""Rewrites a ledger without the lines that later ones have made void.

What the fold says stays the same to the last digit: of every request, the lines before
the result that it ended with go, unless they name an image; what they added to the sums
is carried in one line. Of the runs, only the last one goes on naming its orphans. All
else stays as it is, damaged lines too. Segments are merged into the one file.
"""

from __future__ import annotations

import os
from contextlib import suppress
from itertools import chain
from typing import TYPE_CHECKING

import msgspec

from batcher.errors import StoreError, UsageError
from batcher.ledger.event import Compacted, encode, now
from batcher.ledger.fold import Standings
from batcher.ledger.line import read_line
from batcher.ledger.merge import (
    FILE_NAME,
    files,
    listed,
    merged_writers,
)
from batcher.ledger.reader import is_whole
from batcher.ledger.standing import STEPS
from batcher.stores import LocalDirectory
from batcher.stores.folder import sync_names

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from datetime import datetime
    from pathlib import Path
    from typing import BinaryIO

    from batcher.ledger.line import Line
    from batcher.ledger.standing import Standing

NEW_NAME = f"{FILE_NAME}.new"
"""What is being written; a crash may leave it, and the next compaction replaces it."""


class Compaction(msgspec.Struct, frozen=True, kw_only=True):
    """What a compaction did.

    Attributes:
        lines_before: Lines there were.
        lines_after: Lines there are.
        bytes_before: Size of the ledger before.
        bytes_after: Size of the ledger now.
        kept_as: Name of the old ledger; None when there was none, or nothing to
            leave out.
        merged: Segments that were merged into it, and are gone.
    """

    lines_before: int
    lines_after: int
    bytes_before: int
    bytes_after: int
    kept_as: str | None = None
    merged: int = 0


class Compactor:
    """Tells which lines of a ledger are needed, and what the others come to.

    Args:
        lines: The whole ledger.

    Attributes:
        lines: How many there are.
        size: Their bytes.
    """

    def __init__(self, lines: Iterable[bytes]) -> None:
        self.lines = 0
        self.size = 0
        self._before = Standings()
        self._starts: dict[str, int] = {}
        self._runs: list[int] = []
        for number, raw in enumerate(lines):
            self.lines += 1
            self.size += len(raw)
            line = _taken(self._before, raw)
            if line is not None and line.event == "run":
                self._runs.append(number)
            if line is not None and line.event == "result" and line.id is not None:
                standing = self._before.get(line.id)
                if standing is not None and _is_its_own(standing, line):
                    self._starts[line.id] = number

    def needed(self, lines: Iterable[bytes], at: datetime) -> Iterator[bytes]:
        """Walk the lines to keep, the same ledger given again.

        Args:
            lines: The whole ledger.
            at: When, for the line that carries the sums.

        Raises:
            StoreError: They would not say the same.
        """
        after = Standings()
        left_out = 0
        past_runs = frozenset(self._runs[:-1])
        for number, raw in enumerate(lines):
            if not is_whole(raw):
                continue
            if not self._is_needed(number, raw):
                left_out += 1
                continue
            whole = raw if raw.endswith(b"\n") else raw + b"\n"
            if number in past_runs:
                whole = _without_orphans(whole)
            _taken(after, whole)
            yield whole
        if left_out:
            sums = encode(self._difference(after, at))
            after.take(sums)
            yield sums
        if not after.says_the_same(self._before):
            raise StoreError("the ledger would not say the same; it stays as it was")

    def _is_needed(self, number: int, raw: bytes) -> bool:
        try:
            line = read_line(raw)
        except msgspec.DecodeError:
            return True
        if line is None or line.id is None or line.event not in STEPS:
            return True
        return number >= self._starts.get(line.id, 0) or bool(line.images)

    def _difference(self, after: Standings, at: datetime) -> Compacted:
        """Make the line that carries what the lines left out had added."""
        before = self._before
        return Compacted(
            at=at,
            attempts=before.attempts - after.attempts,
            cost_usd=before.spent - after.spent if before.is_priced else None,
        )


def compact_ledger(
    folder: Path, *, is_live: Callable[[], bool] = lambda: True
) -> Compaction:
    """Rewrite a run directory's ledger; call it with the folder's lock held.

    The old one stays beside it as `ledger.jsonl.1`, or the next free number. At every
    instant the ledger is the whole old one or the whole new one, and a `ledger.jsonl`
    that is being read stays readable. Segments go when the new one, whose first line
    names their writers, is on the disk.

    Args:
        folder: The run directory.
        is_live: Tells whether somebody may still write segments; asked once they are
            listed. Those of writers that come later stay. Without it, nobody knows.

    Raises:
        UsageError: Somebody may.
        StoreError: The disk refuses; the ledger is as it was.
    """
    directory = LocalDirectory(folder)
    segments = listed(directory)
    if segments and is_live():
        words = "wait for them or stop them"
        raise UsageError(f"others may be writing to {str(folder)!r}; {words}")
    writers = dict.fromkeys(each.writer for each in segments)
    before = dict.fromkeys(merged_writers(directory)) if writers else {}
    done = _rewrite(folder, (*(before | writers),))
    # What a crash leaves of them is passed over, and removed by the next compaction.
    directory.remove(each.name for each in segments)
    return msgspec.structs.replace(done, merged=len(segments))


def _rewrite(folder: Path, writers: tuple[str, ...]) -> Compaction:
    """Put a new ledger, these writers' lines within, in the old one's place."""
    path, new = folder / FILE_NAME, folder / NEW_NAME
    compactor = Compactor(_lines(folder, writers))
    head = Compacted(at=now(), attempts=0, cost_usd=None, writers=writers)
    first = (encode(head),) if writers else ()
    try:
        with new.open("wb") as stream:
            needed = compactor.needed(_lines(folder, writers), now())
            lines, size = _write(stream, chain(first, needed))
        kept_as = None
        is_new = bool(writers) or size < compactor.size
        if is_new:
            kept_as = _keep(path)
            new.replace(path)
            sync_names(folder)
    except OSError as error:
        raise StoreError(f"cannot rewrite {str(path)!r}: {error.strerror}") from error
    finally:
        with suppress(OSError):
            new.unlink()
    return Compaction(
        lines_before=compactor.lines,
        lines_after=lines if is_new else compactor.lines,
        bytes_before=compactor.size,
        bytes_after=size if is_new else compactor.size,
        kept_as=kept_as,
    )


def _lines(folder: Path, writers: tuple[str, ...]) -> Iterator[bytes]:
    """Walk the lines of `ledger.jsonl` and of these writers, in order."""
    for file in files(folder):
        if not file.writer or file.writer in writers:
            yield from file.lines


def _is_its_own(standing: Standing, line: Line) -> bool:
    """Tell whether a result alone makes its request stand so."""
    return standing.reply is None and standing.attempts == line.attempts


def _taken(standings: Standings, raw: bytes) -> Line | None:
    """Fold a line as the reader does; None for one that it passes over."""
    if not is_whole(raw):
        return None
    try:
        return standings.take(raw)
    except msgspec.DecodeError:
        return None


def _without_orphans(raw: bytes) -> bytes:
    """Shorten the line of a run that another one followed; the rest as it was."""
    if b'"orphans"' not in raw:
        return raw
    fields = msgspec.json.decode(raw, type=dict[str, msgspec.Raw])
    fields.pop("orphans", None)
    return msgspec.json.encode(fields) + b"\n"


def _write(stream: BinaryIO, lines: Iterable[bytes]) -> tuple[int, int]:
    """Write lines and bring them to the disk; give their number and size."""
    number = 0
    for line in lines:
        stream.write(line)
        number += 1
    stream.flush()
    os.fsync(stream.fileno())
    return number, stream.tell()


def _keep(path: Path) -> str | None:
    """Give the old ledger, if there is one, a second name that nothing has yet."""
    number = 1
    while True:
        kept = path.with_name(f"{path.name}.{number}")
        try:
            kept.hardlink_to(path)
        except FileExistsError:
            number += 1
        except FileNotFoundError:
            return None
        else:
            return kept.name

"""Folds the ledger's lines into where each request stands.

One fold serves the reader, which gets lines from the disk, and the running worker,
whose lines are folded as they are written. Pure: knows nothing of files.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from enum import StrEnum

import msgspec

from batcher.ledger.line import (
    EndLine,
    ImageLine,
    Line,
    ReplyLine,
    RunLine,
    read_end,
    read_line,
    read_run,
)
from batcher.models import ErrorClass, Status

ZERO = Decimal(0)


class State(StrEnum):
    """Where a request stands."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    REJECTED = "rejected"
    UNKNOWN = "unknown"  # sent, outcome not known
    PENDING = "pending"  # tried, known not to be kept, not ended
    REPLIED = "replied"  # paid: its URLs are known and not yet fetched
    LOST = "lost"  # succeeded, but its file is gone or has another size


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """What the ledger says of one request.

    Attributes:
        state: Where it stands.
        attempts: The highest attempt number announced.
        images: Files kept.
        warnings: Codes of its last result.
        error_class: Class of its last error.
        maybe_billed: USD of attempts that may have been billed for nothing.
        open_usd: USD reserved for the attempt that has no outcome yet.
        reply: Its URLs, when it was paid and has to be fetched yet.
        paid: USD of that reply which a result has counted already.
    """

    state: State
    attempts: int = 0
    images: int = 0
    warnings: tuple[str, ...] = ()
    error_class: str | None = None
    maybe_billed: Decimal = ZERO
    open_usd: Decimal | None = None
    reply: ReplyLine | None = None
    paid: Decimal = ZERO

    @property
    def is_open(self) -> bool:
        """Tell whether an image may yet be found: half kept, or at its URL.

        Also of a kept request whose next attempt, a forced one, was interrupted.
        """
        return (
            self.state is State.UNKNOWN
            or self.reply is not None
            or self.open_usd is not None
        )


Holds = Callable[[ImageLine], bool]
"""Tells whether a kept image is still there, with the size the ledger names."""


class Standings:
    """Every request the ledger names, folded line by line.

    Args:
        holds: Checks a kept image; without it none is checked.

    Attributes:
        attempts: Attempt lines.
        spent: USD of all results, each purchase once; replaced ones were paid, too.
        is_priced: Some line named a price.
        run: The last `run` line.
        end: The last `end` line since then; of runs at once, maybe another one's.
        shards: The last run of each shard of the last fleet, and how it ended, by
            part; the last part is 0. Empty when the last run was no part of several.
    """

    def __init__(self, holds: Holds | None = None) -> None:
        self.attempts = 0
        self.spent = ZERO
        self.is_priced = False
        self.run: RunLine | None = None
        self.end: EndLine | None = None
        self.shards: dict[int, tuple[RunLine, EndLine | None]] = {}
        self._holds = holds
        self._by_id: dict[str, Standing] = {}
        self._shared: dict[Standing, Standing] = {}

    def __len__(self) -> int:
        """Count the requests the ledger names."""
        return len(self._by_id)

    def __iter__(self) -> Iterator[str]:
        """Walk the ids the ledger names."""
        return iter(self._by_id)

    def get(self, id_: str) -> Standing | None:
        """Say where a request stands, None when the ledger does not name it."""
        return self._by_id.get(id_)

    def values(self) -> Iterator[Standing]:
        """Walk all standings."""
        return iter(self._by_id.values())

    def maybe_billed(self) -> Decimal:
        """Sum what may have been billed for nothing, open attempts included."""
        return sum(
            (s.maybe_billed + (s.open_usd or ZERO) for s in self._by_id.values()),
            ZERO,
        )

    def trust(self) -> None:
        """Check no more files: what is folded from now on, this process has kept."""
        self._holds = None

    def says_the_same(self, other: Standings) -> bool:
        """Tell whether two ledgers come to the same."""
        return (
            self.attempts == other.attempts
            and self.spent == other.spent
            and self.is_priced is other.is_priced
            and (self.run, self.end) == (other.run, other.end)
            and self.shards == other.shards
            and self._by_id == other._by_id
        )

    def take(self, raw: bytes) -> Line | None:
        """Fold one line of the ledger; one of an unknown event may hold anything.

        Returns:
            The line as it was read; None when it may hold anything.

        Raises:
            msgspec.DecodeError: The line is damaged; nothing of it was folded.
        """
        line = read_line(raw)
        if line is None:
            return None
        if line.event == "run":
            self._begin(read_run(raw))
        elif line.event == "end":
            self._finish(read_end(raw))
        elif line.event == "compacted":
            self.attempts += line.attempts
            self.spent += line.cost_usd or ZERO
            self.is_priced |= line.cost_usd is not None
        else:
            self._fold(line)
        return line

    def take_of(self, raw: bytes, owns: Callable[[str], bool]) -> None:
        """Fold one line, if it is about a request that `owns` tells; never raises."""
        try:
            line = read_line(raw)
        except msgspec.DecodeError:
            return
        if line is not None and line.id is not None and owns(line.id):
            self._fold(line)

    def _begin(self, run: RunLine) -> None:
        """Take in a run; shards of another number are another fleet's."""
        before = self.run.shard if self.run is not None else None
        self.run, self.end = run, None
        if run.shard is None or before is None or run.shard[1] != before[1]:
            self.shards.clear()
        if run.shard is not None:
            part, parts = run.shard
            self.shards[part % max(1, parts)] = run, None

    def _finish(self, end: EndLine) -> None:
        """Take in how a run ended: of several at once, not always the last one."""
        self.end = end
        for part, (run, _) in self.shards.items():
            if run.run == end.run:
                self.shards[part] = run, end

    def _fold(self, line: Line) -> None:
        step = STEPS.get(line.event)
        if step is None or line.id is None:
            return
        if line.event == "attempt":
            self.attempts += 1
        before = self._by_id.get(line.id, _NEW)
        after = step(before, line)
        if line.event == "result":
            if line.cost_usd is not None and not _is_told(before, line):
                self.spent += line.cost_usd - before.paid
            after = self._settle(after, line)
        self._by_id[line.id] = after
        self.is_priced |= line.reserved_usd is not None or line.cost_usd is not None

    def _settle(self, after: Standing, line: Line) -> Standing:
        """Check a result's files, and share equal standings."""
        if after.reply is not None:
            return after
        holds = self._holds
        is_kept = after.state is State.SUCCEEDED
        if is_kept and holds and not all(map(holds, _images(line))):
            after = msgspec.structs.replace(after, state=State.LOST)
        return self._shared.setdefault(after, after)


_NEW = Standing(state=State.PENDING)


def _attempt(before: Standing, line: Line) -> Standing:
    """Open an attempt; one that was still open has become a maybe-billed one.

    A kept image stays kept: who announces another attempt may not have known of it,
    because it came late, from a worker that had lost its shard in the meantime.
    """
    is_kept = before.state is State.SUCCEEDED
    return Standing(
        state=State.SUCCEEDED if is_kept else State.UNKNOWN,
        attempts=max(before.attempts, line.attempt),
        images=before.images if is_kept else 0,
        warnings=before.warnings if is_kept else (),
        maybe_billed=before.maybe_billed + (before.open_usd or ZERO),
        open_usd=line.reserved_usd or ZERO,
    )


def _is_late(before: Standing, attempt: int) -> bool:
    """Tell whether a line is about an attempt that a later one has made good for."""
    return before.state is State.SUCCEEDED and attempt < before.attempts


def _is_told(before: Standing, line: Line) -> bool:
    """Tell whether a result is the second one of an attempt, which is paid once.

    A worker that was frozen has kept what another had adopted meanwhile.
    """
    is_settled = before.state is State.SUCCEEDED and before.open_usd is None
    return is_settled and before.attempts == line.attempts > 0


def _retry(before: Standing, line: Line) -> Standing:
    """Close an attempt; one that was ambiguous is unknown until the next is known.

    Without an open attempt it puts a kept request back, to be made anew.
    """
    if _is_late(before, line.attempt):
        return before
    reserved = before.open_usd or ZERO
    maybe_billed = before.maybe_billed + (reserved if line.maybe_billed else ZERO)
    if before.state is State.SUCCEEDED and before.open_usd is not None:
        changes = {"maybe_billed": maybe_billed, "open_usd": None}
        return msgspec.structs.replace(before, **changes)
    error_class = _error_class(line)
    is_unknown = error_class == ErrorClass.AMBIGUOUS
    return Standing(
        state=State.UNKNOWN if is_unknown else State.PENDING,
        attempts=before.attempts,
        maybe_billed=maybe_billed,
        error_class=error_class,
    )


def _reply(before: Standing, line: Line) -> Standing:
    if _is_late(before, line.attempt):
        return before
    return msgspec.structs.replace(
        before,
        state=State.REPLIED,
        reply=ReplyLine(
            attempt=line.attempt,
            urls=line.urls,
            indexes=line.indexes,
            request_id=line.request_id,
            revised_prompts=line.revised_prompts,
            usage=line.usage,
        ),
    )


def _unknown(before: Standing, line: Line) -> Standing:
    if before.state is State.SUCCEEDED:
        return before
    return msgspec.structs.replace(
        before, state=State.UNKNOWN, error_class=_error_class(line)
    )


def _result(before: Standing, line: Line) -> Standing:
    status = State(line.status or Status.FAILED)
    if _is_late(before, line.attempts) and status is not State.SUCCEEDED:
        return before
    error_class = _error_class(line)
    is_lost = error_class == ErrorClass.DOWNLOAD and before.reply is not None
    cost = before.paid if line.cost_usd is None else line.cost_usd
    return Standing(
        state=status,
        attempts=max(before.attempts, line.attempts),
        images=len(_images(line)),
        warnings=line.warnings if isinstance(line.warnings, tuple) else (),
        error_class=error_class,
        maybe_billed=line.maybe_billed_usd or ZERO,
        open_usd=before.open_usd if line.attempts < before.attempts else None,
        reply=before.reply if is_lost else None,
        paid=cost if is_lost else ZERO,
    )


def _error_class(line: Line) -> str | None:
    return line.error.error_class if line.error else None


def _images(line: Line) -> tuple[ImageLine, ...]:
    return line.images if isinstance(line.images, tuple) else ()


STEPS: dict[str, Callable[[Standing, Line], Standing]] = {
    "attempt": _attempt,
    "retry": _retry,
    "reply": _reply,
    "unknown": _unknown,
    "result": _result,
}

"""Folds all of a ledger's lines: where every request stands, the sums and the runs.

One fold serves the reader, which gets lines from the disk, and the running worker,
whose lines are folded as they are written. Pure: knows nothing of files.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import msgspec

from batcher.ledger.line import (
    EndLine,
    ImageLine,
    Line,
    RunLine,
    read_end,
    read_line,
    read_run,
)
from batcher.ledger.standing import (
    NEW,
    STEPS,
    ZERO,
    Standing,
    State,
    images_of,
    is_told,
)

if TYPE_CHECKING:
    from decimal import Decimal

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
            Their orphans are not held: `run` has the last one's.
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
        self._names: dict[str, str] = {}  # of requests without a result since
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

    def name(self, id_: str) -> str | None:
        """Say the name of a request that was sent and has no result since."""
        return self._names.get(id_)

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
            and self._names == other._names
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
        if line.event in STEPS:
            if line.id is None:
                raise msgspec.ValidationError("it is about a request, and names none")
            self._fold(line)
        elif line.event == "run":
            self._begin(read_run(raw))
        elif line.event == "end":
            self._finish(read_end(raw))
        elif line.event == "compacted":
            self.attempts += line.attempts
            self.spent += line.cost_usd or ZERO
            self.is_priced |= line.cost_usd is not None
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
            lean = msgspec.structs.replace(run, orphans=())
            self.shards[part % max(1, parts)] = lean, None

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
        before = self._by_id.get(line.id, NEW)
        after = step(before, line)
        if line.event == "attempt":
            self.attempts += 1
            if line.name is not None:
                self._names[line.id] = line.name
        elif line.event == "result":
            self._names.pop(line.id, None)
            if line.cost_usd is not None and not is_told(before, line):
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
        if is_kept and holds and not all(map(holds, images_of(line))):
            after = msgspec.structs.replace(after, state=State.LOST)
        return self._shared.setdefault(after, after)

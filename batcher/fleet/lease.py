"""One worker's hold on one shard.

Why two workers never send for one shard. Let `T` be the time to live (60 s).

- A holder counts a heartbeat from the *start* of its write, on its own clock, and holds
  for `T/2` after the start of the last one that was whole by then: written, listed, no
  higher epoch seen. A write that takes 40 s is over too late to count. A hold that has
  lapsed once is lost for ever, whatever is written after.
- A taker makes the next epoch only when the last write is `T` old, by the keeper's
  clock alone: the time of a file that the taker has just written, minus theirs. The
  keeper may count in whole seconds, which shortens the true age by 1 s at most. The
  listing may be late; what it shows is then younger than told, never older.
- The last good write was kept no earlier than it was started. So when the taker may
  act, `T - 1 s` have passed since that start, and the hold has been over for
  `T/2 - 1 s`: 29 s for clocks that run apart and for a POST that was just leaving.
- `T` is the holder's own, which its file says, or the taker's, should that be longer;
  and nobody joins those who go by another one.
- A holder that is a process of this machine, and is surely dead, sends nothing more:
  its shard is taken at once (`Holder.is_gone`).
- Of several takers, the one whose `create` of the next epoch is told true has it.

Both clocks must count sleep: a laptop that was closed for an hour has lost its lease.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import msgspec

from batcher.errors import StoreError, UsageError
from batcher.fleet.holder import TTL, Holder, decoded
from batcher.fleet.purse import Note
from batcher.fleet.roster import FOLDER, Roster, beacon_name, label_of
from batcher.fleet.session import Session
from batcher.stores import check_exclusive

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from batcher.stores import Directory, Entry

__all__ = ["TTL", "HeldError", "Lease", "awake", "busy"]

_SLEEPLESS = getattr(time, "CLOCK_BOOTTIME", getattr(time, "CLOCK_MONOTONIC", None))


def awake() -> float:
    """Give seconds of a clock that goes on while the machine sleeps.

    On Linux `CLOCK_MONOTONIC` stands still in a suspended machine, and a holder that
    wakes up would think that its heartbeat was a moment ago; `CLOCK_BOOTTIME` goes on
    (clock_gettime(2)). On macOS `CLOCK_MONOTONIC` goes on (clock_gettime(3)), and on
    Windows, which has neither, the performance counter does.
    """
    if _SLEEPLESS is None:  # pragma: no cover - Windows
        return time.perf_counter()
    return time.clock_gettime(_SLEEPLESS)


class HeldError(UsageError):
    """Another worker holds the shard, or held it a moment ago."""


class Lease:
    """A shard that one worker holds.

    `acquire`, `heartbeat` and `release` block and are called by one thread at a time;
    `is_held` may be asked at any moment by any other.

    Attributes:
        directory: Where it is written down.
        shard: Part and parts, as in a `Selection`.
        label: The shard, `0003-of-0016`.
        epoch: Which of the shard's holders this is, counted from 1.
        session: What it is a member of while it holds.
        lost: Why it holds no longer.
        inherited: What the last holder has left.
    """

    def __init__(
        self,
        directory: Directory,
        shard: tuple[int, int],
        *,
        ttl: float = TTL,
        clock: Callable[[], float] = awake,
        holder: Holder | None = None,
    ) -> None:
        self.label = label_of(shard)
        self.epoch = 0
        self.session = Session(directory, ttl=ttl, clock=clock)
        self.lost: str | None = "it was never held"
        self.inherited = Note()
        self.ttl = ttl
        self.shard = shard
        self.directory = directory
        self._clock = clock
        self._holder = msgspec.structs.replace(holder or Holder(), ttl=ttl)
        self._good = 0.0

    def acquire(self) -> Roster:
        """Take the shard.

        Returns:
            Who is at work.

        Raises:
            UsageError: Somebody else holds it, or a shard of another number of shards,
                or the directory gives one name to two.
            StoreError: The directory cannot be read or written.
        """
        start = self._clock()
        self.epoch = self._vacant_epoch() + 1
        name = self._epoch_name(self.epoch)
        if not self.directory.create(name, self._encoded(self.inherited)):
            raise HeldError(self._taken(name, self.epoch))
        roster = self._sign_of_life(self.inherited)
        try:
            self._check_parts(roster)
        except UsageError:
            self._give_back(self.inherited)
            raise
        self.session.attend(roster, self.label)
        if self.epoch > 1:
            self.directory.remove([beacon_name(self.label, self.epoch - 1)])
        if self._clock() >= start + self.ttl / 2:
            raise StoreError(f"{str(self.directory)!r} answers too slowly to be shared")
        self._good, self.lost = start, None
        return roster

    def is_held(self) -> bool:
        """Tell whether one more request may leave; asked just before each POST.

        Between this answer and the kernel's taking the bytes nothing may be awaited.
        """
        return self.lost is None and self._clock() < self._good + self.ttl / 2

    def heartbeat(self, note: Note) -> Roster | None:
        """Say that the holder lives, and look who else does.

        Args:
            note: What the next holder has to know.

        Returns:
            Who is at work; None when the shard is lost, see `lost`.

        Raises:
            StoreError: It failed; to be tried again as long as `is_held`.
        """
        start = self._clock()
        if self.lost is None and not self.is_held():
            self.lose("no sign of life for too long")
        if self.lost is not None:
            return None
        roster = self._sign_of_life(note)
        beacon = roster.beacons.get(self.label)
        if beacon is None or beacon.epoch != self.epoch:
            self.lose("another worker has taken the shard over")
        elif not self.session.attend(roster, self.label):
            self.lose("the fleet has begun anew without this worker")
        else:
            self._keep(start)
        return None if self.lost else roster

    def release(self, note: Note) -> None:
        """End the hold, so that the next worker need not wait; nothing is in flight.

        Raises:
            StoreError: It failed; the hold then ends by itself.
        """
        is_mine = self.lost is None
        self.lose("it was given back")
        if is_mine:
            self._give_back(note)
        else:
            self.directory.remove([beacon_name(self.label, self.epoch)])

    def lose(self, reason: str) -> None:
        """Hold no longer; the first reason stays."""
        self.lost = self.lost or reason

    def _give_back(self, note: Note) -> None:
        name = f"{self._epoch_name(self.epoch)}.released"
        self.directory.create(name, self._encoded(note))
        self.directory.remove([beacon_name(self.label, self.epoch)])

    def _keep(self, start: float) -> None:
        """Count a heartbeat from its start, unless the hold ran out meanwhile."""
        if self._clock() < self._good + self.ttl / 2:
            self._good = start
        else:
            self.lose("no sign of life for too long")

    def _vacant_epoch(self) -> int:
        """Give the last epoch of the shard, one that is over."""
        now = check_exclusive(self.directory, prefix="shards/probe-")
        epochs: dict[int, Entry] = {}
        released: set[int] = set()
        for entry in self.directory.entries(f"shards/{self.label}/epoch-"):
            number, _, rest = entry.name.rpartition("epoch-")[2].partition(".")
            if number.isdecimal() and not rest:
                epochs[int(number)] = entry
            elif number.isdecimal() and rest == "released":
                released.add(int(number))
        if not epochs:
            return 0
        last = max(epochs)
        beacon = beacon_name(self.label, last)
        if last in released:
            beacon = f"{self._epoch_name(last)}.released"
        seen = self.directory.entry(beacon) or epochs[last]
        seen_at = max(seen.modified, epochs[last].modified)
        holder = decoded(
            self.directory.read(beacon) or self.directory.read(epochs[last].name)
        )
        is_over = last in released or holder.is_gone
        ttl = max(self.ttl, holder.ttl)
        if not is_over and (now - seen_at).total_seconds() < ttl:
            raise HeldError(self._taken(beacon, last, now=now, seen=seen_at))
        self.inherited = holder.note
        return last

    def _sign_of_life(self, note: Note) -> Roster:
        """Write that the holder lives, and list who else does."""
        name = beacon_name(self.label, self.epoch)
        self.directory.write(name, self._encoded(note))
        entries = list(self.directory.entries(FOLDER))
        now = next((each.modified for each in entries if each.name == name), None)
        if now is None:
            raise StoreError(f"{name!r} was written and is not listed")
        return Roster.read(entries, now=now)

    def _check_parts(self, roster: Roster) -> None:
        parts = self.label.rpartition("-")[2]
        for label, holder in busy(self.directory, roster, self.ttl).items():
            if holder.ttl not in {0.0, self.ttl}:
                raise UsageError(
                    f"shard {label} is being worked on with a lease of "
                    f"{holder.ttl:g} s, not {self.ttl:g}; use the same for all"
                )
            if label.rpartition("-")[2] != parts:
                raise UsageError(
                    f"shard {label} is being worked on; shards of different numbers "
                    "overlap, so use the same number, or wait until it has ended"
                )

    def _taken(
        self,
        name: str,
        epoch: int,
        *,
        now: datetime | None = None,
        seen: datetime | None = None,
    ) -> str:
        """Say who holds the shard."""
        data = self.directory.read(name)
        data = data or self.directory.read(self._epoch_name(epoch))
        holder = decoded(data)
        age = (now - seen).total_seconds() if now and seen else 0.0
        ttl = max(self.ttl, holder.ttl)
        return (
            f"shard {self.label} is held by process {holder.pid} on {holder.host!r} "
            f"since {holder.since:%Y-%m-%dT%H:%M:%SZ}, last seen {age:.0f} s ago; "
            f"it may be taken over {ttl:.0f} s after its last sign of life"
        )

    def _epoch_name(self, epoch: int) -> str:
        return f"shards/{self.label}/epoch-{epoch:06}"

    def _encoded(self, note: Note) -> bytes:
        return msgspec.json.encode(msgspec.structs.replace(self._holder, note=note))


def busy(directory: Directory, roster: Roster, ttl: float) -> dict[str, Holder]:
    """Give the shards whose holders may live; a process known to be dead does not.

    Raises:
        StoreError: The directory cannot be read.
    """
    busy = {}
    for label, beacon in roster.beacons.items():
        holder = decoded(directory.read(beacon_name(label, beacon.epoch)))
        is_silent = roster.age(beacon.modified) >= max(ttl, holder.ttl)
        if not is_silent and not holder.is_gone:
            busy[label] = holder
    return busy

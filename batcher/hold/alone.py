"""A folder that is one run's alone, by a lock; commands come through a socket in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batcher.count import NOTHING, count_ledger
from batcher.errors import UsageError
from batcher.fleet import crew_of
from batcher.governor import Budget
from batcher.hold.held import close, prepared
from batcher.ledger import LedgerWriter, lock_folder
from batcher.remote import RemoteControl
from batcher.stores import LocalStore

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager, AsyncExitStack
    from pathlib import Path

    from batcher.hold.held import Stage
    from batcher.job import Job
    from batcher.ledger import Ledger
    from batcher.stores import Store


class Alone:
    """A folder that is this run's alone."""

    def __init__(self, job: Job, folder: Path, ledger: Ledger) -> None:
        standings = ledger.standings
        self.job = job
        self.ledger = ledger
        self.store: Store = LocalStore(folder)
        self.budget = Budget(
            spent=standings.spent,
            unknown=standings.maybe_billed(),
            images=count_ledger(standings).images,
        )
        self.others = NOTHING
        self._folder = folder

    def is_ours(self) -> bool:
        """Say yes: the lock is held as long as this process lives."""
        return True

    def attended(self, stage: Stage) -> AbstractAsyncContextManager[object]:
        """Listen to the folder's socket."""
        return RemoteControl(self._folder, stage.handle)

    def refused(self, ipm: float) -> None:
        """Tell nobody: nobody else is at work."""


async def take_alone(job: Job, resources: AsyncExitStack) -> Alone:
    """Take a folder, to be given back when `resources` are closed."""
    folder = prepared(job)
    lock = lock_folder(folder)
    resources.callback(lock.release)
    crew = crew_of(job.directory, ttl=job.settings.lease)
    if crew is not None:
        who = f"shard {crew.shards[0]}" if crew.shards else "shard after shard"
        words = f"{who} of it is being worked on"
        raise UsageError(f"{job.out!r}: {words}; wait for it or stop it")
    standings, size = job.reading.standings, job.reading.size
    ledger = LedgerWriter(folder, standings, expected_size=size)
    resources.push_async_callback(close, ledger)
    return Alone(job, folder, ledger)

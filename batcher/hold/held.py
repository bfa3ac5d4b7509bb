"""What a run holds of its run directory, and what it lets others do to it."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol

from batcher.errors import StoreError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from batcher.count import Sums
    from batcher.fleet import Quota
    from batcher.governor import Budget
    from batcher.job import Job
    from batcher.ledger import Ledger
    from batcher.models import Failure
    from batcher.remote import Command
    from batcher.stores import Store


class Stage(Protocol):
    """What a run lets others do to it while it goes on."""

    def handle(self, command: Command) -> Mapping[str, object]:
        """Carry a command out; raises `UsageError`."""

    def limit(self, quota: Quota) -> None:
        """Keep to this from now on; whoever waits is to ask anew."""

    def stop(self, failure: Failure) -> None:
        """Let nothing leave any more; what is out may come in."""


class Held(Protocol):
    """A run directory in this run's hands.

    Attributes:
        job: What to do, planned with the ledger as it is now.
        ledger: Its open end.
        store: Where images go.
        budget: What was spent, of this run's part of the money.
        others: What of the ledger was others' when this run began.
    """

    job: Job
    ledger: Ledger
    store: Store
    budget: Budget
    others: Sums

    def is_ours(self) -> bool:
        """Tell whether one more request may leave."""

    def attended(self, stage: Stage) -> AbstractAsyncContextManager[object]:
        """Pass on what others say, to a run that goes on within."""

    def refused(self, ipm: float) -> None:
        """Note a 429, and the images a minute that were let in."""


def prepared(job: Job) -> Path:
    """Make the run directory's folder."""
    folder = job.folder
    if folder is None:
        raise UsageError(f"{job.out!r} is no folder")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        message = f"cannot make {str(folder)!r}: {error.strerror}"
        raise UsageError(message) from error
    return folder


async def close(ledger: Ledger) -> None:
    """Close the ledger; a disk that refuses was reported when it first did."""
    with suppress(StoreError):
        await asyncio.to_thread(ledger.close)

"""Takes a run directory for one run, and gives it back: others do not interfere.

A folder is one run's alone. Where several work at once, on shards or in an object
store, each holds its shard.
"""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

from batcher.errors import StoreError, UsageError
from batcher.hold.alone import take_alone
from batcher.hold.held import Held, Stage
from batcher.hold.shared import take_shared

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from batcher.job import Job

__all__ = ["Held", "Stage", "hold"]


@asynccontextmanager
async def hold(job: Job) -> AsyncIterator[Held]:
    """Take a job's run directory.

    Raises:
        UsageError: Others are at work there, or it refuses; nothing was sent.
    """
    async with AsyncExitStack() as resources:
        take = take_shared if job.is_shared else take_alone
        try:
            held: Held = await take(job, resources)
            held.ledger.standings.trust()
        except StoreError as error:
            raise UsageError(str(error)) from error
        yield held

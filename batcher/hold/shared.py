"""One shard of a run directory, held by a lease while others work on theirs.

Commands, pace and money are one for all: see `fleet`.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import (
    AbstractAsyncContextManager,
    AsyncExitStack,
    asynccontextmanager,
    nullcontext,
    suppress,
)
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from batcher.count import Sums, count_ledger
from batcher.errors import UsageError
from batcher.fleet import (
    Allowance,
    HeldError,
    Lease,
    Member,
    Order,
    PurseTerms,
    Quota,
)
from batcher.hold.held import close, prepared
from batcher.job import Job
from batcher.ledger import Standings, lock_folder, writer_name
from batcher.ledger.merge import files
from batcher.ledger.segment_writer import SegmentWriter
from batcher.ledger.shared_writer import SharedWriter
from batcher.models import ErrorClass, Failure
from batcher.remote import Command
from batcher.stores import LocalDirectory, LocalStore, open_directory, open_store

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from batcher.governor import Budget
    from batcher.hold.held import Stage
    from batcher.ledger import Ledger
    from batcher.stores import Directory, Store

_log = logging.getLogger(__name__)

JOINING = 5.0
"""Seconds that one worker who joins may wait for another who does."""


class LostError(UsageError):
    """The shard was lost before anything was sent."""


class Shared:
    """One shard of a run directory; a `fleet.MemberListener`."""

    job: Job
    ledger: Ledger
    store: Store
    budget: Budget
    others: Sums

    def __init__(self, job: Job, lease: Lease) -> None:
        wish = _wish(job)
        self.job = job
        self.lease = lease
        since = job.options.orders_after
        self.member = Member(lease, wish=wish, listener=self, since=since)
        self._stage: Stage | None = None
        self._wish = self._quota = wish
        self._orders: list[Order] = []
        self._reason: str | None = None

    def is_ours(self) -> bool:
        """Tell whether the lease is held; the run is stopped as soon as it is not.

        Who was frozen would else announce one attempt after the other, and hold each
        back, until the next heartbeat notices.
        """
        is_held = self.member.is_held()
        if not is_held and self._reason is None:
            self.lost(self.lease.lost or "no sign of life for too long")
        return is_held

    def refused(self, ipm: float) -> None:
        """Tell the others."""
        self.member.refused(ipm)

    def attended(self, stage: Stage) -> AbstractAsyncContextManager[object]:
        """Pass on what the fleet says, and what it said before."""
        self._stage = stage
        stage.limit(self._quota)
        if self._reason is not None:
            self.lost(self._reason)
        orders, self._orders = self._orders, []
        for order in orders:
            self.ordered(order)
        return nullcontext()

    def lost(self, reason: str) -> None:
        """Stop the run: its shard is another's by now."""
        self._reason = reason
        if self._stage is not None:
            words = f"shard {self.lease.label} is no longer held here: {reason}"
            failure = Failure(error_class=ErrorClass.LEASE, message=words)
            self._stage.stop(failure)

    def changed(self, quota: Quota) -> None:
        """Pass on what this worker may do from now on."""
        self._quota = quota
        if self._stage is not None:
            self._stage.limit(quota)

    def ordered(self, order: Order) -> None:
        """Pass an order on; one that makes no sense here is passed over."""
        if self._stage is None:
            self._orders.append(order)
            return
        with suppress(UsageError, ValueError):
            self._stage.handle(Command(name=order.name, value=order.value))

    async def open(self) -> None:
        """Read the ledger anew, now that the shard is held, and get to work."""
        job, lease = self.job, self.lease
        # Where nothing is shared but the work, nobody needs to know of this worker.
        is_known = self._wish == Quota() or await self.member.settled()
        if not is_known or not self.is_ours():
            raise LostError(f"{job.out!r}: {self._reason or lease.lost}")
        job = self.job = await asyncio.to_thread(Job, job.options, job.environment)
        own = await asyncio.to_thread(_read_own, job)
        self.others = Sums.of(job.reading.standings).without(Sums.of(own))
        self.budget = allowance = Allowance(
            self.member.want,
            spent=own.spent,
            unknown=own.maybe_billed(),
            images=count_ledger(own).images,
        )
        if job.settings.max_spend is not None:
            total = job.reading.standings
            wish = PurseTerms.fit(
                job.settings.max_spend,
                base=total.spent + total.maybe_billed(),
                usual=_usual_worst(job),
                parts=lease.shard[1],
            )
            await self.member.open_purse(
                wish, spent=allowance.used, used=lambda: allowance.used
            )
        self.store, self.ledger = self._open_ends(job)

    def _open_ends(self, job: Job) -> tuple[Store, Ledger]:
        standings = job.reading.standings
        if isinstance(job.directory, LocalDirectory):
            folder = job.directory.folder
            return LocalStore(folder, is_shared=True), SharedWriter(folder, standings)
        shard, shards = self.lease.shard
        writer = writer_name(
            datetime.now(UTC),
            shard=shard,
            shards=shards,
            epoch=self.lease.epoch,
            after=max(job.reading.writers, default=""),
        )
        ledger = SegmentWriter(job.directory, writer, standings)
        return open_store(job.directory), ledger


async def take_shared(job: Job, resources: AsyncExitStack) -> Shared:
    """Take a shard, to be given back when `resources` are closed."""
    shard = job.shard or (1, 1)
    if shard[1] > 1 and job.settings.max_images is not None:
        raise UsageError("max_images cannot be kept to by several shards; use --first")
    while True:
        held = Shared(job, Lease(_impatient(job), shard, ttl=job.settings.lease))
        async with AsyncExitStack() as taken:
            if await _began(held, taken):
                await resources.enter_async_context(taken.pop_all())
                return held
        await asyncio.sleep(held.lease.ttl / 6)


async def _began(held: Shared, resources: AsyncExitStack) -> bool:
    """Take the shard and get to work; false when it is to be waited for."""
    if not await _joined(held, resources):
        return False
    await resources.enter_async_context(_kept_up(held.member))
    _log.info("shard %s is held, epoch %d", held.lease.label, held.lease.epoch)
    try:
        await held.open()
    except LostError:
        if not held.job.options.wait_for_shard:
            raise
        return False
    resources.push_async_callback(close, held.ledger)
    return True


async def _joined(held: Shared, resources: AsyncExitStack) -> bool:
    """Take the shard; false when another has it, and it is to be waited for."""
    lock = None
    if isinstance(held.job.directory, LocalDirectory):
        lock = lock_folder(prepared(held.job), seconds=JOINING)
    try:
        await resources.enter_async_context(held.member)
    except HeldError:
        if not held.job.options.wait_for_shard:
            raise
        return False
    finally:
        # A run of the whole looks for leases once it has the lock.
        if lock is not None:
            lock.release()
    return True


@asynccontextmanager
async def _kept_up(member: Member) -> AsyncIterator[None]:
    """Go the rounds beside what is done within."""
    ended = asyncio.Event()
    rounds = asyncio.create_task(member.keep_up(ended), name="lease")
    try:
        yield
    finally:
        ended.set()
        await rounds


def _impatient(job: Job) -> Directory:
    """Open the directory anew, so that one slow answer does not cost the lease."""
    return open_directory(job.out, patience=job.settings.lease / 6)


def _read_own(job: Job) -> Standings:
    """Fold what the ledger says of this shard's requests alone."""
    own = Standings()
    for file in files(job.directory):
        for raw in file.lines:
            own.take_of(raw, job.owns)
    return own


def _wish(job: Job) -> Quota:
    """Say what all workers together may do.

    Beside fallbacks, the endpoint's own pace is no setting of the run. For a fleet it
    is: nobody knows what the others send along which way.
    """
    settings = job.settings
    own = job.endpoint.pace() if job.endpoint and job.fallbacks else {}
    return Quota(
        ipm=settings.ipm or own.get("ipm"),
        rpm=settings.rpm or own.get("rpm"),
        max_spend=settings.max_spend,
    )


def _usual_worst(job: Job) -> Decimal:
    """Give the most that one of the requests to send costs, on average."""
    if not job.plan.to_send or job.plan.worst_usd is None:
        return Decimal(0)
    return job.plan.worst_usd / job.plan.to_send

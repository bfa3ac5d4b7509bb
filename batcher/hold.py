"""Takes a run directory for one run, and gives it back: others do not interfere.

A folder is one run's alone, by a lock, and commands come through a socket in it. Where
several work at once, on shards or in an object store, each holds its shard by a lease,
and commands, pace and money are one for all: see `fleet`.
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
from typing import TYPE_CHECKING, Protocol

from batcher.count import count_ledger
from batcher.errors import StoreError, UsageError
from batcher.fleet import (
    Allowance,
    HeldError,
    Lease,
    Member,
    Order,
    Quota,
    Terms,
    at_work,
)
from batcher.governor import Budget
from batcher.job import Job
from batcher.ledger import Ledger, LedgerWriter, Standings, lock_folder, writer_name
from batcher.ledger.merge import files
from batcher.ledger.segment_writer import SegmentWriter
from batcher.ledger.shared_writer import SharedWriter
from batcher.models import ErrorClass, Failure
from batcher.remote import Command, RemoteControl
from batcher.stores import (
    Directory,
    LocalDirectory,
    LocalStore,
    Store,
    open_directory,
    open_store,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from pathlib import Path

_log = logging.getLogger(__name__)

JOINING = 5.0
"""Seconds that one worker who joins may wait for another who does."""


class Stage(Protocol):
    """What a run lets others do to it while it goes on."""

    def handle(self, command: Command) -> Mapping[str, object]:
        """Carry a command out; raises `UsageError`."""

    def limit(self, quota: Quota) -> None:
        """Keep to this from now on; whoever waits is to ask anew."""

    def stop(self, failure: Failure) -> None:
        """Let nothing leave any more; what is out may come in."""


class Hold(Protocol):
    """A run directory in this run's hands.

    Attributes:
        job: What to do, planned with the ledger as it is now.
        ledger: Its open end.
        store: Where images go.
        budget: What was spent, of this run's part of the money.
    """

    job: Job
    ledger: Ledger
    store: Store
    budget: Budget

    def is_ours(self) -> bool:
        """Tell whether one more request may leave."""

    def attended(self, stage: Stage) -> AbstractAsyncContextManager[object]:
        """Pass on what others say, to a run that goes on within."""

    def refused(self, ipm: float) -> None:
        """Note a 429, and the images a minute that were let in."""


@asynccontextmanager
async def hold(job: Job) -> AsyncIterator[Hold]:
    """Take a job's run directory.

    Raises:
        UsageError: Others are at work there, or it refuses; nothing was sent.
    """
    async with AsyncExitStack() as resources:
        take = _share if job.is_shared else _own
        try:
            held = await take(job, resources)
            held.ledger.standings.trust()
        except StoreError as error:
            raise UsageError(str(error)) from error
        yield held


class _Own:
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
        self._folder = folder

    def is_ours(self) -> bool:
        """Say yes: the lock is held as long as this process lives."""
        return True

    def attended(self, stage: Stage) -> AbstractAsyncContextManager[object]:
        """Listen to the folder's socket."""
        return RemoteControl(self._folder, stage.handle)

    def refused(self, ipm: float) -> None:
        """Tell nobody: nobody else is at work."""


async def _own(job: Job, resources: AsyncExitStack) -> Hold:
    folder = _prepared(job)
    lock = lock_folder(folder)
    resources.callback(lock.release)
    working = at_work(job.directory, ttl=job.settings.lease)
    if working:
        words = f"shard {working[0]} of it is being worked on"
        raise UsageError(f"{job.out!r}: {words}; wait for it or stop it")
    standings, size = job.reading.standings, job.reading.size
    ledger = LedgerWriter(folder, standings, expected_size=size)
    resources.push_async_callback(_close, ledger)
    return _Own(job, folder, ledger)


class _Share:
    """One shard of a run directory; a `fleet.Listener`."""

    job: Job
    ledger: Ledger
    store: Store
    budget: Budget

    def __init__(self, job: Job, lease: Lease) -> None:
        settings = job.settings
        wish = Quota(ipm=settings.ipm, rpm=settings.rpm, max_spend=settings.max_spend)
        self.job = job
        self.lease = lease
        self.member = Member(lease, wish=wish, listener=self)
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
        with suppress(UsageError):
            self._stage.handle(Command(name=order.name, value=order.value))

    async def open(self) -> None:
        """Read the ledger anew, now that the shard is held, and get to work."""
        job, lease = self.job, self.lease
        # Where nothing is shared but the work, nobody needs to know of this worker.
        is_known = self._wish == Quota() or await self.member.settled()
        if not is_known or not self.is_ours():
            raise UsageError(f"{job.out!r}: {self._reason or lease.lost}")
        job = self.job = await asyncio.to_thread(Job, job.options, job.environment)
        own = await asyncio.to_thread(_read_own, job)
        self.budget = allowance = Allowance(
            self.member.want,
            spent=own.spent,
            unknown=own.maybe_billed(),
            images=count_ledger(own).images,
        )
        if job.settings.max_spend is not None:
            total = job.reading.standings
            wish = Terms.fit(
                job.settings.max_spend,
                base=total.spent + total.maybe_billed(),
                dearest=_typical_worst(job),
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


async def _share(job: Job, resources: AsyncExitStack) -> Hold:
    shard = job.shard or (1, 1)
    if shard[1] > 1 and job.settings.max_images is not None:
        raise UsageError("max_images cannot be kept to by several shards; use --first")
    lease = Lease(_impatient(job), shard, ttl=job.settings.lease)
    held = _Share(job, lease)
    while True:
        if await _joined(held, resources):
            break
        await asyncio.sleep(lease.ttl / 6)
    await resources.enter_async_context(_kept_up(held.member))
    _log.info("shard %s is held, epoch %d", lease.label, lease.epoch)
    await held.open()
    resources.push_async_callback(_close, held.ledger)
    return held


async def _joined(held: _Share, resources: AsyncExitStack) -> bool:
    """Take the shard; false when another has it, and it is to be waited for."""
    lock = None
    if isinstance(held.job.directory, LocalDirectory):
        lock = lock_folder(_prepared(held.job), seconds=JOINING)
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


async def _close(ledger: Ledger) -> None:
    """Close the ledger; a disk that refuses was reported when it first did."""
    with suppress(StoreError):
        await asyncio.to_thread(ledger.close)


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


def _typical_worst(job: Job) -> Decimal:
    """Give the most that one of the requests to send costs, on average."""
    if not job.plan.to_send or job.plan.worst_usd is None:
        return Decimal(0)
    return job.plan.worst_usd / job.plan.to_send


def _prepared(job: Job) -> Path:
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

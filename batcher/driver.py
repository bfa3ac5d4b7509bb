"""One run on many workers, from start to end: the shards handed out, the sum given.

Sends nothing itself: each shard is the ordinary program, started by an engine, and what
they all have done is read from the run directory. Knows nothing of terminals.
"""

from __future__ import annotations

import asyncio
import os
import time
from typing import TYPE_CHECKING

import msgspec

from batcher.consent import check_consent
from batcher.control import BY_HAND, INTERRUPTED
from batcher.count import Count
from batcher.engines.dispatcher import Dispatcher, Fate
from batcher.engines.factory import make_engine
from batcher.errors import ManifestError, StoreError, UsageError
from batcher.fleet import DriverSign
from batcher.fleet_follower import FleetFollower
from batcher.job import Job, require_endpoint
from batcher.ledger import read_ledger
from batcher.ledger.presence import presence
from batcher.models import ErrorClass
from batcher.plural import counted
from batcher.selection import Selection
from batcher.shard_command import shard_arguments

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from decimal import Decimal

    from batcher.control import Control
    from batcher.engines.dispatcher import DispatchListener, ShardOutcome
    from batcher.fleet_view import FleetView, Named
    from batcher.governor import Snapshot
    from batcher.ledger import Standings
    from batcher.models import Summary
    from batcher.observer import Observer

PER_WORKER = 4
"""Shards for each worker, unless told otherwise: a slow one does not decide the end."""


class Fleet:
    """What an observer may look at while a fleet works; counts workers and shards.

    Args:
        job: The run, all shards together.
        view: What is known of it.
        parts: Shards.
        listener: Is told of them as well.
    """

    def __init__(
        self, job: Job, view: FleetView, *, parts: int, listener: DispatchListener
    ) -> None:
        self.job = job
        self._view = view
        self._listener = listener
        self._parts = parts
        self._workers = self._done = 0
        self._busy: dict[int, Selection] = {}

    @property
    def count(self) -> Count:
        """Give the requests by where they stand."""
        return self._view.count

    @property
    def max_spend(self) -> Decimal | None:
        """Give the USD that the run directory may cost."""
        return self._view.limits.max_spend

    def snapshot(self) -> Snapshot:
        """Tell the pace and the money."""
        return self._view.snapshot()

    def remark(self) -> str:
        """Say how many workers are busy, and how many shards done."""
        shards = f"{self._done} of {counted(self._parts, 'shard')}"
        return f"{len(self._busy)} of {counted(self._workers, 'worker')}, {shards}"

    def is_over(self, id_: str, _: float) -> bool:
        """Tell whether no worker has a request, as far as its id says whose it is."""
        if not self._busy:
            return True
        if not self.job.excerpt.is_whole:
            return False
        try:
            return not any(shard.has_id(id_) for shard in self._busy.values())
        except ValueError:  # none of ours: somebody else wrote it
            return True

    def workers(self, number: int) -> None:
        """Note how many there are."""
        self._workers = number
        self._listener.workers(number)

    def shard_began(self, part: int, tries: int) -> None:
        """Note that a worker is busy."""
        self._busy[part] = Selection(shard=(part, self._parts))
        self._view.workers = len(self._busy)
        self._listener.shard_began(part, tries)

    def shard_ended(self, outcome: ShardOutcome, delay: float | None) -> None:
        """Note that a worker is free, and perhaps a shard done."""
        del self._busy[outcome.part]
        self._view.workers = len(self._busy)
        self._done += outcome.fate is Fate.DONE
        self._listener.shard_ended(outcome, delay)


async def drive(
    job: Job,
    *,
    observer: Observer[Named, Fleet],
    listener: DispatchListener,
    control: Control,
    rehearsal: tuple[str, ...] = (),
) -> Summary:
    """Do a run on the workers of an engine.

    Args:
        job: What to do, all shards together, and by which engine.
        observer: Is told how it goes, soon after.
        listener: Is told of workers and shards.
        control: Stops it from outside.
        rehearsal: Flags of `run` for the sandbox that each shard starts.

    Returns:
        What the run directory holds now; where it cannot be read any more, what was
        seen of it.

    Raises:
        UsageError: The run cannot start; nothing was sent.
        StoreError: The run directory cannot be read or written; nothing was sent.
    """
    require_endpoint(job)
    check_consent(job)
    attempts = job.reading.standings.attempts
    arguments = shard_arguments(job)
    sign = await asyncio.to_thread(DriverSign, job.directory, ttl=job.settings.lease)
    arguments = (*arguments, *rehearsal, f"--orders-after={sign.after}")
    options = job.options
    engine = make_engine(
        options.engine, scheduler=options.scheduler, workers=options.workers
    )
    parts = options.shards or PER_WORKER * (options.workers or os.cpu_count() or 4)
    started = time.monotonic()
    follower = FleetFollower(job, sign, observer)
    fleet = Fleet(job, follower.view, parts=parts, listener=listener)
    dispatcher = Dispatcher(engine, arguments=arguments, parts=parts, listener=fleet)

    def drain() -> None:
        observer.draining(fleet.snapshot().in_flight)
        dispatcher.drain()

    def stop() -> None:
        if not dispatcher.is_closed:
            observer.draining(fleet.snapshot().in_flight, BY_HAND)
        dispatcher.close()

    async with engine, follower:
        observer.started(fleet)
        control.attach(drain, dispatcher.abort)
        outcomes = await _dispatched(dispatcher, follower, fleet, stop)
    stopped = _stopped(outcomes, control, is_told=follower.is_stopped)
    if dispatcher.trouble is not None:
        stopped = {"class": "engine", "message": str(dispatcher.trouble)}
    seconds = time.monotonic() - started
    summary = await asyncio.to_thread(
        summed, job, follower.view, seconds=seconds, stopped=stopped
    )
    refusal = _refusal(outcomes)
    if refusal is not None and summary.attempts == attempts:
        raise UsageError(refusal)
    code = summary.exit_code and (control.exit_code or summary.exit_code)
    return msgspec.structs.replace(summary, exit_code=code)


def summed(
    job: Job,
    view: FleetView,
    *,
    seconds: float,
    stopped: Mapping[str, str] | None,
) -> Summary:
    """Sum a run up by all that its directory holds; blocks.

    Args:
        job: What was to be done.
        view: What was seen of it, which has to do where the ledger cannot be read:
            money was spent, and who spent it has to be told.
        seconds: How long it took.
        stopped: Why it stopped early, if it did.
    """
    try:
        standings = read_ledger(job.directory, holds=presence(job.directory)).standings
        count = _counted(job, standings)
    except (StoreError, ManifestError) as error:
        standings, count = view.standings, view.count
        is_store = isinstance(error, StoreError)
        kind = ErrorClass.STORE if is_store else ErrorClass.CONFIG
        stopped = stopped or {"class": kind.value, "message": str(error)}
    summary = count.summary(
        standings,
        total=job.plan.total,
        out=job.out,
        seconds=seconds,
        skipped=job.plan.total - job.plan.to_send,
        stopped=stopped,
    )
    return msgspec.structs.replace(
        summary,
        estimated_usd=job.plan.estimated_usd,
        paid_usd=standings.spent - job.reading.standings.spent,
    )


async def _dispatched(
    dispatcher: Dispatcher,
    follower: FleetFollower,
    fleet: Fleet,
    stop: Callable[[], None],
) -> tuple[ShardOutcome, ...]:
    """See the shards through, and follow them meanwhile."""
    ended = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(follower.follow(ended, fleet.is_over), name="ledger")
        group.create_task(follower.hear(ended, stop), name="orders")
        try:
            return await dispatcher.run()
        finally:
            ended.set()


def _counted(job: Job, standings: Standings) -> Count:
    """Count what was asked for, as `--where` selected it when the run began."""
    count = Count()
    count.is_priced = job.count.is_priced
    for request in job.requests():
        count.move(None, standings.get(request.id))
    return count


def _stopped(
    outcomes: tuple[ShardOutcome, ...], control: Control, *, is_told: bool
) -> Mapping[str, str] | None:
    """Say why the run stopped early, if it did."""
    for outcome in outcomes:
        if outcome.fate is Fate.STOP and outcome.ended is not None:
            return _reason(outcome)
    if control.exit_code is not None:
        return {"class": INTERRUPTED, "message": "stopped by a signal"}
    lost = [outcome.part for outcome in outcomes if outcome.fate is Fate.AGAIN]
    if lost and is_told:
        return {"class": INTERRUPTED, "message": BY_HAND.message}
    if lost:
        words = f"lost too often: {counted(len(lost), 'shard')}, the first is {lost[0]}"
        return {"class": "engine", "message": words}
    return None


def _refusal(outcomes: tuple[ShardOutcome, ...]) -> str | None:
    """Give the words of a shard that could not start, and sent nothing."""
    for outcome in outcomes:
        if outcome.fate is Fate.STOP and outcome.ended and outcome.ended.exit_code == 2:
            return _reason(outcome)["message"]
    return None


def _reason(outcome: ShardOutcome) -> Mapping[str, str]:
    """Say what stopped a shard, and with it the others."""
    ended = outcome.ended
    stopped = (ended.summary or {}).get("stopped") if ended else None
    if isinstance(stopped, dict):
        return {str(key): str(value) for key, value in stopped.items()}
    last = ended.stderr[-1] if ended and ended.stderr else "it did not say why"
    words = f"shard {outcome.part}: {last.removeprefix('batcher: ')}"
    return {"class": ErrorClass.CONFIG.value, "message": words}

"""One run on many workers, from start to end: the shards handed out, the sum given.

Sends nothing itself: each shard is the ordinary program, started by an engine, and what
they all have done is read from the run directory. Knows nothing of terminals.
"""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import msgspec

from batcher.consent import check_consent
from batcher.count import Count
from batcher.engines.choice import make_engine
from batcher.engines.dispatcher import Dispatcher, Fate
from batcher.engines.dispatcher import Listener as DispatchListener
from batcher.errors import StoreError, UsageError
from batcher.fleet import last_order
from batcher.job import Job, require_endpoint
from batcher.ledger import read_ledger
from batcher.ledger.presence import presence
from batcher.manifest.source import STDIN
from batcher.models import ErrorClass

if TYPE_CHECKING:
    from collections.abc import Mapping

    from batcher.control import Control
    from batcher.engines.dispatcher import Outcome
    from batcher.ledger import Standings
    from batcher.models import Summary

PER_WORKER = 4
"""Shards for each worker, unless told otherwise: a slow one does not decide the end."""

LOOK = 5.0
"""Seconds between two looks into the run directory."""

SHARE = 20
"""A look takes at most one part in so many of the time: a ledger may be long."""


class Observer(DispatchListener, Protocol):
    """Hears how a run goes; must not block or raise."""

    def read(self, standings: Standings) -> None:
        """So the ledger said a moment ago."""

    def draining(self) -> None:
        """Nothing new leaves any more; what is in flight comes in."""


class Silence:
    """An observer that says nothing."""

    def workers(self, number: int) -> None:
        """Say nothing."""

    def began(self, part: int, tries: int) -> None:
        """Say nothing."""

    def ended(self, outcome: Outcome, delay: float | None) -> None:
        """Say nothing."""

    def read(self, standings: Standings) -> None:
        """Say nothing."""

    def draining(self) -> None:
        """Say nothing."""


async def drive(job: Job, *, observer: Observer, control: Control) -> Summary:
    """Do a run on the workers of an engine.

    Args:
        job: What to do, all shards together, and by which engine.
        observer: Hears how it goes.
        control: Stops it from outside.

    Returns:
        What the run directory holds now.

    Raises:
        UsageError: The run cannot start; nothing was sent.
    """
    require_endpoint(job)
    check_consent(job)
    after = await asyncio.to_thread(last_order, job.directory)
    arguments = (*shard_arguments(job), f"--orders-after={after}")
    options = job.options
    engine = make_engine(
        options.engine, scheduler=options.scheduler, workers=options.workers
    )
    started = time.monotonic()
    async with engine, asyncio.TaskGroup() as group:
        looks = group.create_task(_look(job, observer), name="looks")
        dispatcher = Dispatcher(
            engine,
            arguments=arguments,
            parts=options.shards
            or PER_WORKER * (options.workers or os.cpu_count() or 4),
            listener=observer,
        )

        def drain() -> None:
            observer.draining()
            dispatcher.drain()

        control.attach(drain, dispatcher.abort)
        try:
            outcomes = await dispatcher.run()
        finally:
            looks.cancel()
    standings = await asyncio.to_thread(_read, job)
    count = await asyncio.to_thread(_counted, job, standings)
    stopped = _stopped(outcomes, control)
    if dispatcher.trouble is not None:
        stopped = {"class": "engine", "message": str(dispatcher.trouble)}
    summary = count.summary(
        standings,
        total=job.plan.total,
        out=job.out,
        seconds=time.monotonic() - started,
        skipped=job.plan.total - job.plan.to_send,
        stopped=stopped,
    )
    code = summary.exit_code and (control.exit_code or summary.exit_code)
    return msgspec.structs.replace(
        summary,
        exit_code=code,
        estimated_usd=job.plan.estimated_usd,
        paid_usd=standings.spent - job.reading.standings.spent,
    )


def shard_arguments(job: Job) -> tuple[str, ...]:
    """Write what was asked for as the command line of any of the shards.

    Paths are made absolute: a worker may be started elsewhere, on the same files.

    Raises:
        UsageError: It cannot be done by shards.
    """
    options = job.options
    if options.force:
        words = "a lost shard is submitted again, and would buy again what it made"
        raise UsageError(f"--force goes with --engine local: {words}")
    if STDIN in options.manifests:
        raise UsageError("--engine needs a manifest that every worker can read, not -")
    if options.first is not None or options.shard or not _is_percent(options.sample):
        words = "--first, --shard and --sample N count within a shard"
        raise UsageError(f"--engine: {words}; use --where, or --sample P%")
    flags: dict[str, object] = {
        "out": job.folder.resolve() if job.folder is not None else job.out,
        "endpoint": options.endpoint,
        "base-url": options.base_url,
        "retry": ",".join(options.retry) or None,
        "where": options.where,
        "marks": options.marks and _path(options.marks),
        "sample": options.sample,
        "seed": options.seed or None,
        **{name.replace("_", "-"): value for name, value in options.settings.items()},
    }
    return (
        "run",
        *map(_path, options.manifests),
        *(f"--{name}={value}" for name, value in flags.items() if value is not None),
        *(["--accept-changes"] if options.accept_changes else []),
        *(f"--set={name}={_text(value)}" for name, value in options.fields.items()),
    )


async def _look(job: Job, observer: Observer) -> None:
    """Read the ledger now and then, for whoever watches."""
    while True:
        before = time.monotonic()
        try:
            reading = await asyncio.to_thread(read_ledger, job.directory)
        except StoreError:
            pass  # the shards themselves say what is wrong with it
        else:
            observer.read(reading.standings)
        await asyncio.sleep(max(LOOK, SHARE * (time.monotonic() - before)))


def _read(job: Job) -> Standings:
    """Read the ledger anew; what is gone from the run directory is not kept."""
    return read_ledger(job.directory, holds=presence(job.directory)).standings


def _counted(job: Job, standings: Standings) -> Count:
    """Count what was asked for, as `--where` selected it when the run began."""
    count = Count()
    count.is_priced = job.count.is_priced
    for request in job.requests():
        count.move(None, standings.get(request.id))
    return count


def _stopped(
    outcomes: tuple[Outcome, ...], control: Control
) -> Mapping[str, str] | None:
    """Say why the run stopped early, if it did."""
    for outcome in outcomes:
        if outcome.fate is Fate.STOP and outcome.ended is not None:
            return _reason(outcome)
    if control.exit_code is not None:
        return {"class": "interrupted", "message": "stopped by a signal"}
    lost = [outcome.part for outcome in outcomes if outcome.fate is Fate.AGAIN]
    if lost:
        words = f"{len(lost)} shards were lost too often, the first is {lost[0]}"
        return {"class": "engine", "message": words}
    return None


def _reason(outcome: Outcome) -> Mapping[str, str]:
    """Say what stopped a shard, and with it the others."""
    ended = outcome.ended
    stopped = (ended.summary or {}).get("stopped") if ended else None
    if isinstance(stopped, dict):
        return {str(key): str(value) for key, value in stopped.items()}
    last = ended.stderr[-1] if ended and ended.stderr else "it did not say why"
    return {"class": ErrorClass.CONFIG.value, "message": f"{outcome.part}: {last}"}


def _is_percent(sample: str | None) -> bool:
    return sample is None or sample.strip().endswith("%")


def _path(name: str) -> str:
    return str(Path(name).resolve())


def _text(value: object) -> str:
    """Write a field as `--set` reads it: as YAML, which JSON is."""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()

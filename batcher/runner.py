"""One run from start to end: resources opened, the work done, everything accounted for.

The parts are put together here and nowhere else. Knows nothing of terminals or signals;
whoever calls it interrupts through `Control` and watches through an `Observer`.
"""

from __future__ import annotations

import asyncio
import random
import secrets
import time
from contextlib import AsyncExitStack, suppress
from typing import TYPE_CHECKING

import msgspec

from batcher.canary import Found, first
from batcher.consent import check_consent
from batcher.control import Control, Desk
from batcher.count import Count, own_part
from batcher.durability import Durability, seen_to_its_end
from batcher.errors import ManifestError, StoreError
from batcher.gate import Gate
from batcher.governor import Limits, Space
from batcher.hold import Held, hold
from batcher.job import Job, require_endpoint
from batcher.ledger import State, event
from batcher.models import ErrorClass, Failure, Request, Summary
from batcher.pool import LocalPool
from batcher.run_line import first_line, why_crashed, why_stopped
from batcher.run_view import RunView
from batcher.wait import first_of
from batcher.ways import (
    Way,
    make_governor,
    open_routes,
    prices_by_route,
    with_sandbox,
)
from batcher.worker import Terms, Worker
from batcher.worker.keeper import kept_sizes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from batcher.canary import Canary
    from batcher.fleet import Quota
    from batcher.observer import Observer
    from batcher.remote import Command
    from batcher.sandbox import SandboxOptions
    from batcher.transport import Routes


async def execute(
    job: Job,
    observer: Observer[Request, RunView],
    *,
    control: Control | None = None,
    canary: Canary | None = None,
    sandbox: SandboxOptions | None = None,
    chance: Callable[[], float] = random.random,
) -> Summary:
    """Do a run.

    Args:
        job: What to do.
        observer: Is told what happens.
        control: Stops it from outside.
        canary: Lets a few go first, and is asked before the others.
        sandbox: How the sandbox behaves, when the endpoint is the built-in one.
        chance: Gives numbers from 0 to 1, for all jitter.

    Returns:
        What the run directory holds now.

    Raises:
        UsageError: The run cannot start; nothing was sent.
    """
    endpoints = (require_endpoint(job), *job.fallbacks)
    ways = tuple(Way(endpoint=e, keys=e.keys(job.environment)) for e in endpoints)
    check_consent(job)
    async with AsyncExitStack() as resources:
        held = await resources.enter_async_context(hold(job))
        check_consent(held.job)
        ways = await resources.enter_async_context(with_sandbox(ways, sandbox))
        transport = await resources.enter_async_context(open_routes(ways))
        run = _Run(held, ways, transport=transport, observer=observer, chance=chance)
        await resources.enter_async_context(held.attended(run))
        return await run.go(control or Control(), canary)


class _Run:
    """The parts of one run, put together."""

    def __init__(
        self,
        held: Held,
        ways: tuple[Way, ...],
        *,
        transport: Routes,
        observer: Observer[Request, RunView],
        chance: Callable[[], float],
    ) -> None:
        clock = time.monotonic
        job, ledger = held.job, held.ledger
        standings = ledger.standings
        self._held = held
        self._job = job
        self._endpoint = ways[0].endpoint
        self._ledger = ledger
        self._observer = observer
        self._store = held.store
        self._durability = Durability(self._store, ledger, self._stop_for_store)
        self._count = job.count
        self._spent_before = standings.spent
        self._started = clock()
        self._objection: str | None = None
        self._id = f"{event.now():%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"
        governor = make_governor(
            ways,
            msgspec.convert(job.settings, Limits, from_attributes=True),
            budget=held.budget,
            now=self._started,
            random=chance,
        )
        space = Space(
            held.store.space,
            place=job.out,
            kept=lambda: kept_sizes(job.directory),
        )
        self._gate = Gate(governor, clock, held, self._announce, space=space)
        self._pool = LocalPool(room=self._room, is_closed=lambda: self._gate.is_closed)
        self._view = RunView(job=job, count=self._count, gate=self._gate, clock=clock)
        self._worker = Worker(
            transport=transport,
            store=self._store,
            ledger=ledger,
            gate=self._gate,
            terms=Terms.of(
                job.settings,
                job.choice,
                endpoint=self._endpoint.name,
                prices=prices_by_route(ways),
                chance=chance,
            ),
            observer=observer,
        )
        self._desk = Desk(
            gate=self._gate,
            count=self._count,
            ledger=ledger,
            clock=clock,
            stop=self.stop,
            notice=self._notice,
        )

    async def go(self, control: Control, canary: Canary | None) -> Summary:
        """Do the work, and write down how it ended."""
        try:
            self._ledger.append(first_line(self._job, self._endpoint, run=self._id))
        except StoreError as error:
            self._stop_for_store(error)
        self._observer.started(self._view)
        control.attach(self._drain, self._pool.abort)
        timer = self._start_timer()
        ended = asyncio.Event()
        cause: dict[str, str] | None = None
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._durability.keep_up(ended), name="sync")
                try:
                    await self._work(canary)
                finally:
                    ended.set()
        except BaseException as error:
            cause = why_crashed(error)
            raise
        finally:
            if timer is not None:
                timer.cancel()
            summary = await seen_to_its_end(self._finish(control, cause))
        return summary

    async def _work(self, canary: Canary | None) -> None:
        """Send what is to be sent, the canary first."""
        wanted = self._wanted()
        if canary is not None and self._job.plan.to_send > canary.requests:
            found = await self._send_first(wanted, canary.requests)
            if not self._gate.is_closed:
                await self._hear(canary, found)
        if self._objection is None:
            await self._pool.run(wanted, self._live)

    async def _send_first(
        self, wanted: Iterator[Request | None], requests: int
    ) -> Found:
        """Send so many, and say what came of them."""
        count, standings = Count(), self._ledger.standings

        async def live(request: Request) -> None:
            await self._live(request)
            count.move(None, standings.get(request.id))

        await self._pool.run(first(wanted, requests), live)
        return Found(
            requests=requests,
            kept=count.states[State.SUCCEEDED],
            errors=count.errors,
            warnings=count.warnings,
            usd=standings.spent - self._spent_before if standings.is_priced else None,
            seconds=time.monotonic() - self._started,
        )

    async def _hear(self, canary: Canary, found: Found) -> None:
        """Ask whether the others should follow, until an interruption."""
        asked = asyncio.create_task(canary.objection(found), name="canary")
        await first_of(asked, self._gate.closed())
        if asked.done() and not asked.cancelled():
            self._objection = asked.result()

    def _wanted(self) -> Iterator[Request | None]:
        """Walk the requests, None for those that there is nothing to do for."""
        standings, choice = self._ledger.standings, self._job.choice
        try:
            for request in self._job.requests():
                standing = standings.get(request.id)
                is_open = standing is not None and standing.is_open
                yield request if is_open or choice.sends(standing) else None
        except ManifestError as error:
            words = f"the manifest changed while it was worked on: {error}"
            self.stop(Failure(error_class=ErrorClass.CONFIG, message=words))

    async def _live(self, request: Request) -> None:
        before = self._ledger.standings.get(request.id)
        try:
            await self._worker.live(request)
        except StoreError as error:
            self._stop_for_store(error)
        finally:
            self._count.move(before, self._ledger.standings.get(request.id))

    def _room(self) -> int:
        """Say how many may be live: those in flight, and as many backing off."""
        return 2 * self._gate.governor.limits.concurrency + 16

    def _drain(self) -> None:
        self._gate.close()
        self._pool.notice()
        self._announce()

    def _announce(self, failure: Failure | None = None) -> None:
        in_flight = len(self._gate.governor.in_flight)
        self._observer.draining(in_flight, failure)

    def _notice(self) -> None:
        """Have whoever waits look anew: a limit was changed by hand."""
        self._gate.notice()
        self._pool.notice()

    def _stop_for_store(self, error: StoreError) -> None:
        self.stop(Failure(error_class=ErrorClass.STORE, message=str(error)))

    def stop(self, failure: Failure) -> None:
        """Let nothing leave any more; what is out may come in."""
        self._gate.close(failure)
        self._pool.notice()

    def handle(self, command: Command) -> Mapping[str, object]:
        """Carry a command out; see `Desk.handle`."""
        return self._desk.handle(command)

    def limit(self, quota: Quota) -> None:
        """Keep to this worker's part of the pace and the money from now on."""
        governor = self._gate.governor
        limits = msgspec.structs.replace(
            governor.limits,
            ipm=quota.ipm,
            rpm=quota.rpm,
            max_spend=quota.max_spend,
        )
        if limits != governor.limits:
            governor.change(self._view.clock(), limits)
        self._notice()

    def _start_timer(self) -> asyncio.TimerHandle | None:
        seconds = self._job.settings.max_time
        if seconds is None:
            return None
        words = f"the time is up: max_time is {seconds:g} s"
        failure = Failure(error_class=ErrorClass.SPEND, message=words)
        loop = asyncio.get_running_loop()
        return loop.call_later(seconds, self.stop, failure)

    async def _finish(self, control: Control, cause: dict[str, str] | None) -> Summary:
        """Write the last line and bring everything to the disk."""
        stopped = cause or why_stopped(
            self._gate.stopped, self._objection, control.exit_code
        )
        try:
            await asyncio.to_thread(self._durability.sync)
        except StoreError as error:
            stopped = stopped or {"class": ErrorClass.STORE, "message": str(error)}
        self._store.close()
        summary = self._count.summary(
            self._ledger.standings,
            total=self._job.plan.total,
            out=self._job.out,
            seconds=time.monotonic() - self._started,
            skipped=self._job.plan.total - self._job.plan.to_send,
            stopped=stopped,
        )
        summary = msgspec.structs.replace(
            own_part(summary, self._held.others),
            estimated_usd=self._job.plan.estimated_usd,
            paid_usd=self._ledger.standings.spent - self._spent_before,
            notes=self._worker.notes(),
        )
        if control.exit_code is not None and summary.exit_code != 0:
            code = control.exit_code
            summary = msgspec.structs.replace(summary, exit_code=code)
        reason = summary.stopped["class"] if summary.stopped else "finished"
        last = event.End.of(summary, at=event.now(), run=self._id, reason=reason)
        with suppress(StoreError):
            self._ledger.append(last)
        return summary

"""Runs a manifest on the workers of an engine, and shows how they get on."""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from typing import TYPE_CHECKING, Never, TextIO

from batcher.cli.log import configure
from batcher.cli.words import counts, duration, usd
from batcher.control import Control
from batcher.count import count_ledger
from batcher.driver import drive
from batcher.engines.dispatcher import Fate
from batcher.errors import UsageError
from batcher.ledger import State

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator, Mapping
    from signal import Signals

    from tqdm import tqdm

    from batcher.engines.dispatcher import Outcome
    from batcher.job import Job
    from batcher.ledger import Standings
    from batcher.models import Summary

log = logging.getLogger(__name__)


def run_fleet(
    job: Job, parsed: argparse.Namespace, signals: Mapping[Signals, int]
) -> Summary:
    """Run a job on `--engine`; raises `UsageError` when it cannot start.

    Args:
        job: What to do.
        parsed: The flags of `run`.
        signals: The exit code of each signal that interrupts.
    """
    for name in ("canary", "watch"):
        if getattr(parsed, name) is not None:
            raise UsageError(f"--{name} goes with --engine local")
    configure(sys.stderr, quiet=parsed.quiet, as_json=parsed.log_format == "json")
    is_panel = sys.stderr.isatty() and not parsed.quiet and parsed.log_format is None
    display = FleetDisplay(job, sys.stderr if is_panel else None)

    async def run() -> Summary:
        control = Control()
        loop = asyncio.get_running_loop()
        for number, code in signals.items():
            loop.add_signal_handler(number, control.interrupt, code)
        try:
            return await drive(job, observer=display, control=control)
        finally:
            display.close()

    return asyncio.run(run())


class FleetDisplay:
    """A bar and a line on a terminal, log lines elsewhere; a `driver.Observer`.

    Args:
        job: What is done, all shards together.
        stream: The terminal, if there is one.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        job: Job,
        stream: TextIO | None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._job = job
        self._stream = stream
        self._clock = clock
        self._workers = self._busy = self._done = 0
        self._first: tuple[float, int] | None = None
        self._rows: list[tqdm[Never]] = []
        if stream is not None:
            self._rows = _rows(stream, job.plan.total)

    def workers(self, number: int) -> None:
        """Say how many workers there are."""
        self._workers = number
        self._say(f"{number} {'worker' if number == 1 else 'workers'}")

    def began(self, part: int, tries: int) -> None:
        """Say that a shard was submitted."""
        self._busy += 1
        if tries > 1:
            self._say(f"shard {part} is submitted again, try {tries}")

    def ended(self, outcome: Outcome, delay: float | None) -> None:
        """Say how a shard ended."""
        self._busy -= 1
        self._done += outcome.fate is Fate.DONE
        if outcome.fate is Fate.DONE:
            self._say(f"shard {outcome.part} has ended")
            return
        words = f"shard {outcome.part}: {_how(outcome)}"
        if delay is not None:
            words += f", again in {duration(delay)}"
        self._say(words, level=logging.WARNING)

    def read(self, standings: Standings) -> None:
        """Show where the requests stand."""
        words = " · ".join(self._parts(standings))
        if not self._rows:
            log.info(words)
            return
        bar, text = self._rows
        bar.n = _ended(standings)
        text.set_description_str(words, refresh=False)
        for row in self._rows:
            row.refresh()

    def draining(self) -> None:
        """Say that nothing new leaves."""
        words = "stopping: what is in flight will finish, as it is billed anyway"
        self._say(f"{words}; interrupt again to cancel it", level=logging.WARNING)

    def close(self) -> None:
        """Leave only the bar."""
        for row in reversed(self._rows):
            row.close()

    def _parts(self, standings: Standings) -> Iterator[str]:
        count = count_ledger(standings)
        states = count.states
        yield f"kept {states[State.SUCCEEDED]:,}"
        if states[State.FAILED] or states[State.REJECTED]:
            ended = f"failed {states[State.FAILED]:,}"
            rejected = f"rejected {states[State.REJECTED]:,}"
            yield f"{ended}, {rejected} ({counts(+count.errors)})"
        if states[State.UNKNOWN]:
            yield f"unknown or in flight {states[State.UNKNOWN]:,}"
        yield f"{self._busy} of {self._workers} workers, {self._done} shards done"
        yield from self._pace(states[State.SUCCEEDED])
        budget = self._job.settings.max_spend
        if self._job.plan.estimated_usd is not None:
            spent = f"spent {usd(standings.spent)}"
            yield spent if budget is None else f"{spent} of {usd(budget)}"

    def _pace(self, kept: int) -> Iterator[str]:
        now = self._clock()
        if self._first is None:
            self._first = (now, kept)
            return
        before, then = self._first
        if now > before:
            yield f"{(kept - then) / (now - before) * 60:,.1f} images/min"

    def _say(self, words: str, *, level: int = logging.INFO) -> None:
        if self._rows and self._stream is not None:
            if level > logging.INFO:
                self._rows[0].write(words, file=self._stream)
        else:
            log.log(level, words)


def _rows(stream: TextIO, total: int) -> list[tqdm[Never]]:
    from tqdm import tqdm  # noqa: PLC0415 - only a terminal needs it

    shape = "{percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} [{elapsed}]"
    return [
        tqdm(
            total=total,
            file=stream,
            dynamic_ncols=True,
            bar_format=bar_format,
            position=position,
            leave=position == 0,
        )
        for position, bar_format in enumerate((shape, "{desc}"))
    ]


def _how(outcome: Outcome) -> str:
    ended = outcome.ended
    if ended is None:
        return "never begun"
    last = f": {ended.stderr[-1]}" if ended.stderr else ""
    if ended.exit_code is None:
        return f"lost{last}"
    return f"ended with exit code {ended.exit_code}{last}"


def _ended(standings: Standings) -> int:
    states = count_ledger(standings).states
    return states[State.SUCCEEDED] + states[State.FAILED] + states[State.REJECTED]

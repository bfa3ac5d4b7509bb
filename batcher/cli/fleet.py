"""Runs a manifest on the workers of an engine, and shows it as a run of one."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

from batcher.cli.progress import make_display
from batcher.cli.rehearsal import rehearsal_arguments
from batcher.cli.signals import attend_signals
from batcher.cli.words import again
from batcher.control import INTERRUPTED, Control
from batcher.driver import drive
from batcher.engines.dispatcher import Fate
from batcher.errors import UsageError

if TYPE_CHECKING:
    import argparse

    from batcher.cli.progress import Display
    from batcher.engines.dispatcher import ShardOutcome
    from batcher.job import Job
    from batcher.models import Summary


def run_fleet(job: Job, parsed: argparse.Namespace) -> Summary:
    """Run a job on `--engine`; raises `UsageError` when it cannot start.

    Args:
        job: What to do.
        parsed: The flags of `run`.
    """
    for name in ("canary", "watch"):
        if getattr(parsed, name) is not None:
            raise UsageError(f"--{name} goes with --engine local")
    rehearsal = rehearsal_arguments(parsed)
    display = make_display(sys.stderr, quiet=parsed.quiet, log_format=parsed.log_format)

    async def run() -> Summary:
        control = Control()
        attend_signals(control)
        shards = Shards(display)
        try:
            return await drive(
                job,
                observer=display,
                listener=shards,
                control=control,
                rehearsal=rehearsal,
            )
        finally:
            display.close()

    return asyncio.run(run())


class Shards:
    """Says how workers and shards get on; an `engines.dispatcher.DispatchListener`.

    Args:
        display: Where.
    """

    def __init__(self, display: Display) -> None:
        self._display = display

    def workers(self, number: int) -> None:
        """Say how many workers there are."""
        words = f"{number} {'worker' if number == 1 else 'workers'}"
        self._display.tell(words, event="workers", workers=number)

    def shard_began(self, part: int, tries: int) -> None:
        """Say that a shard was submitted again."""
        if tries > 1:
            words = f"shard {part} is submitted again, try {tries}"
            self._display.tell(words, event="shard", shard=part, tries=tries)

    def shard_ended(self, outcome: ShardOutcome, delay: float | None) -> None:
        """Say how a shard ended."""
        part, why = outcome.part, _why(outcome)
        is_wrong = outcome.fate is not Fate.DONE and not why.startswith(INTERRUPTED)
        words = f"shard {part} has ended"
        if is_wrong:
            words = f"{'✗' if delay is None else '↻'} shard {part}: {why}"
        if delay is not None:
            words = again(words, delay)
        self._display.tell(words, is_wrong=is_wrong, event="shard", shard=part)


def _why(outcome: ShardOutcome) -> str:
    """Say why a shard has ended, as far as it said so."""
    ended = outcome.ended
    if ended is None:
        return "never begun"
    stopped = (ended.summary or {}).get("stopped")
    if isinstance(stopped, dict):
        return f"{stopped.get('class')}: {stopped.get('message')}"
    last = f": {ended.stderr[-1]}" if ended.stderr else ""
    if ended.exit_code is None:
        return f"lost{last}"
    return f"ended with exit code {ended.exit_code}{last}"

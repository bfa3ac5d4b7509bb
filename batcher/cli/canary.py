"""Shows what the canary really cost, and asks whether to go on."""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

from batcher.cli.words import counts, duration, usd

if TYPE_CHECKING:
    from collections.abc import Iterator

    from batcher.canary import Found
    from batcher.cli.progress import Display
    from batcher.plan import Plan

NOT_AGREED = "nobody agreed to go on after the canary; --yes does"
NOTHING_KEPT = "nothing of the canary was kept; see why before the others follow"


class TerminalCanary:
    """A `Canary` that asks the person at the terminal.

    Args:
        requests: How many go first.
        plan: Of the whole run.
        display: Steps aside for the question.
        agrees: Nobody need be asked, as long as something is kept.
    """

    def __init__(
        self, requests: int, plan: Plan, display: Display, *, agrees: bool
    ) -> None:
        self.requests = requests
        self._plan = plan
        self._display = display
        self._agrees = agrees

    async def objection(self, found: Found) -> str | None:
        """Show what came of it, and ask; see `Canary`."""
        with self._display.aside(canary_lines(found, self._plan)):
            if self._agrees:
                return None if found.kept else NOTHING_KEPT
            return None if await _is_agreed() else NOT_AGREED


def canary_lines(found: Found, plan: Plan) -> Iterator[str]:
    """Set what the canary showed against what the plan said of the whole."""
    rest, expected = plan.to_send - found.requests, plan.estimated_usd
    kept = f"{found.kept:,} of {found.requests:,} kept"
    yield f"canary: {kept} in {duration(found.seconds)}"
    if found.errors:
        yield f"  errors: {counts(found.errors)}"
    if found.warnings:
        yield f"  not as asked: {counts(found.warnings)}"
    if found.kept and found.usd is not None:
        each = found.usd / found.kept
        words = f"  {usd(each)} each"
        if expected is not None:
            words += f"; the plan said {usd(expected / plan.to_send)}"
        yield words
        yield f"  the other {rest:,} would cost about {usd(each * rest)}"
    elif expected is not None:
        usual = usd(expected / plan.to_send * rest)
        yield f"  the plan says that the other {rest:,} cost about {usual}"


async def _is_agreed() -> bool:
    """Ask the person at the terminal, if there is one; cancelled, ask no more."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return False
    _forget_typed()
    answered = asyncio.Event()
    loop = asyncio.get_running_loop()
    answer = ""
    loop.add_reader(sys.stdin, answered.set)
    try:
        with suppress(OSError):  # its terminal was closed
            print("go on? [y/N] ", end="", file=sys.stderr, flush=True)
            await answered.wait()
            answer = sys.stdin.readline()
            if not answer.endswith("\n"):
                print(file=sys.stderr)
    finally:
        loop.remove_reader(sys.stdin)
    return answer.strip().lower() in ("y", "yes")


def _forget_typed() -> None:
    """Drop what was typed before the question, which it is no answer to."""
    import termios  # noqa: PLC0415 - only where there is a terminal

    with suppress(termios.error):
        termios.tcflush(sys.stdin, termios.TCIFLUSH)

"""Shows what the canary really cost, and asks whether to go on."""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING

from batcher.cli.words import counts, duration, usd

if TYPE_CHECKING:
    from collections.abc import Iterator

    from batcher.cli.progress import Display
    from batcher.models import Summary
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

    async def objection(self, before: Summary, now: Summary) -> str | None:
        """Show what came of it, and ask; see `Canary`."""
        with self._display.aside():
            with suppress(OSError):  # its terminal was closed
                for line in canary_lines(before, now, self._plan, self.requests):
                    print(line, file=sys.stderr)
            if self._agrees:
                return NOTHING_KEPT if now.succeeded == before.succeeded else None
            return None if await _is_agreed() else NOT_AGREED


def canary_lines(
    before: Summary, now: Summary, plan: Plan, requests: int
) -> Iterator[str]:
    """Set what the canary showed against what the plan said of the whole.

    Args:
        before: What the run directory held when the run began.
        now: What it holds after the canary.
        plan: Of the whole run.
        requests: How many went first.
    """
    kept, rest = now.succeeded - before.succeeded, plan.to_send - requests
    yield f"canary: {kept:,} of {requests:,} kept in {duration(now.seconds)}"
    for title, old, new in (
        ("errors", before.errors, now.errors),
        ("not as asked", before.warnings, now.warnings),
    ):
        if more := Counter(new) - Counter(old):
            yield f"  {title}: {counts(more)}"
    expected = plan.estimated_usd
    if kept > 0 and now.spent_usd is not None:
        each = (now.spent_usd - (before.spent_usd or 0)) / kept
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
    if not sys.stdin.isatty():
        return False
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

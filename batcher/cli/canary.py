"""The canary: a few requests first, what they really cost, and whether to go on."""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import TYPE_CHECKING

from msgspec.structs import replace

from batcher.cli.signals import interruptible
from batcher.cli.words import counts, duration, usd
from batcher.control import INTERRUPTED

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from decimal import Decimal

    from batcher.models import Summary
    from batcher.plan import Plan

NOT_AGREED = {
    "class": "canary",
    "message": "nobody agreed to go on after the canary; --yes does",
}
INTERRUPTED_ASKING = {
    "class": INTERRUPTED,
    "message": "stopped by a signal at the canary's question",
}
"""Why a run is no more than its canary: `stopped` of its summary."""


def canary_lines(canary: Summary, whole: Plan, before: Decimal) -> Iterator[str]:
    """Set what the canary showed against what the plan said of the whole.

    Args:
        canary: What the run directory holds after the canary.
        whole: The plan of the whole run, made before it.
        before: USD that the run directory had cost before it.
    """
    kept = canary.succeeded - canary.skipped
    yield f"canary: {kept:,} kept in {duration(canary.seconds)}"
    if canary.errors:
        yield f"  errors: {counts(canary.errors)}"
    if canary.warnings:
        yield f"  not as asked: {counts(canary.warnings)}"
    if kept > 0 and canary.spent_usd is not None:
        each = (canary.spent_usd - before) / kept
        words = f"  {usd(each)} each"
        if whole.estimated_usd is not None and whole.to_send:
            words += f"; the plan said {usd(whole.estimated_usd / whole.to_send)}"
        yield words
        rest = whole.to_send - kept
        yield f"  the other {rest:,} would cost about {usd(each * rest)}"


def agrees() -> bool:
    """Ask the person at the terminal, if there is one.

    Raises:
        Interruption: A signal came in place of an answer.
    """
    if not sys.stdin.isatty():
        return False
    answer = ""
    try:
        with interruptible(), suppress(OSError):  # its terminal was closed
            print("go on? [y/N] ", end="", file=sys.stderr, flush=True)
            answer = sys.stdin.readline()
    finally:
        if not answer.endswith("\n"):
            with suppress(OSError):
                print(file=sys.stderr)
    return answer.strip().lower() in ("y", "yes")


def ended_with(
    canary: Summary, total: int, stopped: Mapping[str, str], *, exit_code: int
) -> Summary:
    """Make of the canary's summary that of the whole run, stopped after it.

    Args:
        canary: What the run directory holds after the canary.
        total: Requests of the whole run, more than the canary's.
        stopped: Why it is not done.
        exit_code: What to exit with.
    """
    return replace(
        canary,
        total=total,
        pending=canary.pending + total - canary.total,
        exit_code=exit_code,
        stopped=stopped,
    )

"""The canary: a few requests first, what they really cost, and whether to go on."""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import TYPE_CHECKING

from batcher.cli.words import counts, duration, usd

if TYPE_CHECKING:
    from collections.abc import Iterator
    from decimal import Decimal

    from batcher.models import Summary
    from batcher.plan import Plan


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
    """Ask the person at the terminal, if there is one; an interruption is a no."""
    if not sys.stdin.isatty():
        return False
    answer = ""
    with suppress(KeyboardInterrupt):
        print("go on? [y/N] ", end="", file=sys.stderr, flush=True)
        answer = sys.stdin.readline()
    if not answer.endswith("\n"):
        print(file=sys.stderr)
    return answer.strip().lower() in ("y", "yes")

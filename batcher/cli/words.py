"""How numbers, plans and summaries read for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batcher.plural import counted
from batcher.pricing import ESTIMATE_DATE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from decimal import Decimal

    from batcher.models import Summary
    from batcher.plan import Plan

UNKNOWN_WORDS = "sent, outcome not known or not yet, maybe billed"

MENDED = "once that is mended"
CONDITIONS = (
    ("spend", "max_spend", "once --max-spend allows more"),
    ("spend", "max_images", "once --max-images allows more"),
    ("spend", "the request has no price", "once requests have a price"),
    ("auth", "", MENDED),
    ("quota", "", MENDED),
    ("config", "", MENDED),
    ("bad_reply", "", MENDED),
    ("ambiguous", "", MENDED),
)
"""What must change before a stopped run can go on: class, message's start, condition.

After any other stop, such as that of `max_time`, the command goes on as it is.
"""

_DAYS_A_YEAR = 365.25


def usd(amount: Decimal | None) -> str:
    """Write money; what has no price is said to have none, never $0."""
    if amount is None:
        return "unpriced"
    places = 2 if amount >= 1 or amount == 0 else 4
    return f"${amount:,.{places}f}"


def duration(seconds: float) -> str:
    """Write a duration in its two largest units, a very long one in years."""
    whole = round(seconds)
    if whole < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest:02} s"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes:02} min"
    days, hours = divmod(hours, 24)
    if days < 2 * _DAYS_A_YEAR:
        return f"{days} days {hours:02} h"
    return f"{days / _DAYS_A_YEAR:,.0f} years"


def again(words: str, delay: float | None) -> str:
    """Say what went wrong, often in others' words, and when it is tried again.

    Args:
        words: What went wrong.
        delay: Seconds until then; None for a later run.
    """
    when = "in a later run" if delay is None else f"in {duration(delay)}"
    return f"{words.rstrip('.')}, again {when}"


def counts(numbers: Mapping[str, int]) -> str:
    """Write numbers by name: `server 2, ambiguous 1`."""
    return ", ".join(f"{name} {number:,}" for name, number in numbers.items())


def plan_lines(
    plan: Plan,
    out: str,
    seconds: float,
    *,
    is_estimate: bool,
    is_forced: bool = False,
) -> Iterator[str]:
    """Describe a plan.

    Args:
        plan: What a run will do.
        out: The run directory.
        seconds: How long it may take.
        is_estimate: Its prices are the built-in estimate.
        is_forced: What is kept is made anew.
    """
    same = "repeat another row, bought once"
    if "sampled" in plan.warnings:
        same += "; so many of those looked at"
    yield f"{counted(plan.total, 'request')} for {out}"
    rows = (
        ("new", plan.new - plan.lost, "to be made anew" if is_forced else "never made"),
        ("lost", plan.lost, "bought before; the file is gone or changed"),
        ("changed", plan.changed, "bought before with other content"),
        ("done", plan.done, "kept"),
        ("failed", plan.failed, "ended by a transient failure"),
        ("rejected", plan.rejected, "the gateway would not make them"),
        ("unknown", plan.unknown, UNKNOWN_WORDS),
        ("orphaned", plan.orphaned, "in the ledger, no longer in the manifest"),
        ("duplicates", plan.duplicates, same),
    )
    for name, number, words in rows:
        if number:
            yield f"  {name:<10} {number:>9,}  {words}"
    asked = f"{counted(plan.to_send, 'request')} for {counted(plan.images, 'image')}"
    yield f"to send: {asked}, {price(plan, is_estimate=is_estimate)}"
    if plan.to_send:
        yield f"at the limits in force and typical latencies: {duration(seconds)}"
    if len(plan.groups) > 1:
        yield from group_lines(plan)
    if plan.warnings:
        yield f"worth a look: {counts(plan.warnings)}"


def group_lines(plan: Plan) -> Iterator[str]:
    """Describe what is to be sent, by entry, size and quality."""
    for group in plan.groups[:20]:
        shape = f"{group.size or 'any size':<12} {group.quality or '':<8}"
        money = usd(group.estimated_usd)
        yield f"  {group.entry:<32} {shape} {group.requests:>9,}  {money:>12}"
    if len(plan.groups) > 20:
        yield f"  and {len(plan.groups) - 20} more, see --json"


def price(plan: Plan, *, is_estimate: bool) -> str:
    """Write what a plan will cost, as a range where it is one."""
    if plan.estimated_usd is None:
        return "unpriced: set prices for this endpoint in batcher.toml"
    words = f"about {usd(plan.estimated_usd)}"
    if plan.low_usd != plan.worst_usd:
        words += f" (from {usd(plan.low_usd)} to {usd(plan.worst_usd)})"
    if is_estimate:
        words += f", estimated from list prices of {ESTIMATE_DATE}"
    if plan.unpriced:
        words += f", and {plan.unpriced:,} unpriced"
    return words


def unknown_lines(unknown: int, plan: Plan, *, is_sent_again: bool) -> Iterator[str]:
    """Warn, before a run, of what was sent and has no outcome.

    Args:
        unknown: Requests that may have been billed.
        plan: What the run will do.
        is_sent_again: They are sent again if they are not found whole.
    """
    if unknown:
        billed = usd(plan.unknown_usd) if plan.unknown_usd else "an unpriced amount"
        then = "sent again" if is_sent_again else "left alone"
        yield (
            f"warning: the outcome of {counted(unknown, 'request')} is not known,"
            f" {billed} may have been billed; what is not found whole is {then}"
        )
    if plan.fetched:
        verb = "is" if plan.fetched == 1 else "are"
        images = counted(plan.fetched, "paid image")
        yield f"note: {images} {verb} fetched again, for free"


def go_on_line(
    stopped: Mapping[str, str] | None, command: str, *, is_forced: bool
) -> str:
    """Name the way on, and what must come before it.

    Args:
        stopped: Why the run stopped early.
        command: What goes on, without `--force`.
        is_forced: The run had it.
    """
    words = "to go on"
    if is_forced:
        words += " without --force, which makes anew what is kept by now, too"
    if stopped is not None:
        error_class, message = stopped["class"], stopped["message"]
        for its_class, beginning, condition in CONDITIONS:
            if error_class == its_class and message.startswith(beginning):
                words += f", {condition}"
    return f"{words}: {command}"


def summary_lines(
    summary: Summary, go_on: str | None = None, *, is_forced: bool = False
) -> Iterator[str]:
    """Describe what a run directory holds, and what to do next.

    Args:
        summary: What it holds.
        go_on: The command that goes on, if there is anything left for it to do.
        is_forced: The run had `--force`, which `go_on` lacks.
    """
    if summary.stopped is not None:
        yield "stopped: {class}: {message}".format(**summary.stopped)
    kept = f"kept {summary.succeeded:,} of {counted(summary.total, 'request')}"
    took = f" in {duration(summary.seconds)}" if summary.seconds else ""
    yield f"{kept}, {counted(summary.images, 'image')} in {summary.out}{took}"
    rows = (
        ("failed", summary.failed, "the next run tries them again, unless told not to"),
        ("rejected", summary.rejected, "edit these, or insist with --retry rejected"),
        ("unknown", summary.unknown, UNKNOWN_WORDS),
        ("lost", summary.lost, "kept before; the file is gone or changed"),
        ("pending", summary.pending - summary.lost, "not made yet"),
    )
    for name, number, words in rows:
        if number:
            yield f"  {name:<9} {number:>9,}  {words}"
    if summary.errors:
        yield f"errors: {counts(summary.errors)}"
    if summary.errors.get("download"):
        yield "downloads: a URL is fetched again for free; on_lost_url: buy buys anew"
    if summary.warnings:
        yield f"warnings: {counts(summary.warnings)}"
    money = f"spent {usd(summary.spent_usd)}"
    if summary.maybe_billed_usd or (
        summary.maybe_billed_usd is None and summary.unknown
    ):
        money += f", maybe billed for nothing {usd(summary.maybe_billed_usd)}"
    yield f"{money}, {counted(summary.attempts, 'attempt')}"
    if summary.estimated_usd is not None and summary.paid_usd:
        estimated = usd(summary.estimated_usd)
        yield f"this run: estimated {estimated}, paid {usd(summary.paid_usd)}"
    yield from (f"note: {note}" for note in summary.notes)
    if go_on is not None:
        yield go_on_line(summary.stopped, go_on, is_forced=is_forced)

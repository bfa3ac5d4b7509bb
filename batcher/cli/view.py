"""What a display looks at while a run goes on, and how it reads for people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from batcher.cli.table import clip, width_of
from batcher.cli.words import again, counts, duration, usd
from batcher.control import BY_HAND, INTERRUPTED
from batcher.governor.breaker import DOWN
from batcher.ledger import State
from batcher.models import MAYBE_BILLED, ErrorClass, Status

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from decimal import Decimal

    from batcher.count import Count
    from batcher.governor import Snapshot
    from batcher.job import Job
    from batcher.ledger.event import Result
    from batcher.models import Failure

BETWEEN = " · "
OUTAGES = DOWN | MAYBE_BILLED | {ErrorClass.QUOTA}
"""Why the breaker lets nothing leave; the other pauses are asked for, or short."""


class View(Protocol):
    """What a display looks at while a run goes on, of one process or of many."""

    @property
    def job(self) -> Job:
        """Give what is done."""

    @property
    def count(self) -> Count:
        """Give the requests by where they stand."""

    @property
    def max_spend(self) -> Decimal | None:
        """Give the USD that the run directory may cost."""

    def snapshot(self) -> Snapshot:
        """Tell the pace and the money."""

    def remark(self) -> str:
        """Say what else is worth a word, if anything is."""


class Named(Protocol):
    """Of a request, what a display says."""

    @property
    def id(self) -> str:
        """Give its id."""

    @property
    def name(self) -> str:
        """Give its name."""


def done(view: View) -> int:
    """Count the requests that have ended, kept or not."""
    states = view.count.states
    return states[State.SUCCEEDED] + states[State.FAILED] + states[State.REJECTED]


def state_parts(view: View, stopping: str | None = None) -> Iterator[str]:
    """Say why nothing leaves, and where the requests are; what matters first.

    Args:
        view: What to look at.
        stopping: Why nothing will leave any more, in one or two words.
    """
    states, standing = view.count.states, view.snapshot()
    if stopping is not None:
        yield f"stopping: {stopping}"
    elif standing.paused is not None:
        yield f"paused: {pause_words(standing)}"
    yield f"kept {states[State.SUCCEEDED]:,}"
    if states[State.FAILED] or states[State.REJECTED]:
        yield f"failed {states[State.FAILED]:,}, rejected {states[State.REJECTED]:,}"
    if states[State.UNKNOWN]:
        yield f"unknown {states[State.UNKNOWN]:,}"
    yield f"{standing.in_flight:,} in flight"
    if errors := +view.count.errors:
        yield f"errors: {counts(errors)}"


def pace_parts(view: View, stopping: str | None = None) -> Iterator[str]:
    """Say how much money, how fast, and how long unless nothing leaves; the same."""
    standing = view.snapshot()
    if view.job.plan.estimated_usd is not None:
        spent, budget = f"spent {usd(standing.spent)}", view.max_spend
        yield spent if budget is None else f"{spent} of {usd(budget)}"
    if standing.unknown:
        yield f"maybe billed {usd(standing.unknown)}"
    pace = f"{standing.rate:,.1f}"
    if standing.limit is not None:
        learned = "~" if standing.is_learned else ""
        pace += f" of {learned}{standing.limit:,.1f}"
    yield f"{pace} images/min"
    left = view.job.plan.total - done(view)
    if standing.rate and left and not (stopping or standing.paused):
        yield f"{duration(left / standing.rate * 60)} left"


def line(view: View, stopping: str | None = None) -> str:
    """Say all of it in one line."""
    ended = f"{done(view):,}/{view.job.plan.total:,}"
    state, pace = state_parts(view, stopping), pace_parts(view, stopping)
    return BETWEEN.join(filter(None, [ended, *state, *pace, view.remark()]))


def fitted(parts: Iterable[str], width: int) -> str:
    """Join the parts that have room; only the first is cut where it has none."""
    words = ""
    for part in parts:
        longer = f"{words}{BETWEEN}{part}" if words else clip(part, width)
        if width_of(longer) <= width:
            words = longer
    return words


def outage_line(view: View) -> str | None:
    """Say that the gateway is down, if nothing leaves because of that."""
    standing = view.snapshot()
    is_out = standing.paused in OUTAGES
    return f"paused: {pause_words(standing)}" if is_out else None


def pause_words(standing: Snapshot) -> str:
    """Say why nothing leaves, and until when."""
    left = standing.seconds_left
    until = "" if left is None else f", next try in {duration(left)}"
    return f"{standing.paused}{until}"


def ended_line(request: Named, result: Result | None) -> str:
    """Describe how a request ended, in one line."""
    if result is None:
        return f"? {request.name}: unknown, maybe billed"
    if result.status is Status.SUCCEEDED:
        paths = ", ".join(image.path for image in result.images)
        extra = f" ({', '.join(result.warnings)})" if result.warnings else ""
        return f"✓ {request.name}: {paths}{extra}"
    error = result.error
    words = f": {error.error_class}: {error.message}" if error else ""
    return f"✗ {request.name}: {result.status.value}{words}"


def retry_line(request: Named, failure: Failure, delay: float | None) -> str:
    """Describe a failed attempt that will be followed by another."""
    return again(f"↻ {request.name}: {_failed(failure)}", delay)


def reason(failure: Failure | None) -> str:
    """Say in one or two words why a run stops; an interruption has no failure."""
    if failure is None:
        return INTERRUPTED
    return "by hand" if failure == BY_HAND else failure.error_class.value


def draining_line(in_flight: int, failure: Failure | None = None) -> str:
    """Describe the failure that ends the run, or else the first interruption."""
    it, they = ("it", "it is") if in_flight == 1 else ("them", "they are")
    will = "nothing is in flight"
    if in_flight:
        will = f"{in_flight:,} in flight will finish, as {they} billed anyway"
    if failure is None:
        cancel = f"; interrupt again to cancel {it}" if in_flight else ""
        return f"stopping: {will}{cancel}"
    if failure == BY_HAND:
        return f"stopping: by hand; {will}"
    why = _failed(failure).rstrip(".")
    mended = failure.error_class is not ErrorClass.SPEND
    go_on = "once that is mended, the same command goes on"
    return f"stopping: {why}; {will}; {go_on if mended else 'a later run goes on'}"


def _failed(failure: Failure) -> str:
    return f"{failure.error_class.value}: {failure.message}"

"""What a display looks at while a run goes on, and how it reads for people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from batcher.cli.words import counts, duration, usd
from batcher.ledger import State
from batcher.models import Status

if TYPE_CHECKING:
    from collections.abc import Iterator
    from decimal import Decimal

    from batcher.count import Count
    from batcher.governor import Standing
    from batcher.job import Job
    from batcher.ledger.event import Result
    from batcher.models import Failure


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

    def snapshot(self) -> Standing:
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


def state_parts(view: View) -> Iterator[str]:
    """Say how many requests are where, errors by class."""
    states = view.count.states
    yield f"kept {states[State.SUCCEEDED]:,}"
    if states[State.FAILED] or states[State.REJECTED]:
        ended = f"failed {states[State.FAILED]:,}, rejected {states[State.REJECTED]:,}"
        yield f"{ended} ({counts(+view.count.errors)})"
    if states[State.UNKNOWN]:
        yield f"unknown {states[State.UNKNOWN]:,}"
    yield f"{view.snapshot().in_flight:,} in flight"


def pace_parts(view: View) -> Iterator[str]:
    """Say why nothing leaves, how fast it goes, how long, and how much money."""
    standing = view.snapshot()
    if standing.paused is not None:
        words = f"paused: {standing.paused}"
        if standing.seconds_left is not None:
            words += f", next try in {duration(standing.seconds_left)}"
        yield words
    pace = f"{standing.rate:,.1f}"
    if standing.limit is not None:
        learned = "~" if standing.is_learned else ""
        pace += f" of {learned}{standing.limit:,.1f}"
    yield f"{pace} images/min"
    left = view.job.plan.total - done(view)
    if standing.rate and left:
        yield f"{duration(left / standing.rate * 60)} left"
    budget = view.max_spend
    if view.job.plan.estimated_usd is not None:
        spent = f"spent {usd(standing.spent)}"
        yield spent if budget is None else f"{spent} of {usd(budget)}"
    if standing.unknown:
        yield f"maybe billed {usd(standing.unknown)}"


def line(view: View) -> str:
    """Say all of it in one line."""
    ended = f"{done(view):,}/{view.job.plan.total:,}"
    parts = [ended, *state_parts(view), *pace_parts(view), view.remark()]
    return " · ".join(filter(None, parts))


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


def retry_line(request: Named, failure: Failure, delay: float) -> str:
    """Describe a failed attempt that will be followed by another."""
    words = f"{failure.error_class.value}: {failure.message}"
    return f"↻ {request.name}: {words}, again in {duration(delay)}"


def draining_line(in_flight: int) -> str:
    """Describe the first interruption."""
    return (
        f"stopping: {in_flight} in flight will finish, as they are billed anyway;"
        " interrupt again to cancel them"
    )

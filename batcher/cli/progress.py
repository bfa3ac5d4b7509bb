"""Shows a run as it goes: a bar on a terminal, lines elsewhere."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Never, TextIO

from batcher.cli.words import duration, usd
from batcher.models import Status

if TYPE_CHECKING:
    from tqdm import tqdm

    from batcher.ledger.event import Result
    from batcher.models import Failure, Request
    from batcher.runner import Observer, View

log = logging.getLogger(__name__)


def make_observer(stream: TextIO, *, quiet: bool) -> Observer:
    """Choose how to show a run on a stream."""
    logging.basicConfig(stream=stream, format="%(message)s", force=True)
    if quiet:
        log.setLevel(logging.WARNING)
        return Lines()
    log.setLevel(logging.INFO)
    return Bar(stream) if stream.isatty() else Lines()


class Lines:
    """One line per ended request, for files and pipes."""

    def started(self, view: View) -> None:
        """Say what is about to happen."""
        self._view = view
        plan = view.job.plan
        log.info(
            "sending %d of %d requests to %s",
            plan.to_send,
            plan.total,
            view.job.endpoint.name if view.job.endpoint else "",
        )

    def attempted(self, request: Request, attempt: int) -> None:
        """Say nothing: the ledger has it."""

    def retrying(self, request: Request, failure: Failure, delay: float) -> None:
        """Say what failed and when it is tried again."""
        log.info(
            "retry %s: %s: %s, again in %s",
            request.name,
            failure.error_class,
            failure.message,
            duration(delay),
        )

    def ended(self, request: Request, result: Result | None) -> None:
        """Say how a request ended."""
        log.info("%s", ended_line(request, result))

    def draining(self, in_flight: int) -> None:
        """Say that the run stops."""
        log.warning("%s", draining_line(in_flight))


class Bar:
    """A bar that stays at the bottom of a terminal; failures scroll above it."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._bar: tqdm[Never] | None = None

    def started(self, view: View) -> None:
        """Draw the bar."""
        from tqdm import tqdm  # noqa: PLC0415 - only a terminal needs it

        self._view = view
        plan = view.job.plan
        self._bar = tqdm(
            total=plan.total,
            initial=plan.total - plan.to_send,
            file=self._stream,
            dynamic_ncols=True,
            unit="req",
            smoothing=0.05,
        )
        self._show()

    def attempted(self, request: Request, attempt: int) -> None:
        """Count what is in flight."""
        del request, attempt
        self._show()

    def retrying(self, request: Request, failure: Failure, delay: float) -> None:
        """Say above the bar what failed."""
        words = f"{failure.error_class}: {failure.message}"
        self._write(f"↻ {request.name}: {words}, again in {duration(delay)}")

    def ended(self, request: Request, result: Result | None) -> None:
        """Move the bar; say above it what was not kept."""
        if result is None or result.status is not Status.SUCCEEDED:
            self._write(ended_line(request, result))
        if self._bar is not None:
            self._bar.update()
            self._show()

    def draining(self, in_flight: int) -> None:
        """Say above the bar that the run stops."""
        self._write(draining_line(in_flight))

    def close(self) -> None:
        """Leave the bar as it is."""
        if self._bar is not None:
            self._bar.close()

    def _write(self, line: str) -> None:
        if self._bar is not None:
            self._bar.write(line, file=self._stream)

    def _show(self) -> None:
        if self._bar is None:
            return
        standing = self._view.gate.governor.snapshot(time.monotonic())
        parts = [f"{standing.in_flight} in flight", f"{standing.rate:.0f}/min"]
        if standing.spent:
            parts.append(usd(standing.spent))
        if standing.paused:
            parts.append(f"paused: {standing.paused}")
        self._bar.set_postfix_str(", ".join(parts), refresh=False)


def ended_line(request: Request, result: Result | None) -> str:
    """Describe how a request ended, in one line."""
    if result is None:
        return f"? {request.name}: unknown, maybe billed"
    if result.status is Status.SUCCEEDED:
        paths = ", ".join(image.path for image in result.images)
        extra = f" ({', '.join(result.warnings)})" if result.warnings else ""
        return f"✓ {request.name}: {paths}{extra}"
    error = result.error
    words = f"{error.error_class}: {error.message}" if error else ""
    return f"✗ {request.name}: {result.status}: {words}"


def draining_line(in_flight: int) -> str:
    """Describe the first interruption."""
    return (
        f"stopping: {in_flight} in flight will finish, as they are billed anyway;"
        " interrupt again to cancel them"
    )

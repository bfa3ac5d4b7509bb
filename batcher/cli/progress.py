"""Shows a run as it goes: a panel on a terminal, log lines elsewhere.

Both say the same things in the same words; the panel keeps them at the bottom of the
screen, redrawn twice a second, with what went wrong scrolling above it.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from typing import TYPE_CHECKING, Never, Protocol, TextIO

from batcher.cli.log import configure
from batcher.cli.view import (
    done,
    draining_line,
    ended_line,
    line,
    pace_parts,
    retry_line,
    state_parts,
)
from batcher.models import Status
from batcher.observer import Observer
from batcher.plural import counted

if TYPE_CHECKING:
    from collections.abc import Callable

    from tqdm import tqdm

    from batcher.cli.view import Named, View
    from batcher.ledger.event import Result
    from batcher.models import Failure

PANEL_SECONDS = 0.5
LINE_SECONDS = 60.0

log = logging.getLogger(__name__)


class Display(Observer["Named", "View"], Protocol):
    """An observer, of a run or of a fleet, that has something on the screen."""

    def warn(self, words: str) -> None:
        """Say what the user should know, without tearing what is there."""

    def tell(self, words: str, *, is_wrong: bool = False, **fields: object) -> None:
        """Say something of workers; a panel, which counts them, says what is wrong."""

    def close(self) -> None:
        """Take it off."""


def make_display(stream: TextIO, *, quiet: bool, log_format: str | None) -> Display:
    """Choose how to show a run on a stream."""
    is_panel = stream.isatty() and not quiet and log_format is None
    configure(stream, quiet=quiet, as_json=log_format == "json")
    return Panel(stream) if is_panel else Lines()


class Lines:
    """One line per ended request and one a minute, for files and pipes."""

    def started(self, view: View) -> None:
        """Say what is about to happen."""
        plan, endpoint = view.job.plan, view.job.endpoint
        words = f"sending {plan.to_send:,} of {counted(plan.total, 'request')}"
        _log(f"{words} to {endpoint.name}" if endpoint else words, "started")
        self._ticker = Ticker(LINE_SECONDS, lambda: _log(line(view), "progress"))

    def attempted(self, request: Named, attempt: int) -> None:
        """Say nothing: the ledger has it."""

    def retrying(self, request: Named, failure: Failure, delay: float) -> None:
        """Say what failed and when it is tried again."""
        _log(retry_line(request, failure, delay), "retry", request=request)

    def ended(self, request: Named, result: Result | None) -> None:
        """Say how a request ended."""
        _log(ended_line(request, result), "ended", request=request, result=result)

    def draining(self, in_flight: int) -> None:
        """Say that the run stops."""
        log.warning(draining_line(in_flight), extra={"fields": {"event": "draining"}})

    def warn(self, words: str) -> None:
        """Log a warning."""
        log.warning("warning: %s", words, extra={"fields": {"event": "warning"}})

    def tell(self, words: str, *, is_wrong: bool = False, **fields: object) -> None:
        """Log it."""
        level = logging.WARNING if is_wrong else logging.INFO
        log.log(level, words, extra={"fields": fields})

    def close(self) -> None:
        """Stop the line a minute."""
        if hasattr(self, "_ticker"):
            self._ticker.stop()


class Panel:
    """Three lines at the bottom of a terminal; failures scroll above them."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._rows: list[tqdm[Never]] = []

    def started(self, view: View) -> None:
        """Draw the panel."""
        from tqdm import tqdm  # noqa: PLC0415 - only a terminal needs it

        self._view = view
        total = view.job.plan.total
        shape = "{percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} [{elapsed}{postfix}]"
        formats = (shape, "{desc}", "{desc}")
        self._rows = [
            tqdm(
                total=total,
                initial=done(view),
                file=self._stream,
                dynamic_ncols=True,
                bar_format=bar_format,
                position=position,
                leave=position == 0,
            )
            for position, bar_format in enumerate(formats)
        ]
        self._ticker = Ticker(PANEL_SECONDS, self._draw)
        self._draw()

    def attempted(self, request: Named, attempt: int) -> None:
        """Say nothing: the panel counts."""

    def retrying(self, request: Named, failure: Failure, delay: float) -> None:
        """Say above the panel what failed."""
        self._write(retry_line(request, failure, delay))

    def ended(self, request: Named, result: Result | None) -> None:
        """Say above the panel what was not kept, or not as asked."""
        if result is None or result.status is not Status.SUCCEEDED or result.warnings:
            self._write(ended_line(request, result))

    def draining(self, in_flight: int) -> None:
        """Say above the panel that the run stops."""
        self._write(draining_line(in_flight))

    def warn(self, words: str) -> None:
        """Say it above the panel."""
        self._write(f"warning: {words}")

    def tell(
        self,
        words: str,
        *,
        is_wrong: bool = False,
        **fields: object,  # noqa: ARG002 - for programs, which read the log
    ) -> None:
        """Say above the panel what is wrong."""
        if is_wrong:
            self._write(words)

    def close(self) -> None:
        """Draw it a last time and leave only the bar."""
        if not self._rows:
            return
        self._ticker.stop()
        self._draw()
        with suppress(OSError):
            for row in reversed(self._rows):
                row.close()

    def _draw(self) -> None:
        bar, first, second = self._rows
        bar.n = done(self._view)
        bar.set_postfix_str(self._view.remark(), refresh=False)
        first.set_description_str(" · ".join(state_parts(self._view)), refresh=False)
        second.set_description_str(" · ".join(pace_parts(self._view)), refresh=False)
        with suppress(OSError):  # its terminal was closed
            for row in self._rows:
                row.refresh()

    def _write(self, words: str) -> None:
        if self._rows:
            with suppress(OSError):
                self._rows[0].write(words, file=self._stream)


class Ticker:
    """Calls something again and again on the running event loop."""

    def __init__(self, seconds: float, call: Callable[[], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._seconds = seconds
        self._call = call
        self._timer = self._loop.call_later(seconds, self._tick)

    def stop(self) -> None:
        """Call no more."""
        self._timer.cancel()

    def _tick(self) -> None:
        self._timer = self._loop.call_later(self._seconds, self._tick)
        self._call()


def _log(
    words: str,
    event: str,
    *,
    request: Named | None = None,
    result: Result | None = None,
) -> None:
    fields: dict[str, object] = {"event": event}
    if request is not None:
        fields |= {"id": request.id, "name": request.name}
    if result is not None:
        fields |= {
            "status": result.status,
            "paths": [image.path for image in result.images],
            "cost_usd": result.cost_usd,
            "error": result.error,
        }
    log.info(words, extra={"fields": fields})

"""Shows a run as it goes: a panel on a terminal, log lines elsewhere.

Both say the same things in the same words; the panel keeps them at the bottom of the
screen, redrawn twice a second, with what went wrong scrolling above it.
"""

from __future__ import annotations

import asyncio
import logging
import os
from contextlib import contextmanager, nullcontext, suppress
from typing import TYPE_CHECKING, Never, Protocol, TextIO

from batcher.cli.log import configure
from batcher.cli.table import ENDLESS, clip
from batcher.cli.view import (
    done,
    draining_line,
    ended_line,
    fitted,
    line,
    outage_line,
    pace_parts,
    reason,
    retry_line,
    state_parts,
)
from batcher.models import Status
from batcher.observer import Observer
from batcher.plural import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from contextlib import AbstractContextManager

    from tqdm import tqdm

    from batcher.cli.view import Named, View
    from batcher.ledger.event import Result
    from batcher.models import Failure

PANEL_SECONDS = 0.5
LINE_SECONDS = 60.0
LOOK_SECONDS = 1.0
ERASE_BELOW = "\r\x1b[J"
"""What clears the screen from the cursor's line on (ECMA-48, ED)."""

log = logging.getLogger(__name__)


class Display(Observer["Named", "View"], Protocol):
    """An observer, of a run or of a fleet, that has something on the screen."""

    def warn(self, words: str) -> None:
        """Say what the user should know, without tearing what is there."""

    def tell(self, words: str, *, is_wrong: bool = False, **fields: object) -> None:
        """Say something of workers; a panel, which counts them, says what is wrong."""

    def aside(self, lines: Iterable[str]) -> AbstractContextManager[None]:
        """Say what a question is about, and leave the screen to it meanwhile."""

    def close(self) -> None:
        """Take it off."""


def make_display(stream: TextIO, *, quiet: bool, log_format: str | None) -> Display:
    """Choose how to show a run on a stream."""
    is_able = stream.isatty() and os.environ.get("TERM") != "dumb"
    is_panel = is_able and not quiet and log_format is None
    configure(stream, quiet=quiet, as_json=log_format == "json")
    return Panel(stream) if is_panel else Lines()


class Lines:
    """One line per ended request and one a minute, for files and pipes."""

    def __init__(self) -> None:
        self._tickers: tuple[Ticker, ...] = ()
        self._stopping: str | None = None
        self._is_out = False

    def started(self, view: View) -> None:
        """Say what is about to happen."""
        plan, endpoint = view.job.plan, view.job.endpoint
        words = f"sending {plan.to_send:,} of {counted(plan.total, 'request')}"
        _log(f"{words} to {endpoint.name}" if endpoint else words, "started")
        self._tickers = (
            Ticker(LINE_SECONDS, lambda: _log(line(view, self._stopping), "progress")),
            Ticker(LOOK_SECONDS, lambda: self._look(view)),
        )

    def attempted(self, request: Named, attempt: int) -> None:
        """Say nothing: the ledger has it."""

    def retrying(self, request: Named, failure: Failure, delay: float | None) -> None:
        """Say what failed and when it is tried again."""
        words = retry_line(request, failure, delay)
        _log(words, "retry", is_wrong=delay is None, request=request)

    def ended(self, request: Named, result: Result | None) -> None:
        """Say how a request ended."""
        words, is_wrong = ended_line(request, result), not _is_kept(result)
        _log(words, "ended", is_wrong=is_wrong, request=request, result=result)

    def draining(self, in_flight: int, failure: Failure | None = None) -> None:
        """Say that the run stops, and why."""
        self._stopping = self._stopping or reason(failure)
        _log(draining_line(in_flight, failure), "draining", is_wrong=True)

    def warn(self, words: str) -> None:
        """Log a warning."""
        log.warning("warning: %s", words, extra={"fields": {"event": "warning"}})

    def tell(self, words: str, *, is_wrong: bool = False, **fields: object) -> None:
        """Log it."""
        level = logging.WARNING if is_wrong else logging.INFO
        log.log(level, words, extra={"fields": fields})

    def aside(self, lines: Iterable[str]) -> AbstractContextManager[None]:
        """Log the lines, as what must not be missed."""
        for words in lines:
            self.tell(words, is_wrong=True, event="canary")
        return nullcontext()

    def close(self) -> None:
        """Stop the line a minute."""
        for ticker in self._tickers:
            ticker.stop()

    def _look(self, view: View) -> None:
        """Say once that the gateway is down, each time that it is."""
        words = None if self._stopping else outage_line(view)
        if words is not None and not self._is_out:
            _log(words, "paused", is_wrong=True)
        self._is_out = words is not None


class Panel:
    """Three lines at the bottom of a terminal; failures scroll above them."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._rows: list[tqdm[Never]] = []
        self._columns = columns_of(stream)
        self._stopping: str | None = None
        self._is_aside = False

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

    def retrying(self, request: Named, failure: Failure, delay: float | None) -> None:
        """Say above the panel what failed."""
        self._write(retry_line(request, failure, delay))

    def ended(self, request: Named, result: Result | None) -> None:
        """Say above the panel what was not kept, or not as asked."""
        if result is None or not _is_kept(result) or result.warnings:
            self._write(ended_line(request, result))

    def draining(self, in_flight: int, failure: Failure | None = None) -> None:
        """Say above the panel that the run stops, and why."""
        self._stopping = self._stopping or reason(failure)
        self._write(draining_line(in_flight, failure))

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

    @contextmanager
    def aside(self, lines: Iterable[str]) -> Iterator[None]:
        """Take the panel off, and draw it anew below."""
        self.close()
        for words in lines:
            self._write(words)
        self._is_aside = True
        yield
        self._is_aside = False
        self.started(self._view)

    def close(self) -> None:
        """Draw it a last time and leave only the bar."""
        if not self._rows:
            return
        self._ticker.stop()
        self._draw()
        with suppress(OSError):
            for row in reversed(self._rows):
                row.close()
        self._rows = []

    def _draw(self) -> None:
        with suppress(OSError):  # its terminal was closed
            self._lay()
            for row in self._rows:
                row.refresh()
            self._stream.write("\r")

    def _write(self, words: str) -> None:
        """Say something above the panel, or where it will be or was."""
        with suppress(OSError):
            above = ERASE_BELOW if self._rows else ""
            after = "\n" if self._is_aside else ""  # the question's line is not ended
            self._stream.write(f"{above}{after}{words}\n")
        if self._rows:
            self._draw()

    def _lay(self) -> None:
        """Say in each row what has room, as it stands now."""
        view, columns = self._view, columns_of(self._stream)
        if columns != self._columns:
            self._begin_anew(columns)
        bar, first, second = self._rows
        bar.n = done(view)
        bar.set_postfix_str(clip(view.remark(), columns // 2), refresh=False)
        state = state_parts(view, self._stopping)
        pace = pace_parts(view, self._stopping)
        first.set_description_str(fitted(state, columns), refresh=False)
        second.set_description_str(fitted(pace, columns), refresh=False)

    def _begin_anew(self, columns: int) -> None:
        """Clear what a window of another width has left of the panel.

        The cursor waits at the panel's first column, which stays where it is when a
        terminal breaks lines anew. A new printer knows nothing of the longer lines
        that it would have to cover with blanks, and would break with them.
        """
        self._columns = columns
        self._stream.write(ERASE_BELOW)
        for row in self._rows:
            row.sp = row.status_printer(row.fp)


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


def columns_of(stream: TextIO) -> int:
    """Give the width of the terminal behind a stream; where there is none, no limit."""
    try:
        return os.get_terminal_size(stream.fileno()).columns or ENDLESS
    except OSError:
        return ENDLESS


def _is_kept(result: Result | None) -> bool:
    return result is not None and result.status is Status.SUCCEEDED


def _log(
    words: str,
    event: str,
    *,
    is_wrong: bool = False,
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
    level = logging.WARNING if is_wrong else logging.INFO
    log.log(level, words, extra={"fields": fields})

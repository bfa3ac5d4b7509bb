"""Sees from outside how a fleet gets on: its ledger folded as it grows.

Counts what a run counts of itself and tells what a run tells its observer, so that a
fleet looks like one run. Knows nothing of terminals, or of who wants to know.
"""

from __future__ import annotations

import time
from contextlib import suppress
from datetime import datetime
from decimal import Decimal
from math import inf
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from batcher.control import changed
from batcher.count import Count
from batcher.errors import UsageError
from batcher.fleet import Word
from batcher.governor import Limits, Snapshot
from batcher.governor.tally import Tally
from batcher.ledger import Standings
from batcher.ledger.event import Result, Retry, Run
from batcher.ledger.merge import files
from batcher.ledger.standing import Standing
from batcher.models import ErrorClass, Failure
from batcher.remote import Command

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from batcher.fleet import Crew
    from batcher.observer import RequestObserver
    from batcher.stores import Directory

    IsOver = Callable[[str, float], bool]
    """Tells whether nobody works on a request any more, by its id and the time of its
    last attempt, in seconds since the epoch."""

NOTHING = Decimal(0)
UNKNOWN = Limits()


class Named(msgspec.Struct, frozen=True, kw_only=True):
    """Of a request, what a line of the ledger tells."""

    id: str
    name: str


class FleetView:
    """Folds a fleet's ledger, line by line.

    Args:
        limits: What each worker may do, and what all of them together, as far as it is
            known; their `run` lines say it as well.
        clock: Seconds since the epoch, those of the ledger's times.

    Attributes:
        standings: Where each request stands.
        count: Requests by where they stand; one that is being worked on is counted
            where it stood before.
        limits: What they were begun with, as orders have changed it.
        workers: How many work.
        observer: Is told of each line, if there is one.
    """

    def __init__(
        self, limits: Limits = UNKNOWN, *, clock: Callable[[], float] = time.time
    ) -> None:
        self.limits = self._begun_with = limits
        self.workers = 1
        self.observer: RequestObserver[Named] | None = None
        self._clock = clock
        self._word = Word()
        self._is_paused = False
        self.begin(Standings(), Count())

    def begin(self, standings: Standings, count: Count) -> None:
        """Fold from here on.

        Args:
            standings: What a ledger says; lines are folded in.
            count: Its requests, as far as they are to be counted; the same.
        """
        self.standings = standings
        self.count = count
        self._made = Tally(self._clock())
        self._exposed = standings.maybe_billed()
        self._live: dict[str, _Live] = {}

    def take(self, raw: bytes) -> None:
        """Fold one line; one that is damaged is passed over."""
        try:
            head = _head(raw)
            before = self.standings.get(head.id) if head.id else None
            line = self.standings.take(raw)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return
        if line is not None and line.event == "run":
            self._begin_with(raw)
        if line is None or head.id is None:
            return
        live = self._live.get(head.id) or _Live(before=before)
        live = replace(live, name=line.name or live.name)
        if line.event == "attempt":
            usd = line.reserved_usd or NOTHING
            live = replace(live, at=_seconds(head.at), usd=usd)
        elif line.event == "result" and not isinstance(line.images, int):
            self._made.add(_seconds(head.at), len(line.images))
        self._move(head.id, line.event, before, live)
        self._tell(line.event, raw, Named(id=head.id, name=live.name or head.id))

    def _move(self, id_: str, event: str, before: Standing | None, live: _Live) -> None:
        """Count a request anew, unless it is, or has just been, taken up."""
        after = self.standings.get(id_)
        self._exposed += _exposed(after) - _exposed(before)
        if event == "attempt":
            self._live[id_] = live
        elif event in _LAST or id_ not in self._live:
            self._live.pop(id_, None)
            self.count.move(live.before, after)
        elif event == "retry":
            self._live[id_] = replace(live, usd=None)

    def settle(self, is_over: IsOver) -> None:
        """Count requests where they stand that nobody works on any more.

        Args:
            is_over: Tells which ones.
        """
        for id_, live in [*self._live.items()]:
            if is_over(id_, live.at):
                self.count.move(live.before, self.standings.get(id_))
                del self._live[id_]

    def hear(self, word: Word) -> None:
        """Go by what the fleet was told, all of it, and has found out."""
        self._word, limits, is_paused = word, self._begun_with, False
        for order in word.orders:
            is_paused = _PAUSES.get(order.name, is_paused)
            with suppress(UsageError, ValueError):
                command = Command(name=order.name, value=order.value)
                limits = changed(limits, command)
        self.limits, self._is_paused = limits, is_paused

    def snapshot(self) -> Snapshot:
        """Tell the pace and the money, as a governor does."""
        out = [live.usd for live in self._live.values() if live.usd is not None]
        reserved = sum(out, NOTHING)
        told = self.limits.ipm or inf
        limit, spent = min(told, self._word.cap), self.standings.spent
        most = self.limits.max_spend
        return Snapshot(
            in_flight=len(out),
            concurrency=self.limits.concurrency * self.workers,
            rate=self._made.rate(self._clock()) * 60,
            limit=None if limit == inf else limit,
            is_learned=self._word.cap < told,
            paused="by hand" if self._is_paused else None,
            seconds_left=None,
            spent=spent,
            reserved=reserved,
            unknown=self._exposed - reserved,
            left=None if most is None else max(NOTHING, most - spent - self._exposed),
        )

    def _begin_with(self, raw: bytes) -> None:
        """Take the settings of a run, those of the whole fleet."""
        with suppress(msgspec.DecodeError):
            run = _run(raw)
            self._begun_with = msgspec.convert(run.settings, Limits, strict=False)
            self._made.started = min(self._made.started, run.at.timestamp())
            self.hear(self._word)

    def _tell(self, event: str, raw: bytes, request: Named) -> None:
        """Tell the observer what a line says; it was folded, so it can be read."""
        step = _TOLD.get(event)
        if self.observer is not None and step is not None:
            with suppress(msgspec.DecodeError, ValueError):
                step(self.observer, raw, request)


def everything(_: str, __: float) -> bool:
    """Tell of any request that nobody works on it; an `IsOver`."""
    return True


def view_of(directory: Directory, crew: Crew) -> FleetView:
    """See how a fleet gets on, at one look; blocks.

    Args:
        directory: The run directory.
        crew: Who is at work there.

    Raises:
        StoreError: The ledger cannot be read.
    """
    view = FleetView()
    for file in files(directory):
        for raw in file.lines:
            view.take(raw)
    parts = {int(label.partition("-")[0]) for label in crew.shards}
    began = [
        run.at
        for part, (run, end) in view.standings.shards.items()
        if end is None and run.shard is not None and (part or run.shard[1]) in parts
    ]
    since = min(began).timestamp() if began else inf
    view.settle(lambda _, at: at < since)
    view.workers = len(crew.shards)
    view.hear(crew.word)
    return view


class _Live(msgspec.Struct, frozen=True, kw_only=True):
    """A request that somebody works on.

    Attributes:
        at: When its last attempt was announced, in seconds since the epoch.
        before: Where it stood when it was taken up.
        name: Its name, when a line has told it.
        usd: USD reserved for the attempt in flight; None for none in flight.
    """

    before: Standing | None
    at: float = 0.0
    name: str | None = None
    usd: Decimal | None = None


class _Head(msgspec.Struct, frozen=True):
    at: object = None
    id: str | None = None


class _Number(msgspec.Struct, frozen=True):
    attempt: int


_head = msgspec.json.Decoder(_Head).decode
_number = msgspec.json.Decoder(_Number).decode
_run = msgspec.json.Decoder(Run).decode
_retry = msgspec.json.Decoder(Retry).decode
_result = msgspec.json.Decoder(Result).decode

_LAST = frozenset({"unknown", "result"})
_PAUSES: Mapping[str, bool] = {"pause": True, "resume": False}


def _seconds(at: object) -> float:
    """Give the seconds since the epoch of a line's time; long ago for none."""
    try:
        return datetime.fromisoformat(str(at)).timestamp()
    except (ValueError, OverflowError):
        return 0.0


def _tell_retry(observer: RequestObserver[Named], raw: bytes, request: Named) -> None:
    line = _retry(raw)
    failure = Failure(
        error_class=ErrorClass(line.error.error_class),
        message=line.error.message,
        status=line.error.status,
        code=line.error.code,
        request_id=line.request_id,
    )
    observer.retrying(request, failure, None if line.later is True else line.delay)


def _tell_result(observer: RequestObserver[Named], raw: bytes, request: Named) -> None:
    result = _result(raw)
    observer.ended(replace(request, name=result.name), result)


_TOLD: Mapping[str, Callable[[RequestObserver[Named], bytes, Named], None]] = {
    "attempt": lambda told, raw, request: told.attempted(request, _number(raw).attempt),
    "retry": _tell_retry,
    "unknown": lambda told, _, request: told.ended(request, None),
    "result": _tell_result,
}


def _exposed(standing: Standing | None) -> Decimal:
    """Give the USD that a request may have cost, or may yet, for nothing."""
    if standing is None:
        return NOTHING
    return standing.maybe_billed + (standing.open_usd or NOTHING)

"""A fleet seen from outside says what its ledger says, and what a run would say."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from batcher.count import Count, count_ledger
from batcher.fleet import Crew, Order, Word
from batcher.fleet_view import FleetView, Named, everything, view_of
from batcher.governor import Limits
from batcher.ledger import FILE_NAME, Standings, State
from batcher.ledger.event import (
    Attempt,
    EndpointRecord,
    ErrorRecord,
    Event,
    Reply,
    Result,
    Retry,
    Run,
    Unknown,
    encode,
)
from batcher.models import Failure, Image, Status
from tests.unit.ledger.memory_directory import MemoryDirectory
from tests.unit.ledger.test_compact import LINES, damaged

NOW = datetime(2026, 11, 22, 20, tzinfo=UTC)
IMAGE = Image(
    index=0, path="fox.png", bytes=9, sha256="0", format="png", width=1, height=1
)
SERVER = ErrorRecord(error_class="server", status=500, code="x", message="down")


class Heard:
    """An observer that notes what it is told."""

    def __init__(self) -> None:
        self.words: list[str] = []

    def attempted(self, request: Named, attempt: int) -> None:
        self.words.append(f"{request.name} tries {attempt}")

    def retrying(self, request: Named, failure: Failure, delay: float | None) -> None:
        words = f"{failure.error_class.value} {failure.message}"
        when = "later" if delay is None else f"{delay:g}"
        self.words.append(f"{request.name} failed: {words}, {when}")

    def ended(self, request: Named, result: Result | None) -> None:
        status = "unknown" if result is None else result.status.value
        self.words.append(f"{request.name} ended: {status}")


def at(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def attempt(id_: str, number: int = 1, *, seconds: float = 0.0) -> Attempt:
    return Attempt(
        at=at(seconds),
        id=id_,
        name=f"fox {id_}",
        attempt=number,
        reserved_usd=Decimal("0.5"),
    )


def retry(id_: str) -> Retry:
    return Retry(at=NOW, id=id_, attempt=1, error=SERVER, maybe_billed=False, delay=2.0)


def result(id_: str, *, seconds: float = 0.0) -> Result:
    return Result(
        at=at(seconds),
        id=id_,
        name=f"fox {id_}",
        status=Status.SUCCEEDED,
        attempts=1,
        request={},
        vars={},
        images=(IMAGE,),
        cost_usd=Decimal("0.4"),
    )


def run_line(part: int = 1, *, seconds: float = 0.0, **settings: object) -> Run:
    return Run(
        at=at(seconds),
        run=f"r{part}",
        batcher="0",
        manifests=(),
        endpoint=EndpointRecord(name="e", base_url="u"),
        settings=settings,
        total=9,
        shard=(part, 4),
    )


class Scene:
    """A view, its observer, and a clock."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.now = NOW.timestamp()
        self.view = FleetView(limits or Limits(), clock=lambda: self.now)
        self.heard = self.view.observer = Heard()

    def wrote(self, *events: Event) -> Scene:
        for event in events:
            self.view.take(encode(event))
        return self

    @property
    def states(self) -> dict[State, int]:
        return {state: n for state, n in self.view.count.states.items() if n}


def numbers(count: Count) -> tuple[object, ...]:
    return (+count.states, +count.errors, +count.warnings, count.images)


@given(LINES, st.randoms(use_true_random=False))
def test_when_nobody_works_any_more_it_counts_what_the_ledger_says(
    lines: list[dict[str, object]], chance: random.Random
) -> None:
    view = FleetView()
    for raw in damaged(lines, chance):
        view.take(raw)
    view.settle(everything)
    standings = view.standings
    assert numbers(view.count) == numbers(count_ledger(standings))
    snapshot = view.snapshot()
    assert snapshot.in_flight == snapshot.reserved == 0
    assert snapshot.unknown == standings.maybe_billed()
    assert snapshot.spent == standings.spent


def test_the_observer_hears_what_a_runs_own_would() -> None:
    scene = Scene().wrote(
        attempt("a"),
        retry("a"),
        attempt("a", 2),
        result("a"),
        attempt("b"),
        Unknown(at=NOW, id="b", attempt=1, error=SERVER),
    )
    assert scene.heard.words == [
        "fox a tries 1",
        "fox a failed: server down, 2",
        "fox a tries 2",
        "fox a ended: succeeded",
        "fox b tries 1",
        "fox b ended: unknown",
    ]


def test_a_failure_that_stops_a_worker_is_not_said_to_be_tried_again_soon() -> None:
    line = msgspec.structs.replace(retry("a"), delay=0.0, later=True)
    scene = Scene().wrote(attempt("a"), line)
    assert scene.heard.words[-1] == "fox a failed: server down, later"


def test_a_request_is_counted_where_it_stood_until_it_has_ended() -> None:
    scene = Scene().wrote(attempt("a"), attempt("b"))
    assert scene.states == {}
    snapshot = scene.view.snapshot()
    assert (snapshot.in_flight, snapshot.reserved) == (2, Decimal(1))
    assert snapshot.unknown == 0
    scene.wrote(retry("a"), Reply(at=NOW, id="b", attempt=1, urls=("u",)))
    assert (scene.states, scene.view.snapshot().in_flight) == ({}, 1)
    scene.wrote(attempt("a", 2), result("a"))
    assert scene.states == {State.SUCCEEDED: 1}
    assert scene.view.snapshot().spent == Decimal("0.4")


def test_a_kept_request_that_is_put_back_is_no_longer_kept() -> None:
    assert Scene().wrote(result("a"), retry("a")).states == {State.PENDING: 1}


def test_what_was_open_before_those_who_work_began_is_not_in_flight() -> None:
    scene = Scene().wrote(attempt("a", seconds=-60), attempt("b", seconds=5))
    scene.view.settle(lambda _, at: at < NOW.timestamp())
    assert scene.states == {State.UNKNOWN: 1}
    snapshot = scene.view.snapshot()
    assert snapshot.in_flight == 1
    assert (snapshot.reserved, snapshot.unknown) == (Decimal("0.5"), Decimal("0.5"))


def test_what_a_lost_worker_left_open_is_not_in_flight() -> None:
    scene = Scene().wrote(attempt("a"), attempt("b"))
    scene.view.settle(lambda id_, _: id_ == "a")
    assert scene.states == {State.UNKNOWN: 1}
    snapshot = scene.view.snapshot()
    assert snapshot.in_flight == 1
    assert (snapshot.reserved, snapshot.unknown) == (Decimal("0.5"), Decimal("0.5"))
    scene.wrote(attempt("a", 2), result("a"))
    assert scene.states == {State.SUCCEEDED: 1}


def test_the_rate_is_that_of_the_last_minute_by_the_ledgers_times() -> None:
    scene = Scene()
    scene.wrote(*(result(str(n), seconds=n) for n in range(1, 31)))
    scene.now += 30
    assert scene.view.snapshot().rate == pytest.approx(60)
    scene.now += 120
    assert scene.view.snapshot().rate == 0


def test_who_looks_later_finds_the_same_rate() -> None:
    scene = Scene()
    scene.now += 30
    scene.view.begin(Standings(), Count())
    scene.wrote(run_line(), *(result(str(n), seconds=n) for n in range(1, 31)))
    assert scene.view.snapshot().rate == pytest.approx(60)


def order(name: str, value: int | None = None) -> Order:
    return Order(name=name, value=None if value is None else Decimal(value), at=NOW)


def test_orders_change_the_limits_that_a_run_line_said() -> None:
    scene = Scene(Limits(ipm=9.0))
    assert scene.view.snapshot().limit == 9
    begun = run_line(concurrency=3, ipm=60.0, max_spend=4.5, on_unknown="retry")
    scene.wrote(begun, attempt("a"))
    scene.view.workers = 2
    said = (order("ipm", 30), order("pause"), order("status"), order("concurrency", 5))
    scene.view.hear(Word(orders=said))
    snapshot = scene.view.snapshot()
    assert (snapshot.limit, snapshot.is_learned) == (30, False)
    assert (snapshot.paused, snapshot.concurrency) == ("by hand", 10)
    assert snapshot.left == Decimal(4)
    scene.view.hear(Word(orders=(*said, order("resume"), order("max-spend", 0))))
    snapshot = scene.view.snapshot()
    assert (snapshot.paused, snapshot.left) == (None, Decimal(0))


def test_a_refusal_that_the_fleet_heard_of_is_the_limit() -> None:
    scene = Scene(Limits(ipm=60.0))
    scene.view.hear(Word(cap=12.0))
    snapshot = scene.view.snapshot()
    assert (snapshot.limit, snapshot.is_learned) == (12, True)
    assert FleetView().snapshot().limit is None


@pytest.mark.parametrize(
    "raw",
    [
        b"{",
        b"\xff\n",
        b"[" * 5000,
        b'{"event":"attempt","at":"x","id":7}',
        b'{"event":"sunset","id":"a","images":{}}',
        b'{"event":"run","at":"2026-11-22T00:00:00Z","run":"r","total":1}',
        b'{"event":"retry","id":"a","attempt":1,"error":{"class":"new"}}',
    ],
    ids=["cut", "bytes", "deep", "types", "unknown", "bare run", "new class"],
)
def test_a_line_that_makes_no_sense_is_told_to_nobody(raw: bytes) -> None:
    scene = Scene()
    scene.view.take(raw)
    assert scene.heard.words == []


def crew(*shards: str) -> Crew:
    return Crew(shards=shards, word=Word(orders=(order("pause"),)))


@pytest.mark.parametrize(
    ("shards", "in_flight", "unknown"),
    [
        (("0002-of-0004", "0004-of-0004"), 2, 1),
        (("0004-of-0004",), 1, 2),
        ((), 0, 3),
    ],
    ids=["two", "the last", "none"],
)
def test_one_look_at_a_fleet_tells_who_is_in_flight(
    shards: tuple[str, ...], in_flight: int, unknown: int
) -> None:
    directory = MemoryDirectory()
    lines: list[Event] = [
        attempt("a", seconds=-99),
        run_line(2, seconds=0, concurrency=3),
        run_line(4, seconds=20, concurrency=3),
        attempt("b", seconds=5),
        attempt("c", seconds=25),
        result("d", seconds=26),
    ]
    directory.files[FILE_NAME] = b"".join(map(encode, lines))
    view = view_of(directory, crew(*shards))
    snapshot = view.snapshot()
    assert (snapshot.in_flight, snapshot.paused) == (in_flight, "by hand")
    assert snapshot.concurrency == 3 * len(shards)
    assert view.count.states[State.UNKNOWN] == unknown
    assert view.count.states[State.SUCCEEDED] == 1

"""One panel, for a run of one process and for a fleet."""

from __future__ import annotations

import logging
from decimal import Decimal
from io import StringIO
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from batcher.cli.ctl import reply_rows
from batcher.cli.fleet import Shards
from batcher.cli.progress import Lines, Panel
from batcher.cli.table import width_of
from batcher.cli.view import (
    draining_line,
    ended_line,
    fitted,
    line,
    outage_line,
    pace_parts,
    retry_line,
    state_parts,
)
from batcher.control import BY_HAND, described
from batcher.count import Count
from batcher.driver import Fleet
from batcher.engines import Ended
from batcher.engines.dispatcher import Fate, ShardOutcome
from batcher.fleet_view import FleetView, Named
from batcher.governor import Limits, Snapshot
from batcher.job import Job
from batcher.ledger import State
from batcher.ledger.event import ErrorRecord
from batcher.models import ErrorClass, Failure, Status
from batcher.options import Options
from tests.unit.test_driver import job
from tests.unit.test_fleet_view import Scene, attempt, result

FOX = Named(id="a", name="fox")
FAILURE = Failure(error_class=ErrorClass.SERVER, message="down")


class FakeView:
    """A view that says what a test wants."""

    def __init__(self, job_: Job, standing: Snapshot, *, remark: str = "") -> None:
        self.job = job_
        self.count = Count()
        self.max_spend: Decimal | None = Decimal(9)
        self._standing = standing
        self._remark = remark

    def snapshot(self) -> Snapshot:
        return self._standing

    def remark(self) -> str:
        return self._remark


STANDING = Snapshot(
    in_flight=7,
    concurrency=8,
    rate=60.0,
    limit=None,
    is_learned=False,
    paused=None,
    seconds_left=None,
    spent=Decimal("1.5"),
    reserved=Decimal(0),
    unknown=Decimal(0),
    left=None,
)


@pytest.mark.parametrize(
    ("standing", "remark", "words"),
    [
        (STANDING, "", "0/3 · kept 0 · 7 in flight · spent $1.50 of $9.00 · 60.0 im"),
        (STANDING, "", " · 60.0 images/min · 3.0 s left"),
        (replace(STANDING, limit=90.0), "", "60.0 of 90.0 images/min"),
        (replace(STANDING, limit=9.0, is_learned=True), "", "60.0 of ~9.0 images/min"),
        (replace(STANDING, paused="by hand"), "", " · paused: by hand · "),
        (replace(STANDING, paused="quota", seconds_left=9.0), "", "next try in 9.0 s"),
        (replace(STANDING, unknown=Decimal(2)), "", "maybe billed $2.00"),
        (STANDING, "3 of 4 workers", "· 3 of 4 workers"),
    ],
    ids=["plain", "time", "limit", "learned", "paused", "until", "unknown", "remark"],
)
def test_all_that_is_known_is_said(
    tmp_path: Path, standing: Snapshot, remark: str, words: str
) -> None:
    assert words in line(FakeView(job(tmp_path), standing, remark=remark))


@pytest.mark.parametrize(
    ("standing", "stopping"),
    [(replace(STANDING, paused="connect"), None), (STANDING, "by hand")],
    ids=["paused", "stopping"],
)
def test_no_time_is_left_while_nothing_leaves(
    tmp_path: Path, standing: Snapshot, stopping: str | None
) -> None:
    said = line(FakeView(job(tmp_path), standing), stopping)
    assert " left" not in said
    assert said.startswith("0/3 · stopping: by hand" if stopping else "0/3 · paused: c")


@pytest.mark.parametrize("width", [60, 80, 120, 140])
def test_money_is_said_whole_in_every_window(tmp_path: Path, width: int) -> None:
    standing = replace(
        STANDING,
        paused="rate_limited",
        seconds_left=89.0,
        limit=120.0,
        is_learned=True,
        spent=Decimal("0.0766"),
        unknown=Decimal("0.0113"),
    )
    view = FakeView(job(tmp_path), standing)
    view.max_spend = Decimal("12.50")
    money = fitted(pace_parts(view), width)
    assert money.startswith("spent $0.0766 of $12.50 · maybe billed $0.0113")
    assert width_of(money) <= width
    state = fitted(state_parts(view), width)
    assert state.startswith("paused: rate_limited, next try in 1 min 29 s")


def test_errors_by_class_come_last_and_go_first(tmp_path: Path) -> None:
    view = FakeView(job(tmp_path), STANDING)
    view.max_spend = None
    view.count.states[State.FAILED] = 3
    view.count.states[State.UNKNOWN] = 2
    view.count.errors["server"] = 3
    said = fitted(state_parts(view), 80)
    words = "kept 0 · failed 3, rejected 0 · unknown 2 · 7 in flight"
    assert said == f"{words} · errors: server 3"
    assert fitted(state_parts(view), 60) == words
    assert "spent $1.50 · 60.0 images/min" in line(view)


def test_what_has_no_price_is_not_said_to_cost_nothing(tmp_path: Path) -> None:
    unpriced = job(tmp_path, fields={"model": "another"})
    assert "$" not in line(FakeView(unpriced, STANDING))


@given(st.lists(st.text(min_size=1)), st.integers(1, 200))
def test_what_has_no_room_is_left_out_whole(parts: list[str], width: int) -> None:
    said = fitted(parts, width)
    assert width_of(said) <= width
    if sum(map(width_of, parts)) + 3 * len(parts) <= width:
        assert said == " · ".join(parts)


def test_a_fleet_is_a_view(tmp_path: Path) -> None:
    view = FleetView(Limits(max_spend=Decimal(5)))
    lines: list[str] = []
    shards = Shards(Heard(lines))
    fleet = Fleet(job(tmp_path), view, parts=4, listener=shards)
    fleet.workers(2)
    for part in (1, 2):
        fleet.shard_began(part, 1)
    fleet.shard_ended(ShardOutcome(part=1, fate=Fate.DONE), None)
    said = line(fleet)
    assert said.endswith(" · 1 of 2 workers, 1 of 4 shards")
    assert "spent $0.00 of $5.00" in said
    assert lines == ["2 workers", "shard 1 has ended"]
    assert view.snapshot().concurrency == 8


def test_a_fleet_knows_whose_requests_no_worker_has(tmp_path: Path) -> None:
    fleet = Fleet(job(tmp_path), FleetView(), parts=4, listener=Shards(Heard([])))
    ids = ("0" * 14 + "1", "0" * 14 + "4", "foreign")

    def over() -> list[bool]:
        return [fleet.is_over(id_, 0.0) for id_ in ids]

    assert over() == [True, True, True]
    fleet.shard_began(1, 1)
    fleet.shard_began(4, 1)
    assert over() == [False, False, True]
    fleet.shard_ended(ShardOutcome(part=1), 5.0)
    assert over() == [True, False, True]
    fleet.shard_began(1, 2)
    assert over() == [False, False, True]


def test_of_too_many_to_be_walked_no_id_tells_whose_it_is(tmp_path: Path) -> None:
    path = tmp_path / "m.yaml"
    path.write_text("requests:\n  - {prompt: x, matrix: {i: {range: [1, 9]}}}\n")
    options = Options(
        manifests=(str(path),), endpoint="sandbox", out="o", sample="20%", engine="dask"
    )
    large = Job(options, {}, most_walked=5)
    fleet = Fleet(large, FleetView(), parts=2, listener=Shards(Heard([])))
    fleet.shard_began(1, 1)
    assert not fleet.is_over("0" * 15, 0.0)
    fleet.shard_ended(ShardOutcome(part=1), None)
    assert fleet.is_over("0" * 15, 0.0)


class Heard(Lines):
    """A display that notes what it is told of workers."""

    def __init__(self, lines: list[str]) -> None:
        self._lines = lines

    def tell(self, words: str, *, is_wrong: bool = False, **_: object) -> None:
        self._lines.append(f"! {words}" if is_wrong else words)


@pytest.mark.parametrize(
    ("ended", "delay", "words"),
    [
        (Ended(exit_code=None, stderr=("gone.",)), 5.0, "↻ shard 3: lost: gone, again"),
        (Ended(exit_code=-9), None, "✗ shard 3: ended with exit code -9"),
        (None, None, "✗ shard 3: never begun"),
        (
            Ended(exit_code=3, summary={"stopped": {"class": "auth", "message": "no"}}),
            None,
            "✗ shard 3: auth: no",
        ),
    ],
    ids=["lost", "killed", "never", "stopped"],
)
def test_a_shard_that_went_wrong_is_told_with_its_reason(
    ended: Ended | None, delay: float | None, words: str
) -> None:
    lines: list[str] = []
    outcome = ShardOutcome(part=3, fate=Fate.AGAIN, ended=ended)
    Shards(Heard(lines)).shard_ended(outcome, delay)
    assert lines[0].startswith(f"! {words}")


def test_a_shard_that_was_interrupted_is_no_alarm() -> None:
    lines: list[str] = []
    stopped = {"stopped": {"class": "interrupted", "message": "by hand"}}
    outcome = ShardOutcome(
        part=3, fate=Fate.STOP, ended=Ended(exit_code=3, summary=stopped)
    )
    shards = Shards(Heard(lines))
    shards.shard_ended(outcome, None)
    shards.shard_began(3, 1)
    shards.shard_began(3, 2)
    assert lines == ["shard 3 has ended", "shard 3 is submitted again, try 2"]


async def test_a_panel_scrolls_what_went_wrong_and_no_more(tmp_path: Path) -> None:
    stream = StringIO()
    panel = Panel(stream)
    panel.warn("too early for a panel")
    scene = Scene()
    scene.view.observer = panel
    panel.started(Fleet(job(tmp_path), scene.view, parts=4, listener=Shards(panel)))
    scene.wrote(attempt("a"), result("a"))
    panel.retrying(FOX, FAILURE, 2.0)
    panel.ended(FOX, None)
    panel.draining(3)
    panel.draining(3, FAILURE)
    panel.tell("4 workers", event="workers")
    panel.tell("shard 3: lost", is_wrong=True, event="shard")
    panel.close()
    panel.warn("too late for a panel")
    panel.close()
    drawn = stream.getvalue()
    assert drawn.startswith("warning: too early for a panel\n")
    assert drawn.endswith("warning: too late for a panel\n")
    for words in (
        "↻ fox: server: down, again in 2.0 s",
        "? fox: unknown, maybe billed",
        "stopping: 3 in flight",
        "shard 3: lost",
        "0 of 0 workers, 0 of 4 shards",
        "stopping: interrupted · kept 1 · 0 in flight",
    ):
        assert words in drawn
    assert "✓" not in drawn
    assert "4 workers\n" not in drawn


def test_a_log_line_has_its_fields(caplog: pytest.LogCaptureFixture) -> None:
    lines = Lines()
    caplog.set_level(logging.INFO, logger="batcher")
    logger = logging.getLogger("batcher")
    logger.propagate = True
    lines.tell("shard 3: lost", is_wrong=True, event="shard", shard=3)
    lines.retrying(FOX, FAILURE, 2.0)
    lines.close()
    records = [record.__dict__["fields"] for record in caplog.records]
    assert records == [
        {"event": "shard", "shard": 3},
        {"event": "retry", "id": "a", "name": "fox"},
    ]
    assert caplog.records[0].levelno == logging.WARNING


def test_what_goes_wrong_is_a_warning_and_the_rest_is_not(
    caplog: pytest.LogCaptureFixture,
) -> None:
    lines = Lines()
    caplog.set_level(logging.INFO, logger="batcher")
    logging.getLogger("batcher").propagate = True
    kept = result("a")
    lines.ended(FOX, kept)
    lines.retrying(FOX, FAILURE, 2.0)
    assert {record.levelno for record in caplog.records} == {logging.INFO}
    caplog.clear()
    lines.ended(FOX, None)
    lines.ended(FOX, replace(kept, status=Status.FAILED))
    lines.retrying(FOX, FAILURE, None)
    lines.draining(0, FAILURE)
    assert [record.levelno for record in caplog.records] == [logging.WARNING] * 4


@pytest.mark.parametrize(
    ("paused", "seconds_left", "words"),
    [
        ("connect", 29.0, "paused: connect, next try in 29 s"),
        ("quota", None, "paused: quota"),
        ("bad_reply", 29.0, "paused: bad_reply, next try in 29 s"),
        ("ambiguous", 29.0, "paused: ambiguous, next try in 29 s"),
        ("rate_limited", 2.0, None),
        ("by hand", None, None),
        (None, None, None),
    ],
)
def test_an_outage_is_told_from_other_pauses(
    tmp_path: Path, paused: str | None, seconds_left: float | None, words: str | None
) -> None:
    standing = replace(STANDING, paused=paused, seconds_left=seconds_left)
    assert outage_line(FakeView(job(tmp_path), standing)) == words


def test_a_reply_reads_as_people_speak() -> None:
    count = Count()
    count.states[State.SUCCEEDED] = 1200
    standing = replace(
        STANDING,
        limit=9.0,
        is_learned=True,
        paused="connect",
        seconds_left=29.0,
        spent=Decimal("0.03708685741730733"),
        reserved=Decimal(1),
        unknown=Decimal(2),
        left=Decimal("12.42926"),
    )
    reply = {**described(count, standing, ""), "workers": 2, "order": None}
    assert dict(reply_rows(reply)) == {
        "kept": "1,200",
        "in flight": "7 of at most 8",
        "pace": "60.0 images/min",
        "limit": "9.0 images/min, as learned",
        "paused": "connect, next try in 29 s",
        "spent": "$0.0371",
        "reserved": "$1.00 for what is in flight",
        "maybe billed": "$2.00",
        "left to spend": "$12.43",
        "workers": "2",
    }
    plain = dict(reply_rows(described(Count(), STANDING, "a (quota)")))
    assert plain.keys() == {"in flight", "pace", "spent", "left out"}


def test_a_reply_counts_requests_and_money_under_names_of_their_own() -> None:
    count = Count()
    count.states[State.UNKNOWN] = 3
    reply = described(count, replace(STANDING, unknown=Decimal("0.5")), "")
    assert (reply["unknown"], reply["maybe_billed_usd"]) == (3, Decimal("0.5"))
    assert dict(reply_rows(reply)).items() >= {
        ("unknown", "3"),
        ("maybe billed", "$0.5000"),
    }


def test_a_result_reads_as_it_ended() -> None:
    kept = result("a")
    assert ended_line(FOX, kept) == "✓ fox: fox.png"
    assert ended_line(FOX, replace(kept, warnings=("size_mismatch",))).endswith(
        "(size_mismatch)"
    )
    error = ErrorRecord(error_class="moderation", message="no")
    rejected = replace(kept, status=Status.REJECTED, error=error)
    assert ended_line(FOX, rejected) == "✗ fox: rejected: moderation: no"
    assert ended_line(FOX, None) == "? fox: unknown, maybe billed"
    assert retry_line(FOX, FAILURE, 65.0).endswith("again in 1 min 05 s")
    assert retry_line(FOX, FAILURE, None).endswith("again in a later run")


def test_a_run_that_stops_says_what_ends_it() -> None:
    assert draining_line(3, None).endswith("interrupt again to cancel them")
    told = draining_line(3, FAILURE)
    assert told.startswith(f"stopping: {FAILURE.error_class}: ")
    assert told.endswith("the same command goes on")
    assert "interrupt" not in told
    assert draining_line(3, BY_HAND).startswith("stopping: by hand; 3 in flight")
    spent = Failure(error_class=ErrorClass.SPEND, message="the time is up")
    assert draining_line(0, spent).endswith("a later run goes on")


@pytest.mark.parametrize(
    ("in_flight", "words"),
    [
        (0, "nothing is in flight"),
        (1, "1 in flight will finish, as it is b… to cancel it"),
        (1200, "1,200 in flight will finish, as they are b… to cancel them"),
    ],
    ids=["none", "one", "many"],
)
def test_an_interruption_counts_what_is_in_flight(in_flight: int, words: str) -> None:
    begins, _, ends = f"stopping: {words}".partition("…")
    told = draining_line(in_flight)
    assert (told[: len(begins)], told.endswith(ends)) == (begins, True)

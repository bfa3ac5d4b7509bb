from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from batcher.ledger.event import Attempt, End, ErrorRecord, Event, Retry, encode
from batcher.models import Summary
from batcher.reports.overview import Overview
from tests.unit.reports.ledger import START, attempt_line, rejected, run_line

ERROR = ErrorRecord(error_class="server", status=500)
RETRY = Retry(at=START, id="a", attempt=1, error=ERROR, maybe_billed=False, delay=1.0)


def survey(lines: Iterable[bytes]) -> Overview:
    overview = Overview()
    for raw in lines:
        overview.take(raw)
    return overview


def test_a_run_is_told_by_names_alone() -> None:
    (span,) = survey([encode(run_line(3, ipm=60))]).runs
    assert (span.endpoint, span.manifests, span.ipm) == (
        "octopusx",
        ("night.yaml",),
        60.0,
    )
    assert span.end is None


def test_a_run_without_a_limit_has_none() -> None:
    (span,) = survey([encode(run_line(3, ipm=None))]).runs
    assert span.ipm is None


def test_an_end_closes_its_own_run() -> None:
    summary = Summary(total=3, errors={}, warnings={}, out="x")
    at = START + timedelta(hours=1)
    end = End.of(summary, at=at, run="run-1", reason="finished")
    stray = End.of(summary, at=at, run="another", reason="spend")
    (span,) = survey([encode(e) for e in (run_line(3), end, stray)]).runs
    assert (span.end, span.reason) == (at, "finished")


def test_retries_are_counted_by_class() -> None:
    assert survey([encode(RETRY)] * 3).retries == {"server": 3}


def test_the_last_that_was_heard_of_an_open_request_is_kept() -> None:
    ended = rejected(1)
    lines: list[Event] = [attempt_line("a"), attempt_line(ended.id), RETRY, ended]
    sightings = survey(encode(line) for line in lines).sightings
    assert list(sightings) == ["a"]
    assert sightings["a"].error == ERROR


def test_a_request_keeps_its_name_until_it_ends() -> None:
    attempt = Attempt(at=START, id="a", name="cube", attempt=1)
    assert survey([encode(attempt), encode(RETRY)]).sightings["a"].name == "cube"


def test_what_cannot_be_read_is_passed_over() -> None:
    lines = [b"{torn", b'{"event":"run","at":"2026-01-01T00:00:00Z"}\n', b"\xff\n"]
    overview = survey([*lines, b'{"event":"retry","at":"2026-01-01T00:00:00Z"}'])
    assert not overview.runs
    assert not overview.retries

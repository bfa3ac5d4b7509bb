from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import msgspec
import pytest

from batcher.errors import StoreError
from batcher.ledger.event import (
    FORMAT,
    Attempt,
    End,
    EndpointRecord,
    ErrorRecord,
    Event,
    ManifestRecord,
    Reply,
    Result,
    Retry,
    Run,
    Unknown,
    encode,
    now,
)
from batcher.models import ErrorClass, Failure, Image, Status, Summary

AT = datetime(2026, 11, 22, 1, 2, 3, tzinfo=UTC)
ERROR = ErrorRecord(error_class="server", status=500, code="x", message="broken")
IMAGE = Image(
    index=0, path="a.png", bytes=1, sha256="0", format="png", width=1, height=1
)
EVENTS: list[tuple[Event, set[str]]] = [
    (
        Run(
            at=AT,
            run="r",
            batcher="1",
            manifests=(ManifestRecord(path="m.yaml", sha256="0"),),
            endpoint=EndpointRecord(name="e", base_url="http://e/v1"),
            settings={"max_spend": Decimal("1.50")},
            total=1,
        ),
        {"v", "run", "batcher", "manifests", "endpoint", "settings", "total"},
    ),
    (
        Attempt(at=AT, id="a", attempt=1, reserved_usd=Decimal("0.1")),
        {"id", "attempt", "reserved_usd"},
    ),
    (Attempt(at=AT, id="a", attempt=1), {"id", "attempt"}),
    (
        Retry(at=AT, id="a", attempt=1, error=ERROR, maybe_billed=False, delay=1.5),
        {"id", "attempt", "error", "maybe_billed", "delay", "request_id"},
    ),
    (
        Reply(at=AT, id="a", attempt=1, urls=("http://e/1",)),
        {"id", "attempt", "urls", "request_id", "revised_prompts", "usage"},
    ),
    (
        Unknown(at=AT, id="a", attempt=1, error=ERROR),
        {"id", "attempt", "error", "request_id"},
    ),
    (
        Result(
            at=AT,
            id="a",
            name="fox",
            status=Status.SUCCEEDED,
            attempts=1,
            request={"prompt": "é"},
            vars={"year": 2**70},
            images=(IMAGE,),
        ),
        {"id", "name", "status", "attempts", "request", "vars", "images", "usage"}
        | {
            "cost_usd",
            "maybe_billed_usd",
            "latency",
            "request_id",
            "warnings",
            "error",
        },
    ),
]


@pytest.mark.parametrize(("event", "fields"), EVENTS, ids=lambda it: type(it).__name__)
def test_a_line_has_the_fields_of_the_contract(event: Event, fields: set[str]) -> None:
    line = encode(event)
    assert line.endswith(b"}\n")
    assert line.count(b"\n") == 1
    document = msgspec.json.decode(line)
    assert set(document) == fields | {"event", "at"}
    assert document["event"] == type(event).__name__.lower()
    assert document["at"] == "2026-11-22T01:02:03Z"


def test_money_is_a_number_written_exactly() -> None:
    line = encode(Attempt(at=AT, id="a", attempt=1, reserved_usd=Decimal("0.138545")))
    assert b'"reserved_usd":0.138545}' in line


NO_LINES: list[tuple[Event, str]] = [
    (
        Attempt(at=AT, id="a", attempt=1, reserved_usd=Decimal(10**9)),
        "cannot write the ledger's 'attempt' line: '1000000000' is not a sum of money",
    ),
    (
        Unknown(at=AT, id="a", attempt=1, error=ERROR, request_id="\udcff"),
        "'unknown' line: .* surrogates not allowed",
    ),
    (
        Attempt(at=AT, id="a", attempt=1, reserved_usd=Decimal("NaN")),
        "'attempt' line: JSON is malformed",
    ),
    (
        End.of(
            Summary(total=0, errors={}, warnings={}, out="o", seconds=float("nan")),
            at=AT,
            run="r",
            reason="finished",
        ),
        "'end' line: Expected `float`, got `null`",
    ),
]


@pytest.mark.parametrize(
    ("event", "words"), NO_LINES, ids=["sum", "text", "nan", "end"]
)
def test_no_line_is_made_that_a_reader_would_refuse(event: Event, words: str) -> None:
    with pytest.raises(StoreError, match=words):
        encode(event)


def test_an_error_is_written_as_the_contract_names_it() -> None:
    failure = Failure(
        error_class=ErrorClass.SERVER, message="broken", status=500, code="x"
    )
    assert ErrorRecord.of(failure) == ERROR
    assert msgspec.to_builtins(ERROR) == {
        "class": "server",
        "status": 500,
        "code": "x",
        "message": "broken",
    }


def test_the_last_line_of_a_run_carries_its_summary() -> None:
    summary = Summary(
        total=2,
        succeeded=1,
        pending=1,
        spent_usd=Decimal("0.5"),
        errors={},
        warnings={"adopted": 1},
        out="o",
        exit_code=130,
    )
    end = End.of(summary, at=AT, run="r", reason="interrupted")
    document = msgspec.json.decode(encode(end))
    assert (document["succeeded"], document["pending"]) == (1, 1)
    assert (document["exit_code"], document["reason"]) == (130, "interrupted")
    assert "out" not in document


def test_times_are_in_utc_and_the_format_has_a_number() -> None:
    assert now().tzinfo is UTC
    assert FORMAT == 1


def test_a_time_without_a_zone_is_taken_as_utc() -> None:
    raw = (
        b'{"event":"result","at":"2026-11-22T10:00:00","id":"a","name":"a",'
        b'"status":"failed","attempts":1,"request":{},"vars":{}}'
    )
    result = msgspec.json.decode(raw, type=Result)
    assert result.at == datetime(2026, 11, 22, 10, tzinfo=UTC)

"""Lines of one request's history, for the tests of what they come to."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import msgspec

from batcher.ledger import Standings
from batcher.ledger.event import (
    Attempt,
    ErrorRecord,
    Event,
    Reply,
    Result,
    Retry,
    Unknown,
    encode,
)
from batcher.models import Image, Status

AT = datetime(2026, 11, 22, tzinfo=UTC)
ZERO = Decimal(0)
URL = "http://127.0.0.1/files/a"


def attempt(
    number: int, reserved: str | Decimal | None = None, *, name: str | None = None
) -> Attempt:
    return Attempt(
        at=AT,
        id="a",
        name=name or msgspec.UNSET,
        attempt=number,
        reserved_usd=msgspec.UNSET if reserved is None else Decimal(reserved),
    )


def retry(number: int, error_class: str, *, maybe_billed: bool = False) -> Retry:
    error = ErrorRecord(error_class=error_class)
    return Retry(
        at=AT, id="a", attempt=number, error=error, maybe_billed=maybe_billed, delay=1.0
    )


def unknown(number: int) -> Unknown:
    error = ErrorRecord(error_class="ambiguous")
    return Unknown(at=AT, id="a", attempt=number, error=error)


def reply(number: int) -> Reply:
    return Reply(at=AT, id="a", attempt=number, urls=(URL,), request_id="r1")


def result(
    status: Status = Status.SUCCEEDED,
    *,
    attempts: int = 1,
    error_class: str | None = None,
    cost: Decimal | None = None,
    maybe_billed: Decimal | None = None,
    images: int = 1,
) -> Result:
    return Result(
        at=AT,
        id="a",
        name="fox",
        status=status,
        attempts=attempts,
        request={"prompt": "a fox"},
        vars={"cost_usd": "not money"},
        images=tuple(image(index) for index in range(images)),
        cost_usd=cost,
        maybe_billed_usd=maybe_billed,
        warnings=("adopted",) if status is Status.SUCCEEDED else (),
        error=None if error_class is None else ErrorRecord(error_class=error_class),
    )


def image(index: int) -> Image:
    return Image(
        index=index,
        path=f"fox-{index}.png",
        bytes=7,
        sha256="0" * 64,
        format="png",
        width=1,
        height=1,
    )


def folded(*events: Event, standings: Standings | None = None) -> Standings:
    standings = Standings() if standings is None else standings
    for each in events:
        standings.take(encode(each))
    return standings

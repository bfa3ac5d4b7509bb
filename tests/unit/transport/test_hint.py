from __future__ import annotations

import pytest

from batcher.models import RateHint
from batcher.transport.hint import (
    duration,
    is_final,
    rate_hint,
    request_id,
    retry_after,
    stated_limit,
)

NOW = 1_700_000_000.0  # Tue, 14 Nov 2023 22:13:20 GMT


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"x-oneapi-request-id": "a", "x-request-id": "b", "cf-ray": "d"}, "a"),
        ({"x-request-id": "b", "request-id": "c", "cf-ray": "d"}, "b"),
        ({"request-id": "c", "cf-ray": "d"}, "c"),
        ({"x-oneapi-request-id": " ", "cf-ray": " d "}, "d"),
        ({"x-request-id": "r\udcff1\x1b[2J"}, "r1"),
        ({"x-request-id": "\udcff", "cf-ray": "d"}, "d"),
        ({"date": "x"}, None),
    ],
)
def test_the_gateways_own_id_comes_first_and_can_be_shown(
    headers: dict[str, str], expected: str | None
) -> None:
    assert request_id(headers) == expected


@pytest.mark.parametrize(
    ("headers", "final"),
    [
        ({"x-should-retry": "false"}, True),
        ({"x-should-retry": " False "}, True),
        ({"x-should-retry": "true"}, False),
        ({}, False),
    ],
)
def test_only_x_should_retry_false_is_final(
    headers: dict[str, str], *, final: bool
) -> None:
    assert is_final(headers) is final


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1s", 1.0),
        ("6m0s", 360.0),
        ("120ms", 0.12),
        ("1h2m3.5s", 3723.5),
        ("1d", 86400.0),
        (" 12 ", 12.0),
        ("0.5", 0.5),
        ("0", 0.0),
        ("1730000000", None),
        ("", None),
        ("soon", None),
        ("-1", None),
        ("nan", None),
        ("inf", None),
        ("1x", None),
    ],
)
def test_durations_are_read(text: str, seconds: float | None) -> None:
    assert duration(text) == seconds


@pytest.mark.parametrize(
    ("headers", "message", "seconds"),
    [
        pytest.param({"retry-after-ms": "1500", "retry-after": "9"}, "", 1.5, id="ms"),
        pytest.param({"retry-after": "9"}, "try again in 1s", 9.0, id="seconds"),
        pytest.param({"retry-after": "0.25"}, "", 0.25, id="fraction"),
        pytest.param(
            {"retry-after-ms": "x", "retry-after": "2"}, "", 2.0, id="ms unreadable"
        ),
        pytest.param(
            {"retry-after": "Tue, 14 Nov 2023 22:13:50 GMT"}, "", 30.0, id="date"
        ),
        pytest.param(
            {"retry-after": "Tue, 14 Nov 2023 22:13:50 -0000"}, "", 30.0, id="no zone"
        ),
        pytest.param(
            {"retry-after": "Tue, 14 Nov 2023 22:00:00 GMT"}, "", 0.0, id="date gone by"
        ),
        pytest.param(
            {"retry-after": "Tue, 99 Nov 2023 22:00:00 GMT"}, "", None, id="no date"
        ),
        pytest.param({"retry-after": "-5"}, "", None, id="negative"),
        pytest.param(
            {
                "x-ratelimit-remaining-requests": "0",
                "x-ratelimit-reset-requests": "1s",
                "x-ratelimit-remaining-images": "0",
                "x-ratelimit-reset-images": "12s",
                "x-ratelimit-remaining-tokens": "7",
                "x-ratelimit-reset-tokens": "6m0s",
            },
            "",
            12.0,
            id="what has run out",
        ),
        pytest.param(
            {"x-ratelimit-remaining-tokens": "0"}, "try again in 3s", 3.0, id="no reset"
        ),
        pytest.param({}, "Please try again in 20s. Visit", 20.0, id="told"),
        pytest.param({}, "Please try again in 1.2s.", 1.2, id="told in fractions"),
        pytest.param({}, "try again in 120ms", 0.12, id="told in milliseconds"),
        pytest.param({}, "Please retry after 5 seconds.", 5.0, id="told in words"),
        pytest.param({}, "try again in 2 minutes", 120.0, id="told in minutes"),
        pytest.param({}, "try again in 6m30s", 390.0, id="told as a duration"),
        pytest.param({}, "try again in 7", 7.0, id="told without a unit"),
        pytest.param({}, "try again in 1.2.3s5s", None, id="told badly"),
        pytest.param({}, "try again later", None, id="told nothing"),
        pytest.param(
            {}, "您已达到请求数限制\uff1a3分钟内最多请求60次", 3.0, id="stated limit"
        ),
        pytest.param({}, "", None, id="nothing"),
    ],
)
def test_the_wait_is_found(
    headers: dict[str, str], message: str, seconds: float | None
) -> None:
    assert retry_after(headers, message, now=NOW) == seconds


@pytest.mark.parametrize(
    ("message", "limit"),
    [
        ("您已达到请求数限制\uff1a1分钟内最多请求20次", (60.0, 20)),
        (
            "您已达到总请求数限制\uff1a5分钟内最多请求100次\uff0c包括失败次数",
            (300.0, 100),
        ),
        ("0分钟内最多请求5次", None),
        ("5分钟内最多请求0次", None),
        ("too many requests", None),
    ],
)
def test_a_stated_limit_is_learned(
    message: str, limit: tuple[float, int] | None
) -> None:
    assert stated_limit(message) == limit


def test_rate_headers_are_read() -> None:
    headers = {
        "x-ratelimit-limit-requests": "60",
        "x-ratelimit-remaining-requests": "59",
        "x-ratelimit-reset-requests": "1s",
        "x-ratelimit-limit-images": "5",
        "x-ratelimit-remaining-images": "0",
        "x-ratelimit-reset-images": "12s",
    }
    assert rate_hint(headers) == RateHint(
        limit_requests=60,
        remaining_requests=59,
        limit_images=5,
        remaining_images=0,
        reset_seconds=12.0,
    )


def test_rate_headers_that_say_nothing_are_none() -> None:
    assert rate_hint({"x-ratelimit-limit-requests": "many"}) is None
    assert rate_hint({}) is None
    assert rate_hint({"x-ratelimit-limit-images": "5"}) == RateHint(limit_images=5)

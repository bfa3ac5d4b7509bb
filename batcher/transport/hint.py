"""Reads what a gateway says about pace and identity: headers and stated limits.

Headers are those of `response.ResponseParser`: by lower-case names, their values as
they came. Decides nothing; the governor and the retry policy do. Knows nothing of
bodies.
"""

from __future__ import annotations

import math
import re
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Final

from batcher.models import RateHint
from batcher.transport.message import clean

if TYPE_CHECKING:
    from collections.abc import Mapping

_REQUEST_ID_HEADERS: Final = (
    "x-oneapi-request-id",
    "x-request-id",
    "request-id",
    "cf-ray",
)
_LIMITED: Final = ("requests", "images", "tokens")
_SECONDS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_LONGEST_WAIT: Final = 1e6
_AMOUNT: Final = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)(ms|s|m|h|d)")
_DURATION: Final = re.compile(r"(?:\d{1,9}(?:\.\d{1,9})?(?:ms|s|m|h|d))+")
_TRY_AGAIN: Final = re.compile(
    r"(?:try again|retry)\s+(?:in|after)\s+"
    r"(\d{1,6}(?:\.\d{1,6})?)\s*(ms|milliseconds?|s|seconds?|secs?|m|minutes?|mins?)?"
    r"(?!\w|\.\d)|(?:try again|retry)\s+(?:in|after)\s+((?:\d[\d.]*(?:ms|s|m|h|d))+)",
    re.IGNORECASE,
)
_STATED_LIMIT: Final = re.compile(r"(\d{1,6})\s*分钟内最多请求\s*(\d{1,9})\s*次")


def request_id(headers: Mapping[str, str]) -> str | None:
    """Give the gateway's id of a request, which a refund needs, fit to be shown."""
    ids = (clean(headers[name]) for name in _REQUEST_ID_HEADERS if name in headers)
    return next(filter(None, ids), None)


def is_final(headers: Mapping[str, str]) -> bool:
    """Tell whether the gateway said `x-should-retry: false`, as OpenAI's does."""
    return headers.get("x-should-retry", "").strip().lower() == "false"


def rate_hint(headers: Mapping[str, str]) -> RateHint | None:
    """Give what the `x-ratelimit-*` headers say, or None when there are none."""
    if not any(name.startswith("x-ratelimit-") for name in headers):
        return None
    resets = (_reset(headers, name) for name in ("requests", "images"))
    hint = RateHint(
        limit_requests=_count(headers, "limit-requests"),
        remaining_requests=_count(headers, "remaining-requests"),
        limit_images=_count(headers, "limit-images"),
        remaining_images=_count(headers, "remaining-images"),
        reset_seconds=max((r for r in resets if r is not None), default=None),
    )
    return None if hint == RateHint() else hint


def retry_after(
    headers: Mapping[str, str], message: str = "", *, now: float
) -> float | None:
    """Give the seconds a gateway asks to wait, or None when it does not say.

    Looks at `retry-after-ms`, `Retry-After` (RFC 9110 §10.2.3, fractions allowed), the
    `x-ratelimit-reset-*` of what has run out, and the message, in this order.

    Args:
        headers: Of the reply.
        message: The error's text.
        now: Seconds since the epoch, for a `Retry-After` that is a date.
    """
    milliseconds = _float(headers.get("retry-after-ms", ""))
    if milliseconds is not None:
        return milliseconds / 1000
    asked = _asked(headers.get("retry-after", ""), now)
    if asked is not None:
        return asked
    resets = [
        _reset(headers, n) for n in _LIMITED if _count(headers, f"remaining-{n}") == 0
    ]
    waits = [reset for reset in resets if reset is not None]
    return max(waits) if waits else _told(message)


def stated_limit(message: str) -> tuple[float, int] | None:
    """Give the window in seconds and the requests it allows, when a text states them.

    new-api's limiter says so in Chinese, whatever the user's language
    (middleware/model-rate-limit.go).
    """
    stated = _STATED_LIMIT.search(message)
    if stated is None or int(stated[1]) == 0 or int(stated[2]) == 0:
        return None
    return int(stated[1]) * 60.0, int(stated[2])


def duration(text: str) -> float | None:
    """Give the seconds of `1s`, `6m0s`, `120ms` or a plain number, or None.

    A number too large for a wait is a point in time, which nobody documents: None.
    """
    text = text.strip().lower()
    if _DURATION.fullmatch(text):
        amounts = _AMOUNT.findall(text)
        return math.fsum(float(number) * _SECONDS[unit] for number, unit in amounts)
    seconds = _float(text)
    return seconds if seconds is not None and seconds < _LONGEST_WAIT else None


def _asked(text: str, now: float) -> float | None:
    seconds = _float(text)
    if seconds is not None:
        return seconds
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    if moment.tzinfo is None:  # "-0000": the time is UTC, the place unknown
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, moment.timestamp() - now)


def _told(message: str) -> float | None:
    limit = stated_limit(message)
    if limit is not None:
        return limit[0] / limit[1]
    told = _TRY_AGAIN.search(message)
    if told is None:
        return None
    if told[3]:
        return duration(told[3])
    unit = (told[2] or "s").lower()
    scale = "ms" if unit.startswith(("ms", "milli")) else unit[0]
    return float(told[1]) * _SECONDS[scale]


def _reset(headers: Mapping[str, str], name: str) -> float | None:
    return duration(headers.get(f"x-ratelimit-reset-{name}", ""))


def _count(headers: Mapping[str, str], name: str) -> int | None:
    text = headers.get(f"x-ratelimit-{name}", "").strip()
    return int(text) if re.fullmatch(r"[0-9]{1,12}", text) else None


def _float(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if 0 <= number < math.inf else None

"""Faults that answer a POST with an error in place of its images."""

from __future__ import annotations

import math
from email.utils import formatdate
from textwrap import shorten

from batcher.sandbox.faults.fault import Call, Fault, always
from batcher.sandbox.reply import Reply, error

UNSAFE = (
    "Your request was rejected by the safety system. If you believe this is an error, "
    "contact us and include the request ID. safety_violations=[violence]."
)
PACE = "Rate limit reached for images per minute. Please try again in 1s."
WINDOW = "您已达到请求数限制：1分钟内最多请求60次"  # noqa: RUF001 - new-api's words
SATURATED = "当前分组上游负载已饱和，请稍后再试"  # noqa: RUF001 - one-api's words

ERRORS: tuple[tuple[str, str, int, str | None, str], ...] = (
    # name, source, status, code, message
    ("saturated", "§2.4, 6", 429, "", SATURATED),
    ("channel_busy", "§2.3", 429, "get_channel_failed", "channel is at its limit"),
    ("quota_429", "§3.4, 8", 429, "insufficient_quota", "You exceeded your quota."),
    ("moderation_429", "§3.4, 7", 429, "moderation_blocked", UNSAFE),
    ("auth", "§2.3, 8", 401, "", "Invalid token"),
    ("quota", "§2.3, 8", 403, "insufficient_user_quota", "用户额度不足"),
    ("key_quota", "§2.3, 8", 403, "pre_consume_token_quota_failed", "key is used up"),
    ("denied", "§2.3", 403, "access_denied", "no access to this group"),
    ("wrong_url", "§2.3, 9", 404, "", "Invalid URL (POST /v1/v1/images/generations)"),
    ("too_large", "§2.3, 7", 413, "read_request_body_failed", "body is too large"),
    ("moderation", "§3.4, 7", 400, "moderation_blocked", UNSAFE),
    ("moderation_500", "§3.4, 7", 500, "", UNSAFE),
    ("moderation_451", "§3.4, 7", 451, None, UNSAFE),
    ("policy", "§2.6", 400, "content_policy_violation", "refused by the model"),
    ("sensitive_words", "§2.3, 7", 500, "sensitive_words_detected", "敏感词"),
    ("invalid", "§2.3", 400, "invalid_value", "Invalid value for 'quality'."),
    ("invalid_500", "§2.3, 7", 500, "invalid_request", "field ImageRequest.n is wrong"),
    ("convert", "§2.3, 7", 500, "convert_request_failed", "url is not supported"),
    ("no_price", "§2.3, 7", 500, "model_price_error", "model has no price"),
    ("no_channel_500", "§2.3", 500, "get_channel_failed", "no channel is left"),
    ("server", "§2.3", 500, "server_error", "The server had an error."),
    ("do_request_failed", "§2.3, 2", 500, "do_request_failed", "upstream error: EOF"),
    ("bad_body", "§2.3, 2", 500, "bad_response_body", "reply is no JSON"),
    ("no_output", "§2.6", 502, "bad_response", "upstream did not return image output"),
)
"""Errors that are the same for every call."""

KINDS = {
    "moderation_blocked": "image_generation_user_error",
    "content_policy_violation": "image_generation_user_error",
    "insufficient_quota": "insufficient_quota",
    "invalid_value": "invalid_request_error",
    "server_error": "server_error",
}
"""The `type` of errors that come from upstream, by their code."""

LATE = {
    "moderation_500",
    "moderation_451",
    "policy",
    "server",
    "do_request_failed",
    "bad_body",
    "no_output",
}
"""Those of `ERRORS` that come when the image would have come."""


def stated(status: int, code: str | None, message: str) -> Reply:
    """Make an error of the table."""
    kind = KINDS.get(str(code), "new_api_error")
    return error(status, message, code=code, kind=kind)


def too_fast(call: Call) -> Reply:
    """Refuse for pace in one of five forms, by the call's lot."""
    date = formatdate(math.ceil(call.now) + 1, usegmt=True)
    hints = ({"Retry-After": "1"}, {"retry-after-ms": "300"}, {"Retry-After": date})
    forms = (
        *(pace("rate_limit_exceeded", PACE, hint) for hint in hints),
        error(429, WINDOW),
        Reply(status=429),
    )
    return forms[int(call.lot * len(forms))]


def pace(code: str, message: str, hint: dict[str, str]) -> Reply:
    """Refuse for pace in OpenAI's words, with a hint when to come back."""
    return error(429, message, code=code, kind="requests", headers=hint)


def busy(call: Call) -> Reply:
    """Be overloaded: the gateway's machine, or the upstream."""
    if call.lot < 0.5:
        return error(503, "system cpu overloaded", code="system_cpu_overloaded")
    message = "The server is currently overloaded. Please try again later."
    return error(503, message, code="server_is_overloaded", kind="server_error")


def no_channel(call: Call) -> Reply:
    """Find no channel for the model."""
    model = call.document.get("model")
    message = f"No available channel for model {model} under group default"
    return error(503, message, code="model_not_found")


def unknown_parameter(call: Call) -> Reply | None:
    """Refuse `response_format`, as official GPT image channels do."""
    if "response_format" not in call.document:
        return None
    message, kind = "Unknown parameter: 'response_format'.", "invalid_request_error"
    code, param = "unknown_parameter", "response_format"
    return error(400, message, code=code, kind=kind, param=param)


def no_retry(call: Call) -> Reply:
    """Fail, and say that trying again is of no use."""
    del call
    headers = {"x-should-retry": "false"}
    return error(500, "The server had an error.", code="server_error", headers=headers)


def odd_error(call: Call) -> Reply:
    """Use one of the other bodies that an error comes in (§2.2)."""
    bodies = (
        b'{"error":"upstream is unavailable"}',
        b'{"message":"upstream is unavailable","code":500}',
        b'{"detail":"upstream is unavailable"}',
        b'{"success":false,"msg":"upstream is unavailable"}',
        b"{'error': {'message': 'upstream is unavailable'}}",
    )
    return Reply(status=500, body=bodies[int(call.lot * len(bodies))])


def ramping(call: Call) -> Reply:
    """Ask to slow down."""
    del call
    return pace("slow_down", "Slow down: ramping too fast.", {"Retry-After": "1"})


REFUSALS = (
    Fault(
        name="rate_limited",
        doc="429 in one of five forms, with a hint when to come back or none",
        source="§2.4, §3.3, 10",
        answer=too_fast,
        billed=False,
    ),
    Fault(
        name="slow_down",
        doc="429 slow_down with Retry-After: 1",
        source="§3.4, 10",
        answer=ramping,
        billed=False,
    ),
    Fault(
        name="overloaded",
        doc="503 system_cpu_overloaded or server_is_overloaded",
        source="§2.3, §3.4",
        answer=busy,
        billed=False,
    ),
    Fault(
        name="no_channel",
        doc="503 model_not_found: an outage, or a wrong model",
        source="§2.3, 9",
        answer=no_channel,
        billed=False,
    ),
    Fault(
        name="unknown_parameter",
        doc="400 unknown_parameter if response_format was sent",
        source="§4.3, 19",
        answer=unknown_parameter,
        billed=False,
    ),
    Fault(
        name="no_retry",
        doc="500 with x-should-retry: false",
        source="§3.3, 11",
        answer=no_retry,
        billed=False,
    ),
    Fault(
        name="odd_error",
        doc="500 with a flat, textual or unreadable error body",
        source="§2.2, §4.3, 6",
        answer=odd_error,
        billed=False,
        late=True,
    ),
    *(
        Fault(
            name=name,
            doc=f"{status} {code or 'without a code'}: {shorten(message, 50)}",
            source=source,
            answer=always(stated(status, code, message)),
            billed=False,
            late=name in LATE,
        )
        for name, source, status, code, message in ERRORS
    ),
)
"""Faults that are not billed, and mostly answered at once."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from batcher.models import ErrorClass, Failure
from batcher.transport.document import read_document
from batcher.transport.errorbody import read_error
from batcher.transport.failure import RULES, classify

if TYPE_CHECKING:
    from collections.abc import Sequence

CLOUDFLARE_524 = (
    "<!DOCTYPE html><html><head><title>api.example | 524: A timeout occurred</title>"
)
SAFETY = (
    "Your request was rejected by the safety system. If you believe this is an error,"
    " contact us and include the request ID req_1. safety_violations=[violence]."
)


def fail(status: int | None, body: str, **headers: str) -> Failure:
    error = read_error(read_document(body.encode()))
    return classify(status, error, headers, now=0.0)


def openai(code: object = None, message: str = "m", kind: str = "new_api_error") -> str:
    error = {"message": message, "type": kind, "param": "", "code": code}
    return json.dumps({"error": error}, ensure_ascii=False)


MODERATION = [
    (400, openai("moderation_blocked", SAFETY, "image_generation_user_error")),
    (400, openai(None, SAFETY, "invalid_request_error")),
    (400, openai("content_policy_violation")),
    (500, openai("sensitive_words_detected", "sensitive_words_detected")),
    (500, openai("upstream_error", SAFETY)),
    (429, openai("", SAFETY)),
    (502, openai("bad_response_status_code", SAFETY)),
    (500, openai("invalid_request", SAFETY)),
    (200, openai("prompt_blocked")),
    (400, openai(None, "This request violates our content policy.")),
    (400, openai(None, "Blocked by the upstream's content filter")),
    (502, openai(None, "no image output: I can't help with creating that image.")),
    (502, openai(None, "I'm sorry, but I cannot do that.")),
    (400, openai("", "您的提示词包含敏感词")),
    (400, openai("", "内容违规")),
    (500, openai("", "抱歉 我无法生成这张图片")),
    (451, ""),
    (400, "{'error': {'code': 'moderation_blocked', 'message': None}}"),
]
QUOTA = [
    (403, openai("insufficient_user_quota", "用户额度不足")),
    (403, openai("pre_consume_token_quota_failed")),
    (401, openai("", "该令牌额度已用尽")),
    (403, openai(None, "预扣费额度失败, 用户剩余额度: 0")),
    (429, openai("insufficient_quota", "You exceeded your current quota", "x")),
    (429, openai(None, "You exceeded your current quota, see rate limits", "x")),
    (429, openai("credit_balance_exhausted", "m", "insufficient_quota")),
    (429, openai("a_new_code", "m", "insufficient_quota")),
    (429, openai("organization_spend_limit_exceeded")),
    (400, openai("billing_hard_limit_reached", "Billing hard limit reached")),
    (200, openai(None, "余额不足")),
    (403, '{"message": "Insufficient account balance"}'),
    (402, ""),
]
RATE_LIMITED = [
    (429, openai("rate_limit_exceeded", "Rate limit reached", "requests")),
    (429, openai("slow_down")),
    (429, openai("", "您已达到请求数限制\uff1a1分钟内最多请求20次")),
    (429, openai(None, "当前分组上游负载已饱和")),
    (429, openai("get_channel_failed")),
    (429, ""),
    (400, openai("token_concurrency_limit_reached")),
    (500, openai(None, "upstream: too many requests")),
    (200, '{"code": 429, "msg": "busy"}'),
]
OVERLOADED = [
    (503, openai("model_not_found", "No available channel for model x under group y")),
    (500, openai(None, "当前分组 default 下对于模型 x 无可用渠道")),
    (500, openai("get_channel_failed")),
    (503, openai("system_cpu_overloaded")),
    (503, openai("server_is_overloaded")),
    (429, openai(None, "no available image quota")),
    (500, openai(None, "当前分组上游负载已饱和")),
    (500, openai(None, "That model is currently overloaded", "server_error")),
    (503, "<html><title>503 Service Temporarily Unavailable</title>"),
    (529, ""),
]
AMBIGUOUS = [
    (500, openai("do_request_failed")),
    (500, openai("read_response_body_failed")),
    (500, openai("bad_response_body")),
    (500, openai(None, "m", "do_request_failed")),
    (500, openai(None, "Post ***: context deadline exceeded")),
    (500, openai(None, "unexpected EOF")),
    (500, openai(None, "request timed out")),
    (502, openai("upstream_error", "upstream did not return image output")),
    (502, "<html><title>502 Bad Gateway</title>"),
    (504, openai("bad_response_status_code", "openai_error")),
    (524, CLOUDFLARE_524),
    (520, "error code: 520"),
    (408, ""),
    (200, "<html><title>Welcome</title>"),
    (200, ""),
    (200, openai("unheard_of")),
    (None, ""),
]
SERVER = [
    (500, openai("upstream_error", "internal error")),
    (500, openai("500", "m")),
    (500, "{'error': 'oops'}"),
    (500, ""),
    (525, ""),
    (409, ""),
    (500, openai("channel:invalid_key")),
]
INVALID = [
    (500, openai("invalid_request", "json: cannot unmarshal")),
    (500, openai("convert_request_failed", "response_format url is not supported")),
    (400, openai("unknown_parameter", "Unknown parameter: 'response_format'.")),
    (400, openai("400", "litellm.BadRequestError: invalid size")),
    (400, openai("invalid_value", "size 1x1 is not supported by this model")),
    (413, openai("read_request_body_failed", "request body too large")),
    (413, "<html><title>413 Request Entity Too Large</title>"),
    (422, '{"detail": [{"loc": ["body", "n"], "msg": "not an integer"}]}'),
    (418, ""),
    (200, '{"code": 400, "msg": "prompt is required"}'),
]
AUTH = [
    (401, openai("", "Invalid token")),
    (401, openai("invalid_request", "该令牌已过期")),
    (401, '{"success": false, "message": "No Authorization header"}'),
    (403, openai("access_denied_", "您的 IP 不在令牌允许访问的列表中")),
    (403, openai("", "用户已被封禁")),
    (400, openai("invalid_api_key")),
    (403, openai("", "Your account has been suspended")),
    (200, '{"code": 401, "message": "please log in"}'),
]
CONFIG = [
    (404, openai("", "Invalid URL (POST /v1/v1/images/generations)", "x")),
    (404, openai("model_not_found", "The model 'x' does not exist")),
    (404, "<html><title>404 Not Found</title>"),
    (400, openai("model_not_found", "The model 'x' does not exist")),
    (400, openai(None, "The model `x` has been deprecated")),
    (400, openai(None, "模型 x 不存在")),
    (403, openai("access_denied", "该令牌无权访问模型 x")),
    (403, openai("", "no access")),
    (500, openai("model_price_error")),
    (501, openai("api_not_implemented")),
    (405, ""),
    (301, "<html><title>301 Moved Permanently</title>"),
    (307, ""),
]
RECORDED: dict[ErrorClass, Sequence[tuple[int | None, str]]] = {
    ErrorClass.MODERATION: MODERATION,
    ErrorClass.QUOTA: QUOTA,
    ErrorClass.RATE_LIMITED: RATE_LIMITED,
    ErrorClass.OVERLOADED: OVERLOADED,
    ErrorClass.AMBIGUOUS: AMBIGUOUS,
    ErrorClass.SERVER: SERVER,
    ErrorClass.INVALID: INVALID,
    ErrorClass.AUTH: AUTH,
    ErrorClass.CONFIG: CONFIG,
}


@pytest.mark.parametrize(
    ("error_class", "status", "body"),
    [
        pytest.param(
            error_class, status, body, id=f"{error_class}: {status} {body[:60]}"
        )
        for error_class, recorded in RECORDED.items()
        for status, body in recorded
    ],
)
def test_a_recorded_answer_has_its_class(
    error_class: ErrorClass, status: int | None, body: str
) -> None:
    assert fail(status, body).error_class == error_class


def test_every_row_of_the_table_is_reached_by_a_recorded_answer() -> None:
    deciding = set()
    for recorded in RECORDED.values():
        for status, body in recorded:
            error = read_error(read_document(body.encode()))
            names = frozenset(n.lower() for n in (error.code, error.type) if n)
            believed = error.status if status == 200 and error.status else status
            rows = (
                n for n, r in enumerate(RULES) if r.fits(names, error.message, believed)
            )
            deciding.add(next(rows))
    assert deciding == set(range(len(RULES)))


def test_everything_known_of_a_failure_is_told() -> None:
    body = openai("rate_limit_exceeded", "Slow\x1b[1m down,\n  try again in 1.2s")
    failure = fail(429, body, **{"x-oneapi-request-id": "r", "x-should-retry": "false"})
    assert failure == Failure(
        error_class=ErrorClass.RATE_LIMITED,
        message="Slow down, try again in 1.2s",
        status=429,
        code="rate_limit_exceeded",
        retry_after=1.2,
        request_id="r",
        final=True,
    )


@pytest.mark.parametrize(
    ("status", "body", "message"),
    [
        (500, openai("c", ""), "c"),
        (502, "", "HTTP 502 without a reason"),
        (None, "", "no reply"),
        (524, CLOUDFLARE_524, "api.example | 524: A timeout occurred"),
        (502, "<html><title>Bad Gateway</title>", "HTTP 502: Bad Gateway"),
        (403, "Sorry", "HTTP 403: Sorry"),
        (500, openai(None, "Sorry"), "Sorry"),
        (None, "Sorry", "Sorry"),
        (200, '{"data":[' + "7," * 99, 'HTTP 200: {"data":[' + "7," * 45 + "…"),
    ],
)
def test_a_failure_always_has_a_message(
    status: int | None, body: str, message: str
) -> None:
    assert fail(status, body).message == message


@pytest.mark.parametrize(
    ("location", "words"),
    [
        (
            "https://u:p@a.example/v1/images/generations?key=x",
            "HTTP 301: moved to https://a.example/v1/images/generations; a key follows",
        ),
        (
            "https://a.example/v1/images/generations",
            "no redirect: set the base URL to https://a.example/v1",
        ),
        ("/login?next=/v1", "moved to /login; a key follows no redirect: check the"),
        ("/v1/images/generations", "check the base URL"),
        ("http://[", "HTTP 301 without a reason"),
    ],
)
def test_a_redirect_is_named_with_what_to_do(location: str, words: str) -> None:
    failure = fail(301, "", location=location)
    assert failure.error_class is ErrorClass.CONFIG
    assert words in failure.message

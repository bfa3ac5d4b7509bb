"""Maps what a gateway answered to a class of failure, in one table.

The first row that fits decides. The rows stand in the order of their weight: a refusal
counts at whatever status, then come the codes and types that gateways name, then their
words, then the HTTP status, which gateways remap and proxies invent. Knows nothing of
sockets, nor of what is done about a failure.

The codes are OpenAI's (platform.openai.com/docs/guides/error-codes) and new-api's
(types/error.go, middleware/); the words those of both and of one-api, in English and
Chinese, as users have reported them.
"""

from __future__ import annotations

import re
from collections.abc import Container
from typing import TYPE_CHECKING, Final

import msgspec

from batcher.models import ErrorClass, Failure
from batcher.transport.errorbody import parameter_refused
from batcher.transport.hint import is_final, request_id, retry_after
from batcher.transport.message import LONGEST, clean
from batcher.transport.url import bare

if TYPE_CHECKING:
    from collections.abc import Mapping

    from batcher.transport.errorbody import ErrorBody

_LONGEST_MATCHED: Final = 4000
_LONGEST_RAW: Final = 100
_ROUTE: Final = "/images/generations"


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """One row: a failure is of this class when `names` or `words` and `statuses` fit.

    Attributes:
        error_class: What the row says.
        names: Values of `error.code` or `error.type`, lower case.
        words: Pattern of the message.
        statuses: HTTP statuses for which the row holds; None: whatever the status.
    """

    error_class: ErrorClass
    names: frozenset[str] = frozenset()
    words: re.Pattern[str] | None = None
    statuses: Container[int] | None = None

    def fits(self, names: frozenset[str], message: str, status: int | None) -> bool:
        """Tell whether the row applies to an error."""
        if self.statuses is not None and status not in self.statuses:
            return False
        if not self.names and self.words is None:
            return True
        is_said = self.words is not None and self.words.search(message) is not None
        return is_said or not self.names.isdisjoint(names)


def _rule(
    error_class: ErrorClass,
    *,
    names: str = "",
    words: str = "",
    statuses: Container[int] | None = None,
) -> Rule:
    return Rule(
        error_class=error_class,
        names=frozenset(names.split()),
        words=re.compile(words, re.IGNORECASE) if words else None,
        statuses=statuses,
    )


_E: Final = ErrorClass

RULES: Final = (
    # Refusals of a safety system.
    _rule(
        _E.MODERATION,
        names="content_policy_violation moderation_blocked sensitive_words_detected"
        " content_filter prompt_blocked responsibleaipolicyviolation"
        " violation_fee.grok.csam",
        words=r"rejected .{0,40}safety system|safety_violations"
        r"|moderation_blocked|content_policy_violation|sensitive_words_detected"
        r"|(?:violates?|against|violation of) .{0,40}(?:policy|policies|guidelines)"
        r"|blocked by .{0,40}(?:moderation|safety|content filter)"
        r"|\bi.m sorry,? but i\b|\bi (?:cannot|can.t|won.t) "
        r"(?:help|assist|create|generate|produce|comply|make|draw)"
        r"|内容.{0,10}违规|违规内容|违反.{0,20}(?:政策|规范|策略|准则)"
        r"|敏感(?:词|内容)|未通过.{0,10}审核|审核(?:未|不)通过|安全系统.{0,6}拒绝"
        r"|我(?:无法|不能).{0,4}(?:生成|创建|协助)",
    ),
    # What codes and types say by themselves.
    _rule(
        _E.QUOTA,
        names="insufficient_quota insufficient_user_quota credit_balance_exhausted"
        " pre_consume_token_quota_failed billing_hard_limit_reached"
        " billing_not_active insufficient_balance insufficient_credits"
        " organization_spend_limit_exceeded project_spend_limit_exceeded"
        " organization_usage_limit_exceeded entitlement_required"
        " entitlement_inactive entitlement_daily_limit_exceeded"
        " entitlement_total_limit_exceeded",
    ),
    _rule(_E.RATE_LIMITED, names="get_channel_failed", statuses={429}),
    _rule(_E.OVERLOADED, names="model_not_found", statuses={503}),
    _rule(
        _E.OVERLOADED,
        names="get_channel_failed channel:no_available_key server_is_overloaded"
        " overloaded_error engine_overloaded system_cpu_overloaded"
        " system_memory_overloaded system_disk_overloaded"
        " token_concurrency_unavailable",
        words=r"no available channel|无可用渠道|no available image quota",
    ),
    _rule(
        _E.RATE_LIMITED,
        names="rate_limit_exceeded rate_limit_error slow_down ratelimitreached"
        " too_many_requests token_concurrency_limit_reached",
    ),
    _rule(
        _E.AMBIGUOUS,
        names="do_request_failed read_response_body_failed bad_response_body"
        " empty_response channel:response_time_exceeded",
    ),
    # An exhausted key can come as any status and with no code (new-api: 401).
    _rule(
        _E.QUOTA,
        words=r"(?:exceed|reach)ed your (?:current )?quota|quota_failed"
        r"|insufficient[_ ](?:\w+[_ ])?(?:quota|balance|credits?|funds)"
        r"|billing[_ ]hard[_ ]limit|credit balance is too low|out of credits"
        r"|quota (?:has been |is )?(?:exhausted|used up|not enough)"
        r"|spend(?:ing)?[_ ]limit|额度.{0,6}(?:不足|用尽|用完|耗尽)|剩余额度|预扣费"
        r"|余额不足|欠费",
    ),
    # These statuses outweigh a general code: new-api sends 401 `invalid_request`.
    _rule(_E.AUTH, statuses={401}),
    _rule(_E.CONFIG, statuses={404, 405, 410, 501}),
    _rule(
        _E.AUTH,
        names="invalid_api_key invalid_token account_deactivated authentication_error",
        words=r"(?:incorrect|invalid) (?:api[ _-]?key|bearer token|token\b)"
        r"|no authorization header|令牌.{0,6}(?:无效|过期|禁用)|无效的令牌",
    ),
    _rule(
        _E.AUTH,
        words=r"\bip\b|banned|disabled|suspended|deactivated|封禁|禁用|白名单",
        statuses={403},
    ),
    _rule(
        _E.CONFIG,
        names="model_not_found model_price_error access_denied api_not_implemented"
        " invalid_api_type channel:model_mapped_error deploymentnotfound"
        " unsupported_country_region_territory",
    ),
    _rule(_E.SERVER, names="channel:invalid_key channel:aws_client_error"),
    _rule(
        _E.INVALID,
        names="invalid_request convert_request_failed bad_request_body"
        " read_request_body_failed unknown_parameter unsupported_parameter"
        " invalid_value",
    ),
    # What messages say, at the statuses where they can be believed.
    _rule(
        _E.CONFIG,
        words=r"model .{0,80}(?:does not exist|not found|retired|deprecated|shut ?down)"
        r"|模型.{0,80}(?:不存在|未找到|已下线)",
        statuses={400, 422},
    ),
    _rule(_E.RATE_LIMITED, statuses={429}),
    _rule(
        _E.RATE_LIMITED,
        words=r"rate[ _-]?limit(?:ed|s? (?:reached|exceeded))|too many requests"
        r"|请求数限制|请求过于频繁|频率限制",
    ),
    _rule(
        _E.OVERLOADED,
        words=r"overloaded|at capacity|server is busy|负载已饱和|服务.{0,4}繁忙",
        statuses=range(500, 600),
    ),
    _rule(
        _E.AMBIGUOUS,
        words=r"tim(?:e|ed)[ -]?out|deadline exceeded|\bEOF\b|connection reset"
        r"|broken pipe|超时|do_request_failed|read_response_body_failed"
        r"|bad_response_body",
        statuses={500},
    ),
    # What is left is the status.
    _rule(_E.QUOTA, statuses={402}),
    _rule(_E.MODERATION, statuses={451}),
    _rule(_E.OVERLOADED, statuses={503, 529}),
    _rule(_E.AMBIGUOUS, statuses={408, 499, 502, 504, *range(520, 525)}),
    _rule(_E.SERVER, statuses={409, 425, *range(500, 600)}),
    _rule(_E.CONFIG, statuses={403, *range(300, 400)}),
    _rule(_E.INVALID, statuses=range(400, 500)),
    # A 2xx that brings an unknown error or cannot be read, or no reply at all.
    _rule(_E.AMBIGUOUS),
)


def classify(
    status: int | None,
    error: ErrorBody,
    headers: Mapping[str, str],
    *,
    now: float,
) -> Failure:
    """Give the failure that a reply stands for.

    Args:
        status: The HTTP status; None when the reply broke off before there was one.
        error: What the body says, by `reply.interpret` or `errorbody.read_error`.
        headers: Of the reply, by lower-case names.
        now: Seconds since the epoch, for a `Retry-After` that is a date.
    """
    told = clean(error.message, limit=_LONGEST_MATCHED)
    code = error.code and clean(error.code, limit=80)
    moved = clean(_moved(status, headers))
    return Failure(
        error_class=_class(_believed(status, error), error, told),
        message=moved or _said(status, error) or code or _unsaid(status),
        status=status,
        code=code,
        retry_after=retry_after(headers, told, now=now),
        request_id=request_id(headers),
        final=is_final(headers),
        parameter=parameter_refused(error),
    )


def _class(status: int | None, error: ErrorBody, message: str) -> ErrorClass:
    names = frozenset(name.lower() for name in (error.code, error.type) if name)
    return next(rule.error_class for rule in RULES if rule.fits(names, message, status))


def _believed(status: int | None, error: ErrorBody) -> int | None:
    """Give the HTTP status or, as a 2xx cannot be an error's, what the body claims."""
    return status if status is not None and status >= 300 else error.status or status


def _said(status: int | None, error: ErrorBody) -> str:
    """Give the body's words, beside the status where they are no error's."""
    is_code = error.is_raw and error.message.startswith(("{", "["))
    limit = _LONGEST_RAW if is_code else LONGEST
    said = clean(error.message, limit=limit)
    is_told = not error.is_raw or status is None or not said or str(status) in said
    return said if is_told else f"HTTP {status}: {said}"


def _moved(status: int | None, headers: Mapping[str, str]) -> str:
    """Say where a redirect leads, and what the user can do about it."""
    place = bare(headers.get("location", ""))
    if not place or status is None or not 300 <= status < 400:
        return ""
    base_url = place.removesuffix(_ROUTE)
    is_known = base_url != place and base_url.startswith("http")
    mend = f"set the base URL to {base_url}" if is_known else "check the base URL"
    return f"HTTP {status}: moved to {place}; a key follows no redirect: {mend}"


def _unsaid(status: int | None) -> str:
    return "no reply" if status is None else f"HTTP {status} without a reason"

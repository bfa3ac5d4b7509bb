"""Reads what a gateway says went wrong, in every shape that gateways use.

OpenAI's `{"error": {message, type, param, code}}` is the norm; resellers also send
`error` as a string and flat bodies (new-api itself accepts the same set, dto/error.go).
Decides nothing; `failure` does. Knows nothing of HTTP.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from batcher.transport.document import Document

_INNER_KEYS: Final = ("error", "response", "detail")
_MESSAGE_KEYS: Final = (
    *("message", "msg", "err", "error_msg", "error_message", "detail", "error"),
    *("errors", "header", "response"),
)
_STATUS_KEYS: Final = ("code", "status", "status_code", "statusCode")
_STATUS: Final = re.compile(r"[2-5][0-9][0-9]")
_IDENTIFIER: Final = re.compile(r"[a-z]+(?:_[a-z]+)+")
_DEEPEST: Final = 4
_SHOWN: Final = 400  # characters, at least, of which people are shown the beginning
_FOREIGN: Final = 8  # that were no UTF-8 and make of it no text
_PARAMETER_CODES: Final = frozenset({"unknown_parameter", "unsupported_parameter"})
_PARAMETER: Final = re.compile(
    r"(?:unknown|unsupported|unrecognized) (?:request )?(?:parameter|argument)"
    r"(?: supplied)?:? *['\"`]?([A-Za-z_][\w.\[\]-]*)",
    re.IGNORECASE,
)


class ErrorBody(msgspec.Struct, frozen=True, kw_only=True):
    """What the body of a failed request says.

    Attributes:
        message: As the gateway wrote it, not yet fit to show; "" when it said nothing.
        code: `error.code` unless it is empty or no more than an HTTP status.
        type: `error.type`.
        param: The request's field that is to blame.
        status: The HTTP status that the body claims, such as LiteLLM's `code: "400"`.
        is_raw: The message is the whole body, in which no error was recognised.
    """

    message: str
    code: str | None = None
    type: str | None = None
    param: str | None = None
    status: int | None = None
    is_raw: bool = False


def read_error(document: Document) -> ErrorBody:
    """Give what a body says went wrong; at the least, its text."""
    errors = (error_in(value) for value in document.values)
    is_text = document.text.count("\ufffd", 0, _SHOWN) < _FOREIGN
    words = document.text if is_text else "a body that is no text"
    raw = ErrorBody(message=words, is_raw=True)
    return next(filter(None, errors), None) or raw


def error_in(value: object) -> ErrorBody | None:
    """Give the error that a parsed body, or one part of it, speaks of, if it does."""
    if isinstance(value, list) and value:  # Google wraps the object in a list
        value = value[0]
    if not isinstance(value, Mapping) or not _is_error(value):
        return None
    source = _source(value)
    parts = (source, value)
    kind = _first_name(parts, "type")
    return ErrorBody(
        message=_message(source) or _message(value),
        code=_first_name(parts, "code") or _identifier(value.get("error")),
        type=kind or _first_name(parts, "status"),
        param=_first_name(parts, "param"),
        status=_claimed_status(parts),
    )


def parameter_refused(error: ErrorBody) -> str | None:
    """Give the name of the field that the gateway does not know, if that is the error.

    OpenAI's image models refuse `response_format` so; the request was not executed.
    """
    named = _PARAMETER.search(error.message)
    if named:
        return named[1]
    return error.param if error.code in _PARAMETER_CODES else None


def _is_error(value: Mapping[object, object]) -> bool:
    if value.get("error") or value.get("success") is False:
        return True
    return bool(_message(value)) and not isinstance(value.get("data"), list)


def _source(value: Mapping[object, object]) -> Mapping[object, object]:
    """Give the innermost object that describes the error."""
    for _ in range(_DEEPEST):
        inner = next(
            (
                part
                for part in map(value.get, _INNER_KEYS)
                if isinstance(part, Mapping) and part
            ),
            None,
        )
        if inner is None:
            break
        value = inner
    return value


def _message(value: object, depth: int = 0) -> str:
    if isinstance(value, str):
        return value.strip()
    if depth == _DEEPEST:
        return ""
    if isinstance(value, list):
        return "; ".join(filter(None, (_message(v, depth + 1) for v in value[:3])))
    if isinstance(value, Mapping):
        texts = (_message(value.get(key), depth + 1) for key in _MESSAGE_KEYS)
        return next(filter(None, texts), "")
    return ""


def _first_name(parts: tuple[Mapping[object, object], ...], key: str) -> str | None:
    return next(filter(None, (_name(part.get(key)) for part in parts)), None)


def _name(value: object) -> str | None:
    """Give a code or type as text; an HTTP status, 0 and `"None"` are none."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None
    text = str(value).strip()
    is_empty = text in {"", "0", "None", "null"} or _STATUS.fullmatch(text)
    return None if is_empty else text


def _identifier(value: object) -> str | None:
    """Give the string of `{"error": "insufficient_quota"}`, but not a sentence."""
    return value if isinstance(value, str) and _IDENTIFIER.fullmatch(value) else None


def _claimed_status(parts: tuple[Mapping[object, object], ...]) -> int | None:
    claims = (str(part.get(key)) for part in parts for key in _STATUS_KEYS)
    return next((int(claim) for claim in claims if _STATUS.fullmatch(claim)), None)

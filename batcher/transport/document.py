"""Reads the rest of a reply's body, JSON or an event stream, forgivingly.

A body with one odd number in it may hold an image that was paid for, so everything
that can be read is read, and nothing here raises. Knows nothing of what it means.
"""

from __future__ import annotations

import json
import re
from typing import Final

import msgspec

_EVENT_STREAM: Final = re.compile(r"(?:event|data|id|retry)?:")
_BLANK_LINE: Final = re.compile(r"(?:\r\n|\r|\n){2,}")
_LINE: Final = re.compile(r"\r\n|\r|\n")
_EXACT_DIGITS: Final = 18  # what a 64-bit integer holds


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """A body without its images.

    Attributes:
        values: What was read: one value of a JSON body, one per event of a stream.
        text: The body as text, each image replaced by `data:N`.
        defects: What is wrong with image N, None when nothing is.
        complete: Something was read and nothing was left unread.
        is_stream: The body is an event stream.
    """

    values: tuple[object, ...]
    text: str
    defects: tuple[str | None, ...] = ()
    complete: bool
    is_stream: bool = False


def read_document(rest: bytes, *, defects: tuple[str | None, ...] = ()) -> Document:
    """Read a body from which the images were taken.

    Args:
        rest: The body; not necessarily UTF-8, JSON or whole.
        defects: What is wrong with each of the images that were taken.
    """
    text = rest.decode("utf-8", "replace").lstrip("\ufeff \t\r\n\0")
    is_stream = _EVENT_STREAM.match(text) is not None
    values = _events(text) if is_stream else [_value(text)]
    read = tuple(value for value in values if value is not None)
    return Document(
        values=read,
        text=text,
        defects=defects,
        complete=0 < len(read) == len(values),
        is_stream=is_stream,
    )


def _events(text: str) -> list[object]:
    """Read the events of a stream (WHATWG HTML §9.2); what is not JSON is None."""
    values: list[object] = []
    for block in _BLANK_LINE.split(text):
        name: str | None = None
        payloads: list[str] = []
        for line in _LINE.split(block):
            field, _, content = line.partition(":")
            if field == "event":
                name = content.strip()
            elif field == "data" and content.strip() not in {"", "[DONE]"}:
                payloads.append(content)
        values += [_named(value, name) for value in _payload_values(payloads)]
    return values


def _payload_values(payloads: list[str]) -> list[object]:
    """Read a value that was broken into lines, or one from each line.

    Some gateways leave out the blank lines that should part their events.
    """
    values = [_value(line) for line in payloads]
    if len(payloads) > 1 and values[0] is None:
        return [_value("\n".join(payloads))]
    return values


def _named(value: object, name: str | None) -> object:
    return {"type": name, **value} if name and isinstance(value, dict) else value


def _number(digits: str) -> int | float:
    return int(digits) if len(digits) <= _EXACT_DIGITS else float(digits)


_DECODER: Final = json.JSONDecoder(strict=False, parse_int=_number)


def _value(text: str) -> object:
    """Read the first JSON value of a text, or None. NaN and raw line breaks will do."""
    try:
        value, _ = _DECODER.raw_decode(text.lstrip())
    except (ValueError, RecursionError):
        return None
    return value

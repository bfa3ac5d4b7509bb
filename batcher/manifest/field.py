"""The fields of a request: one table of names and the values each takes.

Source: the API's documentation of `gpt-image-2-pro` and OpenAI's parameters of
`images.generate`. Knows nothing of files or templates.
"""

from __future__ import annotations

import difflib
import re
from functools import lru_cache
from typing import TYPE_CHECKING

import msgspec

from batcher import sizes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

LONGEST_PROMPT = 32_000
"""Characters; OpenAI's limit for the GPT image models."""

MOST_IMAGES = 10
"""Largest `n`; OpenAI's limit."""

_WHOLE = re.compile(r"[-+]?[0-9]{1,18}")


class FieldError(Exception):
    """A value does not fit its field."""


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise FieldError(f"expected text, got {shown(value)}; put it in quotes")
    if not value.strip():
        raise FieldError("is empty; leave the field out instead")
    if "\0" in value or not (value.isascii() or _is_unicode(value)):
        raise FieldError("holds a character that cannot be sent")
    return value


def _is_unicode(text: str) -> bool:
    """Tell whether a text has no half of a surrogate pair."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _prompt(value: object) -> str:
    text = _text(value)
    if len(text) > LONGEST_PROMPT:
        raise FieldError(f"has {len(text):,} characters; at most {LONGEST_PROMPT:,}")
    return text


def _whole(value: object, least: int, most: int) -> int:
    number = value
    if isinstance(value, str) and _WHOLE.fullmatch(value.strip()):
        number = int(value)
    if isinstance(number, bool) or not isinstance(number, int):
        raise FieldError(f"expected a whole number, got {shown(value)}")
    if not least <= number <= most:
        raise FieldError(f"must be from {least} to {most}, got {shown(value)}")
    return number


def _images(value: object) -> int:
    return _whole(value, 0, MOST_IMAGES) or 1


def _percent(value: object) -> int:
    return _whole(value, 0, 100)


def _truth(value: object) -> bool:
    if isinstance(value, bool):
        return value
    word = value.strip().lower() if isinstance(value, str) else None
    if word in ("true", "false"):
        return word == "true"
    raise FieldError(f"expected true or false, got {shown(value)}")


def _size(value: object) -> str:
    return _resolved(value) if isinstance(value, str) else _text(value)


@lru_cache(maxsize=1024)  # a million rows have few sizes
def _resolved(size: str) -> str:
    try:
        return sizes.resolve(_text(size))
    except ValueError as error:
        raise FieldError(str(error)) from error


_size_warnings = lru_cache(maxsize=1024)(sizes.warnings)


def _reply_format(value: object) -> str:
    if value not in ("url", "b64_json"):
        raise FieldError(f"expected 'url' or 'b64_json', got {shown(value)}")
    return str(value)


def anything(value: object) -> object:
    """Take what JSON can say; raises `FieldError`."""
    try:
        msgspec.json.encode(value)
    except (TypeError, ValueError, RecursionError) as error:
        raise FieldError(f"cannot be sent as JSON: {error}") from error
    return value


CHECKS: Mapping[str, Callable[[object], object]] = {
    "model": _text,
    "prompt": _prompt,
    "n": _images,
    "size": _size,
    "response_format": _reply_format,
    "quality": _text,
    "style": anything,
    "background": anything,
    "watermark": _truth,
    "output_format": _text,
    "output_compression": _percent,
    "moderation": _text,
    "user": _text,
}
"""What each field takes: the value as given in, the value as sent out.

`image` is not here: its value is read from files, see `reference.py`.
"""

FIELDS = (*CHECKS, "image")
"""Every field of a request that has a name of its own; others go into `extra`."""


def warnings(body: Mapping[str, object]) -> tuple[str, ...]:
    """Name what is allowed in a request but deserves a look, as short codes."""
    size, n = body.get("size"), body.get("n")
    found = () if size is None else _size_warnings(str(size))
    return (*found, "several_images") if isinstance(n, int) and n > 1 else found


def shown(value: object) -> str:
    """Quote a value for a message, not more of it than a reader wants."""
    if isinstance(value, str) and len(value) > 60:
        return f"{value[:60]!r}…"
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:80]}…"


def suggestion(name: str, known: Iterable[str]) -> str:
    """Give `; did you mean 'x'?` when a known name is near, else nothing."""
    near = near_miss(name, known)
    return f"; did you mean {near!r}?" if near else ""


def near_miss(name: str, known: Iterable[str]) -> str | None:
    """Give the known name that this one nearly is, if any."""
    folded = {_folded(each): each for each in known}
    near = difflib.get_close_matches(_folded(name), folded, n=1, cutoff=0.75)
    return folded[near[0]] if near else None


def _folded(name: str) -> str:
    return name[:80].strip().lower().replace("-", "_").replace(" ", "_")

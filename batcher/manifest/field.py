"""The fields of a request: one table of names and the values each takes.

Source: the API's documentation of `gpt-image-2-pro` and OpenAI's parameters of
`images.generate`. Knows nothing of files or templates.
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from batcher import sizes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

LONGEST_PROMPT = 32_000
"""Characters; OpenAI's limit for the GPT image models."""

MOST_IMAGES = 10
"""Largest `n`; OpenAI's limit."""


class FieldError(Exception):
    """A value does not fit its field."""


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise FieldError(f"expected text, got {value!r}; put it in quotes")
    if not value.strip():
        raise FieldError("is empty; leave the field out instead")
    return value


def _prompt(value: object) -> str:
    text = _text(value)
    if len(text) > LONGEST_PROMPT:
        raise FieldError(f"has {len(text):,} characters; at most {LONGEST_PROMPT:,}")
    return text


def _whole(value: object, least: int, most: int) -> int:
    if isinstance(value, str) and value.strip().isascii():
        digits = value.strip()
        if digits.lstrip("+-").isdigit():
            value = int(digits) if len(digits) < 20 else value
    if isinstance(value, bool) or not isinstance(value, int):
        raise FieldError(f"expected a whole number, got {value!r}")
    if not least <= value <= most:
        raise FieldError(f"must be from {least} to {most}, got {value!r}")
    return value


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
    raise FieldError(f"expected true or false, got {value!r}")


def _size(value: object) -> str:
    try:
        return sizes.resolve(_text(value))
    except ValueError as error:
        raise FieldError(str(error)) from error


def _reply_format(value: object) -> str:
    if value not in ("url", "b64_json"):
        raise FieldError(f"expected 'url' or 'b64_json', got {value!r}")
    return str(value)


def _anything(value: object) -> object:
    return value


CHECKS: Mapping[str, Callable[[object], object]] = {
    "model": _text,
    "prompt": _prompt,
    "n": _images,
    "size": _size,
    "response_format": _reply_format,
    "quality": _text,
    "style": _anything,
    "background": _anything,
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
    found = sizes.warnings(str(body["size"])) if "size" in body else ()
    n = body.get("n")
    return (*found, "several_images") if isinstance(n, int) and n > 1 else found


def suggestion(name: str, known: Iterable[str]) -> str:
    """Give `; did you mean 'x'?` when a known name is near, else nothing."""
    near = near_miss(name, known)
    return f"; did you mean {near!r}?" if near else ""


def near_miss(name: str, known: Iterable[str]) -> str | None:
    """Give the known name that this one nearly is, if any."""
    folded = name.strip().lower().replace("-", "_").replace(" ", "_")
    near = difflib.get_close_matches(folded, list(known), n=1, cutoff=0.75)
    return near[0] if near else None

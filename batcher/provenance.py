"""Says whence an image came, in the form that is put into its file.

Pure. The form is the ledger's: a result line without what a file cannot know of itself,
its history beside it. A file is passed on where a ledger is not, so it holds no
variables of the manifest, no address of a reply's images, and of every other address no
user, password, query or fragment, in which keys and signatures stand.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING, cast

import msgspec

from batcher.ledger.event import Attempt, Result, Retry, Unknown

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from batcher.models import Image

Step = Attempt | Retry | Unknown
"""A line of the ledger that an image's history is made of."""

_URL = re.compile(r"(https?://)(?:[^\s/?#]*@)?([^\s?#]*)(?:[?#]\S*)?", re.IGNORECASE)
_FREE = frozenset({"prompt", "revised_prompt"})
"""Text that a person or a model wrote, which stays as it is."""

_LEFT_OUT = frozenset({"event", "vars", "images"})


def document(
    result: Result,
    history: Iterable[Step],
    *,
    software: str,
    revised_prompt: str | None = None,
) -> dict[str, object]:
    """Say whence an image came.

    Args:
        result: The line that is about to be written, without images.
        history: What happened to its request.
        software: Name and version of what made the request.
        revised_prompt: The prompt as the gateway rewrote it for this image.
    """
    line = _plain(result, without=_LEFT_OUT)
    steps = [_plain(step, without={"id", "name"}) for step in history]
    for step in steps:
        if "endpoint" in step:  # with several keys, its variable's name follows
            step["endpoint"] = str(step["endpoint"]).partition(":")[0]
    known = {
        "software": software,
        **line,
        "revised_prompt": revised_prompt,
        "history": steps,
    }
    return {key: value for key, value in known.items() if value is not None}


def recorded(known: Mapping[str, object], image: Image) -> Result | None:
    """Read what a file says as the result line of the one image that it is.

    Args:
        known: The document.
        image: What the file is.

    Returns:
        The line; None where the document is not of the form that `document` gives.
    """
    revised = known.get("revised_prompt")
    if isinstance(revised, str):
        image = msgspec.structs.replace(image, revised_prompt=revised)
    line = {"vars": {}, **known, "event": "result"}
    try:
        result = msgspec.convert(line, Result, strict=False)
    except msgspec.ValidationError:
        return None
    return msgspec.structs.replace(result, images=(image,))


def history_in(known: Mapping[str, object]) -> list[dict[str, object]]:
    """Give the history that a document holds, as lines of the ledger."""
    steps = known.get("history")
    return (
        [each for each in steps if isinstance(each, dict)]
        if isinstance(steps, list)
        else []
    )


def _plain(line: Result | Step, *, without: Iterable[str]) -> dict[str, object]:
    """Give a line as JSON has it, unset fields left out and addresses bared."""
    fields = msgspec.to_builtins(line, builtin_types=(Decimal,))
    known = {k: v for k, v in fields.items() if k not in without and v is not None}
    return cast("dict[str, object]", _bare(known))


def _bare(value: object) -> object:
    """Take from every address what only its owner should know."""
    if isinstance(value, str):
        return _URL.sub(r"\1\2", value)
    if isinstance(value, dict):
        return {k: v if k in _FREE else _bare(v) for k, v in value.items()}
    return [*map(_bare, value)] if isinstance(value, list | tuple) else value

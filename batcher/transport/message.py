"""Makes a gateway's words fit for a terminal, a log and a ledger.

Knows nothing of what the words mean.
"""

from __future__ import annotations

import html
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Sequence

LONGEST: Final = 500
"""Characters that a message keeps."""

_LONGEST_READ: Final = 16_384
_TERMINAL_ESCAPE: Final = re.compile(  # ECMA-48: CSI, OSC and its kin, the short ones
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]|\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b.?"
)
_IS_HTML: Final = re.compile(r"\s*<(?:!doctype|html|head|body|!--)", re.IGNORECASE)
_TITLE: Final = re.compile(r"<(?:title|h1)\b[^<>]*>([^<]*)<", re.IGNORECASE)
_TAG: Final = re.compile(r"<[^<>]*>")


def clean(text: str, *, secrets: Sequence[str] = (), limit: int = LONGEST) -> str:
    """Give text as one short line that is safe to show.

    A page of HTML becomes its title; control characters, terminal escapes and
    invisible format characters go; blanks are folded.

    Args:
        text: Anything a gateway may have sent.
        secrets: Texts that must not be shown, each replaced by `***`.
        limit: Characters to keep.
    """
    text = hide(text, secrets)[:_LONGEST_READ]
    if _IS_HTML.match(text):
        text = _headline(text)
    text = _TERMINAL_ESCAPE.sub("", text)
    text = "".join(char for char in text if char.isprintable() or char.isspace())
    # Again, because what stood between the letters of a secret may be gone by now.
    text = hide(" ".join(text.split()), secrets)
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


def hide(text: str, secrets: Sequence[str], *, mark: str = "***") -> str:
    """Put a mark where a text holds a secret, as it is or as addresses spell it."""
    for spelling in _spellings(tuple(secrets)):
        text = text.replace(spelling, mark)
    return text


@lru_cache(maxsize=16)
def _spellings(secrets: tuple[str, ...]) -> tuple[str, ...]:
    """Give what must not be shown, the longest first."""
    known = filter(None, secrets)
    spelt = {each for secret in known for each in (secret, quote(secret, safe=""))}
    return tuple(sorted(spelt, key=len, reverse=True))


def _headline(page: str) -> str:
    title = _TITLE.search(page)
    return html.unescape(title[1] if title else _TAG.sub(" ", page))

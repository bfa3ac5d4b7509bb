"""Makes a gateway's words fit for a terminal, a log and a ledger.

Knows nothing of what the words mean.
"""

from __future__ import annotations

import html
import re
from functools import lru_cache
from typing import Final

LONGEST: Final = 500
"""Characters that a message keeps."""

_LONGEST_READ: Final = 16_384
_TERMINAL_ESCAPE: Final = re.compile(  # ECMA-48: CSI, OSC and its kin, the short ones
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]|\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b.?"
)
_IS_HTML: Final = re.compile(r"\s*<(?:!doctype|html|head|body|!--)", re.IGNORECASE)
_TITLE: Final = re.compile(r"<(?:title|h1)\b[^<>]*>([^<]*)<", re.IGNORECASE)
_TAG: Final = re.compile(r"<[^<>]*>")


def clean(text: str, *, secret: str = "", limit: int = LONGEST) -> str:
    """Give text as one short line that is safe to show.

    A page of HTML becomes its title; control characters, terminal escapes and
    invisible format characters go; blanks are folded.

    Args:
        text: Anything a gateway may have sent.
        secret: What must not be shown, and is replaced by `***`.
        limit: Characters to keep.
    """
    text = hide(text, secret)[:_LONGEST_READ]
    if _IS_HTML.match(text):
        text = _headline(text)
    text = _TERMINAL_ESCAPE.sub("", text)
    text = "".join(char for char in text if char.isprintable() or char.isspace())
    # Again, because what stood between the letters of the secret may be gone by now.
    text = hide(" ".join(text.split()), secret)
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


def hide(text: str, secret: str, *, mark: str = "***") -> str:
    """Put a mark where a text holds a secret, as it is or as addresses spell it."""
    return _spelt(secret).sub(mark, text) if secret else text


@lru_cache(maxsize=16)
def _spelt(secret: str) -> re.Pattern[str]:
    """Give a pattern of each letter as it is or percent-encoded (RFC 3986 §2.1)."""
    encoded = ("".join(f"%{byte:02x}" for byte in letter.encode()) for letter in secret)
    either = zip(map(re.escape, secret), encoded, strict=True)
    return re.compile("".join(f"(?:{raw}|(?i:{code}))" for raw, code in either))


def _headline(page: str) -> str:
    title = _TITLE.search(page)
    return html.unescape(title[1] if title else _TAG.sub(" ", page))

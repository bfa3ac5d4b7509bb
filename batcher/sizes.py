"""The documented sizes and their labels, and what a user may write instead.

Owns the tiers of octopusx's gpt-image-2-pro page and OpenAI's own limits. Knows
nothing of requests or prices: sizes come in as text and leave as `WIDTHxHEIGHT`
in pixels, or as `auto`.

Sources: https://docs.octopusx.ai/en/images/gpt-image-2-pro/generation (2K and 4K),
https://docs.geeknow.top/api-reference/images/gpt-image-2/generation (base),
https://github.com/openclaw/openclaw/pull/118476 (OpenAI's limits, tested live).
"""

from __future__ import annotations

import difflib
import functools
import re
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

AUTO = "auto"
MAX_EDGE = 16_384
"""Longest edge accepted, in pixels: beyond it a size is a slip of the hand."""

UNLISTED_SIZE = "unlisted_size"
BEYOND_OPENAI_LIMITS = "beyond_openai_limits"


class Tier(StrEnum):
    """The resolution classes of the documentation."""

    BASE = "base"
    TWO_K = "2K"
    FOUR_K = "4K"


_RATIOS = ("1:1", "4:3", "3:2", "2:3", "16:9", "9:16")
_PIXELS_OF: Mapping[Tier, str] = {
    Tier.BASE: "1024x1024 1536x1152 1536x1024 1024x1536 1920x1080 1080x1920",
    Tier.TWO_K: "2048x2048 2048x1536 2560x1712 1712x2560 2048x1152 1152x2048",
    Tier.FOUR_K: "2880x2880 3840x2880 3840x2560 2560x3840 3840x2160 2160x3840",
}

LABELS: Mapping[str, str] = MappingProxyType(
    {
        ratio if tier is Tier.BASE else f"{ratio}({tier})": pixels
        for tier, row in _PIXELS_OF.items()
        for ratio, pixels in zip(_RATIOS, row.split(), strict=True)
    }
)
"""Every documented label, such as `16:9(4K)`, and its pixels."""

_TIER_OF: Mapping[str, Tier] = {
    pixels: tier for tier, row in _PIXELS_OF.items() for pixels in row.split()
}
_LARGE_AREA = 2048 * 1152  # the smallest of the 2K tier
_OPENAI_EDGE_STEP = 16
_OPENAI_MAX_EDGE = 3840
_OPENAI_MAX_RATIO = 3
_OPENAI_AREA = range(655_360, 8_294_400 + 1)

# Full-width ASCII, the ideographic space and the multiplication sign, as Chinese
# input methods type them. NFKC would also turn `1024²` into a size.
_PLAIN = {0xFF01 + i: 0x21 + i for i in range(94)} | {0x3000: " ", 0xD7: "x"}
_WRITTEN_PIXELS = re.compile(r"0*([0-9]+)\s*[x*]\s*0*([0-9]+)", re.IGNORECASE)
# Leading zeros because a spreadsheet turns 16:9 into the time of day 16:09.
_WRITTEN_LABEL = re.compile(
    r"0*([1-9][0-9]{0,3})\s*:\s*0*([1-9][0-9]{0,3})\s*(?:\(([^()]*)\))?"
)
_SENT_PIXELS = re.compile(r"([1-9][0-9]{0,4})x([1-9][0-9]{0,4})")


def resolve(text: str) -> str:
    """Turn what a user wrote into the size to send.

    Args:
        text: A label (`16:9(4K)`), pixels (`1024 X 1024`) or `auto`; case, spaces, a
            multiplication sign or `*`, and full-width characters are forgiven.

    Returns:
        `WIDTHxHEIGHT` with an ASCII `x` (new-api refuses U+00D7), or `auto`.

    Raises:
        ValueError: The text is no size; the message names the nearest ones.
    """
    plain = text.translate(_PLAIN).strip()
    if plain.lower() == AUTO:
        return AUTO
    if match := _WRITTEN_PIXELS.fullmatch(plain):
        return _checked(text, match[1], match[2])
    if match := _WRITTEN_LABEL.fullmatch(plain):
        return _documented(text, f"{match[1]}:{match[2]}", match[3])
    raise _unknown(text, difflib.get_close_matches(plain, _NAMES))


@functools.lru_cache(maxsize=1024)
def parse(size: str) -> tuple[int, int] | None:
    """Give width and height of a size as sent; None when it names no pixels."""
    match = _SENT_PIXELS.fullmatch(size)
    return (int(match[1]), int(match[2])) if match else None


def tier(size: str) -> Tier | None:
    """Give the tier of a documented size as sent, else None."""
    return _TIER_OF.get(size)


def is_documented(size: str) -> bool:
    """Tell whether a size as sent is `auto` or on the documented list."""
    return size == AUTO or size in _TIER_OF


def is_large(size: str) -> bool:
    """Tell whether a size as sent has as many pixels as the 2K tier, or more.

    Such images take minutes, so they need the long timeout. `auto` is not large: what
    it drew in every known report is the base tier.
    """
    edges = parse(size)
    return edges is not None and edges[0] * edges[1] >= _LARGE_AREA


def warnings(size: str) -> tuple[str, ...]:
    """Give the codes of what may go wrong with a size as sent.

    `unlisted_size`: not on the documented list. `beyond_openai_limits`: OpenAI itself
    would refuse it, so a gateway must change it or fail; five documented sizes do.
    """
    codes = []
    if not is_documented(size):
        codes.append(UNLISTED_SIZE)
    edges = parse(size)
    if edges and not _is_within_openai_limits(*edges):
        codes.append(BEYOND_OPENAI_LIMITS)
    return tuple(codes)


def _is_within_openai_limits(width: int, height: int) -> bool:
    short, long = sorted((width, height))
    return (
        width % _OPENAI_EDGE_STEP == height % _OPENAI_EDGE_STEP == 0
        and long <= _OPENAI_MAX_EDGE
        and long <= short * _OPENAI_MAX_RATIO
        and width * height in _OPENAI_AREA
    )


def _checked(text: str, *edges: str) -> str:
    for edge in edges:
        # The length first: Python refuses to read numbers of thousands of digits.
        if len(edge) > len(str(MAX_EDGE)) or not 1 <= int(edge) <= MAX_EDGE:
            raise ValueError(
                f"{_short(text)} is not a size: an edge has 1 to {MAX_EDGE} pixels; "
                "the largest documented size is 3840x2880"
            )
    return "x".join(edges)


def _documented(text: str, ratio: str, written_tier: str | None) -> str:
    suffix = "" if written_tier is None else f"({written_tier.strip().upper()})"
    pixels = LABELS.get(ratio + suffix)
    if pixels is None:
        nearest = min(_RATIOS, key=lambda known: _distance(ratio, known))
        labels = [label for label in LABELS if label.partition("(")[0] == nearest]
        raise _unknown(text, labels)
    return pixels


def _distance(ratio: str, other: str) -> float:
    """Give how many times one shape is wider than the other, at least 1."""
    width, height = map(int, ratio.split(":"))
    other_width, other_height = map(int, other.split(":"))
    quotient = (width * other_height) / (height * other_width)
    return max(quotient, 1 / quotient)


def _unknown(text: str, nearest: list[str]) -> ValueError:
    hint = f"nearest: {', '.join(nearest)}; " if nearest else ""
    return ValueError(
        f"{_short(text)} is not a documented size; {hint}write pixels, such as "
        f"1152x1536, auto, or one of {', '.join(_RATIOS)}, each also with (2K) or (4K)"
    )


def _short(text: str) -> str:
    return repr(text if len(text) <= 40 else f"{text[:40]}…")


_NAMES = (AUTO, *LABELS, *_TIER_OF)

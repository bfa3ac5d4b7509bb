"""The qualities of the gpt-image-2 family, and the tokens by which each is known.

Knows nothing of money. Source: https://community.openai.com/t/1382699 (found by its
users; it gives the values of OpenAI's own calculator).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_FACTOR: Mapping[str, int] = {"low": 16, "medium": 48, "high": 96}

QUALITIES = tuple(_FACTOR)
"""In rising order."""


def image_tokens(edges: tuple[int, int], quality: str) -> int:
    """Give the output tokens of one image.

    With f for the quality, S and L the short and the long edge in pixels:
    k = (2 f S + L) // (2 L); tokens = ceil(f k (2,000,000 + S L) / 4,000,000).

    Raises:
        KeyError: The quality is not low, medium or high.
    """
    short, long = sorted(edges)
    factor = _FACTOR[quality]
    # At least 1: shapes so long that OpenAI refuses them must not look free.
    short_factor = max(1, (2 * factor * short + long) // (2 * long))
    return -(-factor * short_factor * (2_000_000 + short * long) // 4_000_000)


def drawn_quality(size: tuple[int, int], output_tokens: int) -> str | None:
    """Tell from one image's output tokens in which quality it was really drawn.

    Args:
        size: Width and height of the image that came, in pixels.
        output_tokens: The reply's, divided by its number of images.

    Returns:
        `low`, `medium` or `high`, or None when the count is no quality's at this size.
    """
    drawn = (name for name in QUALITIES if image_tokens(size, name) == output_tokens)
    return next(drawn, None)


def is_downgrade(asked: str | None, drawn: str | None) -> bool:
    """Tell whether less was drawn than asked; what is not known is no downgrade."""
    if asked not in QUALITIES or drawn not in QUALITIES:
        return False
    return QUALITIES.index(drawn) < QUALITIES.index(asked)

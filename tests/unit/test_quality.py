from __future__ import annotations

import pytest

from batcher import sizes
from batcher.quality import drawn_quality, image_tokens, is_downgrade


def edges(size: str) -> tuple[int, int]:
    parsed = sizes.parse(size)
    assert parsed is not None
    return parsed


TABLE = [
    ("1024x1024", (196, 1756, 7024)),
    ("1536x1024", (158, 1372, 5488)),
    ("1024x1536", (158, 1372, 5488)),
    ("1536x1152", (181, 1629, 6514)),
    ("2048x2048", (397, 3568, 14272)),
    ("2048x1536", (247, 2223, 8892)),
    ("2560x1712", (281, 2451, 9804)),
    ("2048x1152", (157, 1413, 5650)),
    ("2880x2880", (659, 5930, 23719)),
    ("3840x2160", (371, 3336, 13342)),
]
ROWS = [
    (size, quality, tokens)
    for size, row in TABLE
    for quality, tokens in zip(("low", "medium", "high"), row, strict=True)
]


@pytest.mark.parametrize(("size", "quality", "tokens"), ROWS)
def test_tokens_are_those_that_openai_counts(
    size: str, quality: str, tokens: int
) -> None:
    assert image_tokens(edges(size), quality) == tokens


@pytest.mark.parametrize(("size", "quality", "tokens"), ROWS)
def test_tokens_tell_the_quality_that_was_drawn(
    size: str, quality: str, tokens: int
) -> None:
    assert drawn_quality(edges(size), tokens) == quality
    assert drawn_quality(edges(size), tokens + 1) is None


def test_a_shape_beyond_all_limits_is_not_free() -> None:
    assert image_tokens((1, 16_384), "low") > 0


def test_no_size_within_openais_limits_costs_more_than_the_dearest() -> None:
    steps = range(16, 3841, 16)
    worst = max(
        image_tokens((width, height), "high")
        for width in steps
        for height in range(16, width + 1, 16)
        if width * height <= 8_294_400
    )
    assert worst == image_tokens((2880, 2880), "high")


@pytest.mark.parametrize(
    ("asked", "drawn", "downgraded"),
    [
        ("high", "medium", True),
        ("high", "low", True),
        ("medium", "low", True),
        ("medium", "medium", False),
        ("low", "high", False),
        (None, "low", False),
        ("auto", "low", False),
        ("high", None, False),
    ],
)
def test_a_downgrade_is_less_than_was_asked(
    asked: str | None, drawn: str | None, downgraded: bool
) -> None:
    assert is_downgrade(asked, drawn) is downgraded

from __future__ import annotations

import pytest

from batcher.sandbox.order import Order
from batcher.sandbox.reply import cost, drawn_tokens, success


@pytest.mark.parametrize(
    ("size", "low", "medium", "high"),
    [
        ((1024, 1024), 196, 1756, 7024),
        ((1536, 1024), 158, 1372, 5488),
        ((1024, 1536), 158, 1372, 5488),
        ((1536, 1152), 181, 1629, 6514),
        ((2048, 2048), 397, 3568, 14272),
        ((2560, 1712), 281, 2451, 9804),
        ((2880, 2880), 659, 5930, 23719),
        ((3840, 2160), 371, 3336, 13342),
    ],
    ids=str,
)
def test_tokens_are_those_of_the_published_calculator(
    size: tuple[int, int], low: int, medium: int, high: int
) -> None:
    counted = [drawn_tokens(quality, *size) for quality in ("low", "medium", "high")]
    assert counted == [low, medium, high]


def test_an_unknown_quality_counts_as_medium() -> None:
    assert drawn_tokens("xhigh", 1024, 1024) == drawn_tokens("medium", 1024, 1024)


def test_usage_and_price_cover_prompt_references_and_every_image() -> None:
    order = Order(model="m", prompt="a fox!!!", n=2, references=1)
    document = success(order, ["A", "B"], created=7)
    assert document["usage"] == {
        "input_tokens": 1026,
        "input_tokens_details": {"text_tokens": 2, "image_tokens": 1024},
        "output_tokens": 3512,
        "total_tokens": 4538,
    }
    assert cost(order) == 2 * 5 + 1024 * 8 + 3512 * 30


def test_a_document_echoes_what_was_ordered() -> None:
    order = Order(model="m", prompt="a fox", response_format="url", width=640)
    document = success(order, ["http://x/1.png"], created=7)
    assert document["data"] == [{"url": "http://x/1.png", "revised_prompt": "a fox"}]
    echo = {key: document[key] for key in ("created", "size", "quality", "background")}
    assert echo == {
        "created": 7,
        "size": "640x1024",
        "quality": "medium",
        "background": "opaque",
    }

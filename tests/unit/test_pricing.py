from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from batcher import pricing, sizes
from batcher.models import Reference, Request
from batcher.pricing import Price
from tests.unit.test_quality import ROWS

PER_TEXT, PER_IMAGE_IN, PER_IMAGE = map(Decimal, ("0.000005", "0.000008", "0.000030"))


def request(*, references: int = 0, **body: object) -> Request:
    body = {"model": "gpt-image-2-pro", "prompt": "", **body}
    images = tuple(Reference(text=f"{i}.png", is_file=True) for i in range(references))
    return Request(
        id="a1",
        name="one",
        body={field: value for field, value in body.items() if value is not None},
        references=images,
        vars={},
        output="one",
        origin="m.yaml:1",
    )


def price(usd: str, **fields: str) -> Price:
    return Price(usd=Decimal(usd), **fields)


@pytest.mark.parametrize(("size", "quality", "tokens"), ROWS)
@pytest.mark.parametrize("n", [1, 3])
def test_an_estimate_with_size_and_quality_is_exact(
    size: str, quality: str, tokens: int, n: int
) -> None:
    quoted = pricing.quote(request(size=size, quality=quality, n=n), ())
    assert quoted is not None
    assert quoted.is_estimate
    assert quoted.low == quoted.expected == quoted.worst == tokens * n * PER_IMAGE


@pytest.mark.parametrize("quality", [None, "auto", "hd", "High"])
def test_an_open_quality_is_expected_to_be_high(quality: str | None) -> None:
    quoted = pricing.quote(request(size="1024x1024", quality=quality), ())
    assert quoted is not None
    assert quoted.low == 196 * PER_IMAGE
    assert quoted.expected == quoted.worst == 7024 * PER_IMAGE


@pytest.mark.parametrize("size", [None, "auto", "as large as you can"])
def test_an_open_size_is_at_worst_the_dearest(size: str | None) -> None:
    quoted = pricing.quote(request(size=size, quality="medium"), ())
    assert quoted is not None
    assert quoted.low == quoted.expected == 1756 * PER_IMAGE
    assert quoted.worst == 5930 * PER_IMAGE


@pytest.mark.parametrize(
    ("prompt", "tokens"),
    [
        ("a red fox!!!", (3, 4, 12)),
        ("红色的狐狸", (1, 5, 15)),
        ("\ud800", (0, 1, 3)),
        ("", (0, 0, 0)),
        (None, (0, 0, 0)),
        (7, (0, 0, 0)),
    ],
)
def test_the_prompt_is_bounded_by_its_bytes(
    prompt: object, tokens: tuple[int, int, int]
) -> None:
    drawn = 196 * PER_IMAGE
    quoted = pricing.quote(request(prompt=prompt, size="1024x1024", quality="low"), ())
    assert quoted is not None
    low, expected, worst = (count * PER_TEXT + drawn for count in tokens)
    assert (quoted.low, quoted.expected, quoted.worst) == (low, expected, worst)


def test_reference_images_are_counted_by_assumption() -> None:
    asked = request(size="1024x1024", quality="low", references=2, n=5)
    quoted = pricing.quote(asked, ())
    assert quoted is not None
    drawn = 5 * 196 * PER_IMAGE
    assert quoted.low == drawn
    assert quoted.expected == drawn + 4_000 * PER_IMAGE_IN
    assert quoted.worst == drawn + 20_000 * PER_IMAGE_IN


@pytest.mark.parametrize(
    ("model", "is_estimated"),
    [
        ("gpt-image-2", True),
        ("gpt-image-2-pro", True),
        ("gpt-image-2-2026-04-21", True),
        ("gpt-image-2.5", False),
        ("gpt-image-20", False),
        ("dall-e-3", False),
    ],
)
def test_only_the_family_is_estimated(model: str, is_estimated: bool) -> None:
    assert (pricing.quote(request(model=model), ()) is not None) is is_estimated
    assert (pricing.cost(request(model=model), (), None, 1) is None) is not is_estimated


PRICES = (
    price("0.01", model="gpt-image-2-*"),
    price("0.02", model="gpt-image-2-*", size="4K"),
    price("0.03", model="gpt-image-2-*", size="3840x2160"),
    price("0.04", model="gpt-image-2-*", quality="high"),
    price("0.05", model="gpt-image-2-pro", quality="high"),
    price("0.06", model="gpt-image-2-pro", size="4K", quality="high"),
    price("0.07", size="auto"),
    price("0.08", size="base", quality="auto"),
    price("0.09", size="base", quality="auto"),
    price("0.10", model="seedream-[45]"),
)


@pytest.mark.parametrize(
    ("body", "usd"),
    [
        ({"model": "gpt-image-2-x", "size": "2048x2048", "quality": "low"}, "0.01"),
        ({"model": "gpt-image-2-x", "size": "2880x2880", "quality": "low"}, "0.02"),
        ({"model": "gpt-image-2-x", "size": "3840x2160", "quality": "low"}, "0.03"),
        ({"model": "gpt-image-2-x", "size": "2048x2048", "quality": "high"}, "0.04"),
        ({"size": "2048x2048", "quality": "high"}, "0.05"),
        ({"size": "3840x2160", "quality": "high"}, "0.06"),
        ({"model": "other"}, "0.07"),
        ({"model": "other", "size": "auto"}, "0.07"),
        ({"model": "other", "size": "1024x1024"}, "0.08"),
        ({"model": "seedream-4", "size": "1000x1000"}, "0.10"),
    ],
)
def test_the_most_specific_price_wins(body: dict[str, str], usd: str) -> None:
    quoted = pricing.quote(request(references=0, **body), PRICES)
    assert quoted is not None
    assert not quoted.is_estimate
    assert quoted.low == quoted.expected == quoted.worst == Decimal(usd)


def test_a_price_is_for_each_image_and_rounded_up() -> None:
    quoted = pricing.quote(request(n=3), (price("0.0000001"),))
    assert quoted is not None
    assert str(quoted.worst) == "0.000001"


def test_an_endpoint_with_prices_has_no_estimate() -> None:
    prices = (price("0.03", model="gpt-image-2"),)
    assert pricing.quote(request(), prices) is None
    assert pricing.cost(request(), prices, {"output_tokens": 196}, 1) is None


@pytest.mark.parametrize(("images", "billed"), [(0, 1), (1, 1), (4, 4)])
def test_a_set_price_is_paid_for_each_image_that_came(images: int, billed: int) -> None:
    prices = (price("0.03"),)
    usage = {"output_tokens": 196}
    assert pricing.cost(request(n=4), prices, usage, images) == billed * Decimal("0.03")


DRAWN = 196 * PER_IMAGE


@pytest.mark.parametrize(
    ("usage", "references", "expected"),
    [
        ({"input_tokens": 10}, 0, 10 * PER_TEXT),
        ({"input_tokens": 10}, 1, 10 * PER_IMAGE_IN),
        (
            {
                "input_tokens": 30,
                "input_tokens_details": {"text_tokens": 10, "image_tokens": 20},
            },
            1,
            10 * PER_TEXT + 20 * PER_IMAGE_IN,
        ),
        (
            {"input_tokens_details": {"text_tokens": 10, "image_tokens": 0}},
            1,
            10 * PER_TEXT,
        ),
        (
            {
                "input_tokens": 30,
                "input_tokens_details": {"text_tokens": 0, "image_tokens": 0},
            },
            0,
            30 * PER_TEXT,
        ),
        ({"input_tokens": 30, "input_tokens_details": None}, 0, 30 * PER_TEXT),
        (
            {"input_tokens": 30, "input_tokens_details": {"text_tokens": 5}},
            0,
            30 * PER_TEXT,
        ),
        ({}, 0, 6 * PER_TEXT),
        ({"input_tokens": "30"}, 0, 6 * PER_TEXT),
        ({"input_tokens": -1}, 1, 6 * PER_TEXT + 10_000 * PER_IMAGE_IN),
    ],
)
def test_counted_tokens_beat_the_estimate(
    usage: dict[str, object], references: int, expected: Decimal
) -> None:
    asked = request(
        prompt="6bytes", quality="high", size="1024x1024", references=references
    )
    usage = {"output_tokens": 196, **usage}
    assert pricing.cost(asked, (), usage, 1) == DRAWN + expected


@pytest.mark.parametrize(
    "usage",
    [
        None,
        {},
        {"output_tokens": 0, "input_tokens": 5},
        {"output_tokens": None},
        {"output_tokens": "196"},
        {"output_tokens": True},
        {"output_tokens": 196.5},
        {"output_tokens": -196},
        {"output_tokens": 10**14},
        {"output_tokens": [196]},
    ],
)
def test_without_credible_usage_the_worst_case_was_paid(
    usage: dict[str, object] | None,
) -> None:
    quoted = pricing.quote(request(prompt="a fox"), ())
    assert quoted is not None
    assert pricing.cost(request(prompt="a fox"), (), usage, 1) == quoted.worst


@pytest.mark.parametrize(
    ("fields", "hint"),
    [
        ({"usd": Decimal("-0.01")}, "'-0.01' is not a price"),
        ({"usd": Decimal("NaN")}, "'NaN' is not a price"),
        ({"usd": Decimal(10_001)}, "from 0 to 10000"),
        ({"usd": Decimal(1), "size": "16:9(4K)"}, "write '3840x2160'"),
        ({"usd": Decimal(1), "size": "huge"}, "'huge' is not a documented size"),
    ],
)
def test_a_price_that_makes_no_sense_is_refused(
    fields: dict[str, object], hint: str
) -> None:
    with pytest.raises(ValueError, match="is not") as caught:
        msgspec.convert(fields, Price)
    assert hint in str(caught.value)


words = st.text(st.characters(codec=None), max_size=40)
any_request = st.builds(
    request,
    prompt=words,
    model=st.sampled_from(["gpt-image-2", "gpt-image-2-pro", "other"]),
    size=st.none()
    | words
    | st.sampled_from([*sizes.LABELS.values(), "auto", "7x9999"]),
    quality=st.none() | words | st.sampled_from(["low", "medium", "high", "auto"]),
    n=st.none() | st.integers(0, 10),
    references=st.integers(0, 3),
)


@given(any_request, st.sampled_from([(), PRICES, (price("0.0333333333"),)]))
def test_low_expected_and_worst_are_in_order(
    asked: Request, prices: tuple[Price, ...]
) -> None:
    quoted = pricing.quote(asked, prices)
    if quoted is not None:
        assert 0 <= quoted.low <= quoted.expected <= quoted.worst
        assert quoted.worst.as_tuple().exponent == -6


garbage = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(["text_tokens", "image_tokens", "cached"]),
            inner,
            max_size=3,
        )
    ),
)
FIELDS = ["input_tokens", "output_tokens", "input_tokens_details"]


@given(any_request, st.dictionaries(st.sampled_from(FIELDS), garbage))
def test_no_usage_makes_a_cost_fail_or_negative(
    asked: Request, usage: dict[str, object]
) -> None:
    paid = pricing.cost(asked, (), usage, 1)
    assert paid is None or paid >= 0

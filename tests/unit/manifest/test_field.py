from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batcher.manifest.field import (
    CHECKS,
    LONGEST_PROMPT,
    FieldError,
    near_miss,
    shown,
    suggestion,
    warnings,
)


@pytest.mark.parametrize(
    ("field", "value", "sent"),
    [
        ("prompt", "a cat", "a cat"),
        ("prompt", "x" * LONGEST_PROMPT, "x" * LONGEST_PROMPT),
        ("prompt", "  猫\n", "  猫\n"),
        ("n", 0, 1),
        ("n", "0", 1),
        ("n", 3, 3),
        ("n", " 4 ", 4),
        ("n", "+5", 5),
        ("size", "16:9", "1920x1080"),
        ("size", "16:9(4K)", "3840x2160"),
        ("size", "2048 X 2048", "2048x2048"),
        ("size", "auto", "auto"),
        ("response_format", "url", "url"),
        ("watermark", False, False),
        ("watermark", "False", False),
        ("watermark", " true", True),
        ("output_compression", "80", 80),
        ("style", None, None),
        ("style", {"a": [1]}, {"a": [1]}),
        ("background", "transparent", "transparent"),
        ("user", "me", "me"),
    ],
)
def test_a_value_that_fits_is_sent(field: str, value: object, sent: object) -> None:
    found = CHECKS[field](value)
    assert found == sent
    assert type(found) is type(sent)


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("prompt", "", "is empty; leave the field out instead"),
        ("prompt", " \n", "is empty; leave the field out instead"),
        ("prompt", 5, "expected text, got 5; put it in quotes"),
        ("prompt", ["a"], "expected text, got ['a']; put it in quotes"),
        ("prompt", "x" * 32_001, "has 32,001 characters; at most 32,000"),
        ("prompt", "a\0b", "holds a character that cannot be sent"),
        ("prompt", "a\ud800b", "holds a character that cannot be sent"),
        ("n", 11, "must be from 0 to 10, got 11"),
        ("n", -1, "must be from 0 to 10, got -1"),
        ("n", True, "expected a whole number, got True"),
        ("n", 2.0, "expected a whole number, got 2.0"),
        ("n", "+-5", "expected a whole number, got '+-5'"),
        ("n", "٣", "expected a whole number, got '٣'"),
        ("n", "9" * 99, f"expected a whole number, got '{'9' * 60}'…"),
        ("n", None, "expected a whole number, got None"),
        ("output_compression", 101, "must be from 0 to 100, got 101"),
        ("size", "17:9", "'17:9' is not a documented size; nearest: 16:9"),
        ("size", 1024, "expected text, got 1024; put it in quotes"),
        ("response_format", "b64", "expected 'url' or 'b64_json', got 'b64'"),
        ("response_format", [1], "expected 'url' or 'b64_json', got [1]"),
        ("watermark", "no", "expected true or false, got 'no'"),
        ("watermark", 0, "expected true or false, got 0"),
        ("quality", None, "expected text, got None; put it in quotes"),
        ("style", range(3), "cannot be sent as JSON: "),
        ("background", ["\ud800"], "cannot be sent as JSON: "),
    ],
)
def test_a_value_that_does_not_fit_is_refused(
    field: str, value: object, told: str
) -> None:
    with pytest.raises(FieldError) as caught:
        CHECKS[field](value)
    assert str(caught.value).startswith(told)


@given(
    st.sampled_from(sorted(CHECKS)),
    st.none() | st.booleans() | st.integers() | st.text() | st.lists(st.integers()),
)
def test_whatever_the_value_it_fits_or_is_refused(field: str, value: object) -> None:
    try:
        sent = CHECKS[field](value)
    except FieldError:
        return
    assert CHECKS[field](sent) == sent


@pytest.mark.parametrize(
    ("body", "codes"),
    [
        ({}, ()),
        ({"size": "1920x1080", "n": 1}, ("beyond_openai_limits",)),
        ({"size": "1024x1024"}, ()),
        ({"size": "100x100"}, ("unlisted_size", "beyond_openai_limits")),
        ({"n": 2}, ("several_images",)),
    ],
)
def test_what_deserves_a_look_is_named(
    body: dict[str, object], codes: tuple[str, ...]
) -> None:
    assert warnings(body) == codes


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("promt", "prompt"),
        ("Prompt", "prompt"),
        (" SIZE ", "size"),
        ("sise", "size"),
        ("response-format", "response_format"),
        ("Output Format", "output_format"),
        ("colour", None),
        ("", None),
        ("p" * 100_000, None),
    ],
)
def test_a_name_that_is_nearly_right_is_recognised(name: str, near: str | None) -> None:
    assert near_miss(name, CHECKS) == near
    assert suggestion(name, CHECKS) == (f"; did you mean {near!r}?" if near else "")


@pytest.mark.parametrize(
    ("value", "text"),
    [("a", "'a'"), ("x" * 61, f"'{'x' * 60}'…"), ([1] * 99, "[" + "1, " * 26 + "1…")],
)
def test_a_long_value_is_shown_in_part(value: object, text: str) -> None:
    assert shown(value) == text

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batcher.transport.message import clean


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("  a\n\tb \r\n c ", "a b c", id="blanks"),
        pytest.param("\x1b[1;31mred\x1b[0m", "red", id="colour"),
        pytest.param("\x1b]0;title\x07text", "text", id="window title"),
        pytest.param("\x1b]8;;http://x\x1b\\link", "link", id="link"),
        pytest.param("\x9b2Ja\x1bcb\x1b", "ab", id="short escapes"),
        pytest.param("a\x00\x07\x7fb", "ab", id="controls"),
        pytest.param("a\u202eb\u200bc\ufeff", "abc", id="invisible characters"),
        pytest.param("a\ud800b", "ab", id="half a character"),
        pytest.param("余额不足 😀", "余额不足 😀", id="other scripts"),
        pytest.param(
            "<!DOCTYPE html>\n<html><head><title>x.com | 524: A timeout\n occurred"
            "</title></head><body>Ray</body>",
            "x.com | 524: A timeout occurred",
            id="title",
        ),
        pytest.param(
            "<html>\n<body><h1 class='a'>502 Bad Gateway</h1>nginx",
            "502 Bad Gateway",
            id="h1",
        ),
        pytest.param("<html><p>A &amp; B</p></html>", "A & B", id="neither"),
        pytest.param("1 < 2 > 0", "1 < 2 > 0", id="no HTML"),
        pytest.param("x" * 501, "x" * 499 + "…", id="long"),
        pytest.param("x" * 500, "x" * 500, id="just short enough"),
    ],
)
def test_text_becomes_one_safe_line(text: str, message: str) -> None:
    assert clean(text) == message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("bad key sk-+/1.", "bad key ***.", id="plain"),
        pytest.param("sk-+/1 sk-+/1", "*** ***", id="twice"),
        pytest.param("sk-\x00+/\u200b1", "***", id="hidden between controls"),
        pytest.param(
            "x" * 496 + " sk-+/1", "x" * 496 + " ***", id="where the text is cut"
        ),
        pytest.param("/sk-%2B%2F1/i.png", "/***/i.png", id="as addresses spell it"),
        pytest.param("x" * 498 + "sk-+/1", "x" * 498 + "*…", id="half a mask"),
    ],
)
def test_a_secret_is_never_shown(text: str, message: str) -> None:
    assert clean(text, secret="sk-+/1") == message


@given(st.text(max_size=2000), st.integers(1, 600))
def test_any_text_becomes_printable_and_short(text: str, limit: int) -> None:
    message = clean(text, limit=limit)
    assert message.isprintable()
    assert len(message) <= limit

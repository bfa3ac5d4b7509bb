from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batcher.cli.table import (
    ENDLESS,
    MEASURED,
    cell,
    clip,
    safe,
    table_lines,
    width_of,
)

texts = st.text(max_size=20)


@given(texts)
def test_nothing_that_steers_a_terminal_is_shown(text: str) -> None:
    assert safe(text).isprintable()
    assert safe(safe(text)) == safe(text)


@given(texts.map(safe), st.integers(1, 40))
def test_clipped_text_fits(text: str, width: int) -> None:
    clipped = clip(text, width)
    assert width_of(clipped) <= width
    assert clipped == text or clipped.endswith("…")


@given(st.lists(st.tuples(texts, texts, texts), max_size=20), st.integers(1, 99))
def test_every_line_of_a_table_fits(
    rows: list[tuple[str, str, str]], width: int
) -> None:
    shown = ([cell(text) for text in row] for row in rows)
    lines = list(table_lines(["a", "b", "c"], shown, width))
    assert len(lines) == len(rows) + 1
    assert all(width_of(line) <= width for line in lines)


def test_columns_line_up_under_wide_characters() -> None:
    rows = [["東京", "x"], ["Oslo", "y"], ["e\u0301", "z"]]
    lines = list(table_lines(["city", "v"], rows, 80))
    assert lines == ["city  v", "東京  x", "Oslo  y", "e\u0301     z"]


def test_without_a_screen_nothing_is_cut() -> None:
    rows = [["a", "b"]] * MEASURED + [["long" * 9, "b"]]
    *_, last = table_lines(["x", "y"], rows, ENDLESS)
    assert last == f"{'long' * 9}  b"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (True, "true"),
        (3, "3"),
        (1.26, "1.3"),
        (Decimal("0.0050"), "0.0050"),
        (("a", None, 2), "a, , 2"),
        ({"a\x1b": [1]}, "a=1"),
        ("a\n b\x1b[2J\u202e\t", "a b[2J"),
    ],
    ids=repr,
)
def test_a_cell_is_one_safe_line(value: object, text: str) -> None:
    assert cell(value) == text

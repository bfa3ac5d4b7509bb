from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batcher.watch.key import Keys, Right

KEYS = Keys()


def test_each_key_opens_what_it_is_for() -> None:
    assert KEYS.right(KEYS.look) is Right.LOOK
    assert KEYS.right(KEYS.control) is Right.CONTROL


def test_no_two_pages_share_a_key() -> None:
    other = Keys()
    assert KEYS.right(other.look) is None
    assert KEYS.right(other.control) is None


@pytest.mark.parametrize("cut", [1, 24, 47])
def test_a_part_of_a_key_is_no_key_to_control(cut: int) -> None:
    assert KEYS.right(KEYS.control[:cut]) is not Right.CONTROL
    assert KEYS.right(KEYS.control[-cut:]) is None


@given(st.text(st.characters(exclude_categories=[])))
def test_no_text_is_taken_for_a_key(text: str) -> None:
    assert KEYS.right(text) is None

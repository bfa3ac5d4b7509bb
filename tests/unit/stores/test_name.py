from __future__ import annotations

from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batcher.stores.name import final_names, partial_name, partial_number, partial_owner


@given(st.text("0123456789abcdef", min_size=1), st.integers(1), st.integers(0))
def test_the_name_of_a_partial_image_tells_whose_it_is(
    id_: str, attempt: int, number: int
) -> None:
    name = partial_name(id_, attempt, number)
    assert partial_owner(name) == id_
    assert partial_number(name, id_, attempt) == number
    assert partial_number(name, id_, attempt + 1) is None
    assert partial_number(name, f"{id_}0", attempt) is None


@pytest.mark.parametrize("name", ["a.1.x", "a.1.", "a.1.0.link", "a.10.0", "notes.txt"])
def test_a_stranger_is_no_partial_image(name: str) -> None:
    assert partial_number(name, "a", 1) is None


def test_a_taken_name_is_followed_by_numbered_ones() -> None:
    first = list(islice(final_names("sub/fox", ".png"), 3))
    assert first == ["sub/fox.png", "sub/fox~2.png", "sub/fox~3.png"]

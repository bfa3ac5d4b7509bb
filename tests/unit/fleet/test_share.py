from __future__ import annotations

from decimal import Decimal
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batcher.fleet.share import Quota, Refusal, after_refusal, divided


@given(
    ipm=st.floats(1e-3, 1e6) | st.none(),
    rpm=st.floats(1e-3, 1e6) | st.none(),
    live=st.integers(1, 10_000),
)
def test_the_parts_add_up_to_the_whole(
    ipm: float | None, rpm: float | None, live: int
) -> None:
    part = divided(Quota(ipm=ipm, rpm=rpm), live=live)
    for whole, own in ((ipm, part.ipm), (rpm, part.rpm)):
        assert own == (None if whole is None else pytest.approx(whole / live))


def test_a_refusal_slows_all_even_where_no_rate_was_stated() -> None:
    assert divided(Quota(), live=4, cap=100.0) == Quota(ipm=25.0)
    assert divided(Quota(ipm=40.0), live=4, cap=100.0) == Quota(ipm=10.0)


def test_money_is_not_divided_by_heads() -> None:
    assert divided(Quota(max_spend=Decimal(9)), live=3).max_spend == Decimal(9)


@pytest.mark.parametrize(
    ("age", "ipm"), [(-1.0, 60.0), (59.0, 60.0), (60.0, 120.0), (600.0, inf)]
)
def test_a_refusal_is_forgotten_by_and_by(age: float, ipm: float) -> None:
    assert Refusal(ipm=60.0).cap(age) == ipm


@pytest.mark.parametrize(
    ("let_in", "cap", "age", "told"),
    [
        (30.0, inf, None, 300.0),
        (0.0, inf, None, 10.0),
        (30.0, 200.0, 20.0, 140.0),
        (30.0, inf, 14.0, None),
    ],
    ids=["the first", "nothing let in", "at the cap", "the same episode"],
)
def test_what_a_refusal_tells_the_others(
    let_in: float, cap: float, age: float | None, told: float | None
) -> None:
    news = after_refusal(let_in, live=10, cap=cap, age=age)
    assert news == (None if told is None else Refusal(ipm=told))

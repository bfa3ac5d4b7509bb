from __future__ import annotations

from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batcher.governor.bucket import SLACK, Bucket


def test_the_first_may_leave_at_once() -> None:
    assert Bucket(5.0).wait(5.0, 1.0) == 0.0


def test_the_next_waits_for_a_whole_token() -> None:
    bucket = Bucket(0.0)
    bucket.take(1)
    assert bucket.wait(0.0, 0.5) == pytest.approx(2.0)
    assert bucket.wait(2.0, 0.5) == 0.0


def test_a_heavy_one_makes_the_next_wait_longer() -> None:
    bucket = Bucket(0.0)
    bucket.take(4)
    assert bucket.wait(0.0, 1.0) == pytest.approx(4.0)


def test_without_a_limit_nothing_waits() -> None:
    bucket = Bucket(0.0)
    bucket.take(100)
    assert bucket.wait(0.0, inf) == 0.0


def test_no_wait_is_too_short_for_a_timer() -> None:
    bucket = Bucket(0.0)
    bucket.take(1)
    assert bucket.wait(0.9999999, 1.0) == 0.001


def test_idle_time_earns_no_burst() -> None:
    bucket = Bucket(0.0)
    bucket.wait(3600.0, 1.0)
    bucket.take(1)
    assert bucket.wait(3600.0, 1.0) == pytest.approx(1.0 - SLACK)


def test_calm_pays_debts_and_earns_nothing() -> None:
    bucket = Bucket(0.0)
    bucket.take(2)
    bucket.calm(1.0, 1.0)
    assert bucket.wait(1.0, 1.0) == pytest.approx(1.0)
    bucket.calm(100.0, 1.0)
    assert bucket.level == 1.0


def test_a_clock_behind_the_hold_loses_nothing() -> None:
    bucket = Bucket(0.0)
    bucket.take(1)
    bucket.calm(10.0, 0.1)
    assert bucket.wait(9.0, 0.1) == 0.0


@given(
    rate=st.floats(0.05, 100.0),
    steps=st.lists(
        st.tuples(st.floats(0.0, 5.0), st.integers(1, 10)), min_size=1, max_size=60
    ),
)
def test_no_interval_lets_more_leave_than_the_rate_and_a_small_burst(
    rate: float, steps: list[tuple[float, int]]
) -> None:
    bucket, now, left = Bucket(0.0), 0.0, list[tuple[float, int]]()
    for pause, weight in steps:
        now += pause
        if bucket.wait(now, rate) == 0.0:
            bucket.take(weight)
            left.append((now, weight))
    heaviest = max(weight for _, weight in steps)
    for first, (start, _) in enumerate(left):
        total = 0
        for at, weight in left[first:]:
            total += weight
            assert total <= rate * (at - start + SLACK) + 1 + heaviest + 1e-6

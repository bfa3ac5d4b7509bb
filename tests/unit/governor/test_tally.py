from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batcher.governor.tally import Tally


def test_a_young_count_is_taken_over_its_life() -> None:
    tally = Tally(0.0)
    tally.add(1.0, 5)
    tally.add(9.0, 5)
    assert tally.rate(10.0) == pytest.approx(1.0)


def test_the_first_second_is_not_blown_up() -> None:
    tally = Tally(0.0)
    tally.add(0.0, 3)
    assert tally.rate(0.01) == 3.0


def test_what_is_more_than_a_minute_ago_is_forgotten() -> None:
    tally = Tally(0.0)
    tally.add(0.0, 1000)
    assert tally.rate(61.0) == 0.0
    assert tally.rate(100_000.0) == 0.0


def test_a_late_correction_finds_its_second() -> None:
    tally = Tally(0.0)
    tally.add(0.0, 3)
    tally.add(30.0, 1)
    tally.add(0.0, -3)
    assert tally.rate(30.0) == pytest.approx(1 / 30)


def test_a_correction_of_the_forgotten_changes_nothing() -> None:
    tally = Tally(0.0)
    tally.add(0.0, 3)
    tally.add(80.0, 1)
    tally.add(0.0, -3)
    assert tally.rate(80.0) == pytest.approx(1 / 59)


def test_a_short_look_back_sees_only_the_last_seconds() -> None:
    tally = Tally(0.0)
    tally.add(0.0, 100)
    tally.add(49.0, 20)
    assert tally.rate(50.0, seconds=2) == pytest.approx(10.0)


def test_a_slow_count_is_looked_for_further_back() -> None:
    tally = Tally(0.0)
    tally.add(30.0, 1)
    tally.add(50.0, 1)
    assert tally.rate(50.0, seconds=2, least=2) == pytest.approx(0.1)


@given(st.lists(st.tuples(st.floats(0.0, 3.0), st.integers(0, 9)), max_size=80))
def test_the_rate_is_that_of_the_last_minute(steps: list[tuple[float, int]]) -> None:
    tally, now, counted = Tally(0.0), 0.0, list[tuple[float, int]]()
    for pause, number in steps:
        now += pause
        tally.add(now, number)
        counted.append((now, number))
    expected = sum(number for at, number in counted if int(at) > int(now) - 60)
    span = max(1.0, min(now, 59 + now - int(now)))
    assert tally.rate(now) == pytest.approx(expected / span)

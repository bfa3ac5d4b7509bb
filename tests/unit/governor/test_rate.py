from __future__ import annotations

from math import inf

import pytest

from batcher.governor.rate import SHARE, SLOWEST, SPAN, START, LearnedRate


def learned(plateau: float = 15.0) -> LearnedRate:
    rate = LearnedRate(0.0, is_ramping=True)
    rate.cut(plateau, granted=plateau, count=1)
    return rate


def test_the_ramp_doubles_every_second() -> None:
    rate = LearnedRate(10.0, is_ramping=True)
    assert [rate.at(at) for at in (10.0, 11.0, 13.0)] == [START, 2 * START, 8 * START]


def test_the_ramp_of_a_long_run_is_still_a_number() -> None:
    assert LearnedRate(0.0, is_ramping=True).at(1e9) < inf


def test_without_a_ramp_nothing_limits_before_the_first_cut() -> None:
    rate = LearnedRate(0.0, is_ramping=False)
    assert rate.at(0.0) == inf
    assert rate.felt(0.0) is None


def test_a_cut_leaves_a_share_of_the_last_good_rate() -> None:
    assert learned(15.0).at(0.0) == pytest.approx(SHARE * 15.0)


def test_the_rate_does_not_move_before_the_hold_is_over() -> None:
    rate = learned(15.0)
    rate.rest(100.0)
    assert rate.at(50.0) == rate.at(100.0) == pytest.approx(SHARE * 15.0)


def test_it_comes_back_stays_and_then_looks_for_more() -> None:
    rate = learned(15.0)
    assert rate.at(15.0) > 0.98 * 15.0
    assert rate.at(40.0) < 1.01 * 15.0
    assert rate.at(60.0) > 1.05 * 15.0


def test_slow_images_are_given_more_time() -> None:
    slow = learned(5 / 60)
    assert slow.at(SPAN) < 5 / 60
    assert slow.at(10 * SPAN) < 1.01 * 5 / 60


def test_a_rate_far_above_what_was_granted_says_nothing() -> None:
    rate = learned(15.0)
    rate.cut(1000.0, granted=12.0, count=500)
    assert rate.plateau == 12.0


def test_a_rate_that_was_kept_to_is_the_finer_measure() -> None:
    rate = learned(15.0)
    rate.cut(15.0, granted=13.0, count=20)
    assert rate.plateau == pytest.approx(0.97 * 15.0)


def test_one_episode_never_more_than_halves_what_was_learned() -> None:
    rate = learned(15.0)
    rate.cut(15.0, granted=0.1, count=1)
    assert rate.plateau == 7.5


def test_nothing_granted_is_still_a_rate() -> None:
    rate = LearnedRate(0.0, is_ramping=True)
    rate.cut(2.0, granted=0.0, count=0)
    assert rate.plateau == SLOWEST
    assert rate.at(0.0) > 0.0


def test_it_is_felt_until_it_has_grown_far_beyond() -> None:
    rate = learned(15.0)
    assert rate.felt(30.0) == rate.at(30.0)
    assert rate.felt(1000.0) is None

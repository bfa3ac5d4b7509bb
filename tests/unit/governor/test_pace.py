from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batcher.governor.admission import Admission, Limits
from batcher.governor.bucket import SLACK
from batcher.governor.pace import LONGEST_HOLD, OPENING, Pace
from batcher.models import ErrorClass, RateHint

FULL = 1000
"""So many in flight that the opening is over."""


def pace(limits: Limits | None = None) -> Pace:
    return Pace(limits or Limits(), now=0.0, random=lambda: 1.0)


def leave(
    pace: Pace,
    now: float,
    *,
    images: int = 1,
    others: int = FULL,
    again: bool = False,
) -> Admission:
    admission = Admission(
        number=pace.next_number,
        at=now,
        images=images,
        usd=None,
        others=others,
        again=again,
    )
    pace.left(admission)
    return admission


def spread(pace: Pace, seconds: float, *, images: int = 1) -> list[float]:
    """Let leave what may, as soon as it may, and give the times."""
    now, times = 0.0, list[float]()
    while now <= seconds:
        wait = pace.wait(now, len(times))
        if wait == 0.0:
            leave(pace, now, images=images, others=len(times))
            times.append(now)
        else:
            now += wait
    return times


def test_a_stated_ipm_is_kept_to_from_the_first_second() -> None:
    times = spread(pace(Limits(ipm=60)), 59.5)
    assert times == pytest.approx([float(second) for second in range(60)])


def test_images_are_weighted_by_their_number() -> None:
    times = spread(pace(Limits(ipm=60)), 59.0, images=4)
    assert len(times) == 15


def test_both_limits_hold_at_once() -> None:
    assert len(spread(pace(Limits(ipm=6000, rpm=60)), 59.5)) == 60
    assert len(spread(pace(Limits(ipm=60, rpm=6000)), 59.5)) == 60


def test_without_any_limit_it_ramps_up() -> None:
    times = spread(pace(), 4.0)
    assert sum(at == 0.0 for at in times) == OPENING
    assert sum(0.0 < at < 1.0 for at in times) < 5
    assert sum(at >= 3.0 for at in times) > 15


def test_each_one_let_in_opens_the_gate_for_one_more() -> None:
    opening = pace()
    first = [leave(opening, 0.0, others=others) for others in range(OPENING)]
    assert opening.wait(0.0, OPENING) > 0.0
    for admission in first:
        opening.let_in(admission)
    assert opening.wait(0.0, 2 * OPENING - 1) == 0.0
    assert opening.wait(0.0, 2 * OPENING) > 0.0


def test_a_refusal_ends_the_opening() -> None:
    opening = pace()
    opening.let_in(leave(opening, 0.0, others=0))
    refused = leave(opening, 0.0, others=1)
    opening.refused(0.1, refused, retry_after=None)
    later = opening.held_until + 10.0
    assert opening.wait(later, 0) == 0.0
    leave(opening, later, others=0)
    assert opening.wait(later, 1) > 0.0


def test_without_limits_and_adaptation_nothing_waits() -> None:
    free = pace(Limits(adaptive=False))
    for _ in range(1000):
        assert free.wait(0.0, FULL) == 0.0
        leave(free, 0.0)


@given(
    ipm=st.floats(1.0, 6000.0),
    steps=st.lists(
        st.tuples(st.floats(0.0, 3.0), st.integers(1, 10)), min_size=1, max_size=60
    ),
)
def test_no_interval_holds_more_images_than_stated_and_a_small_burst(
    ipm: float, steps: list[tuple[float, int]]
) -> None:
    stated, now, left = pace(Limits(ipm=ipm)), 0.0, list[tuple[float, int]]()
    for pause, images in steps:
        now += pause
        if stated.wait(now, FULL) == 0.0:
            leave(stated, now, images=images)
            left.append((now, images))
    burst = 1 + max(images for _, images in steps) + 1e-6
    for first, (start, _) in enumerate(left):
        total = 0
        for at, images in left[first:]:
            total += images
            assert total <= ipm / 60 * (at - start + SLACK) + burst


def test_a_refusal_holds_everyone_as_long_as_asked() -> None:
    held = pace(Limits(ipm=600))
    first = leave(held, 0.0)
    held.refused(0.2, first, retry_after=45.0)
    assert held.wait(0.2, FULL) == pytest.approx(45.0)


def test_a_refusal_without_a_time_holds_longer_each_time() -> None:
    held, now, holds = pace(Limits(ipm=600)), 0.0, list[float]()
    for turn in range(7):
        one = leave(held, now, again=turn > 0)
        held.refused(now, one, retry_after=None)
        holds.append(held.held_until - now)
        now = held.held_until
    assert holds == [1.0, 2.0, 4.0, 8.0, 16.0, LONGEST_HOLD, LONGEST_HOLD]


def test_a_time_that_proved_too_short_is_not_believed_again() -> None:
    held = pace(Limits(ipm=600))
    held.refused(0.0, leave(held, 0.0), retry_after=0.1)
    assert held.held_until == 0.1
    held.refused(0.1, leave(held, 0.1, again=True), retry_after=0.1)
    assert held.held_until >= 0.6


@pytest.mark.parametrize(
    ("asked", "hold"), [(0.0, 0.0), (1.0, 1.0), (45.0, 45.0), (None, 1.0)]
)
def test_refusals_of_what_was_never_sent_do_not_hold_longer_each_time(
    asked: float | None, hold: float
) -> None:
    held, now = pace(Limits(ipm=600)), 0.0
    for _ in range(7):
        held.refused(now, leave(held, now), retry_after=asked)
        assert held.held_until - now == hold
        now = held.held_until


def test_a_hold_that_grew_is_not_shortened_by_what_was_never_sent() -> None:
    held, now, holds = pace(Limits(ipm=600)), 0.0, list[float]()
    for again in (False, True, True, False, True):
        held.refused(now, leave(held, now, again=again), retry_after=None)
        holds.append(held.held_until - now)
        now = held.held_until
    assert holds == [1.0, 2.0, 4.0, 4.0, 8.0]


def test_one_episode_cuts_once() -> None:
    one = pace(Limits(ipm=600))
    flying = [leave(one, at / 10) for at in range(10)]
    one.refused(1.0, flying[5], retry_after=None)
    plateau, held_until = one.learned.plateau, one.held_until
    assert plateau is not None
    for late in flying[6:]:
        one.refused(1.1, late, retry_after=None)
    assert (one.learned.plateau, one.held_until) == (plateau, held_until)


def test_a_later_refusal_of_the_same_episode_may_still_ask_for_a_longer_hold() -> None:
    one = pace(Limits(ipm=600))
    flying = [leave(one, at / 10) for at in range(10)]
    one.refused(1.0, flying[5], retry_after=1.0)
    one.refused(1.1, flying[6], retry_after=30.0)
    assert one.held_until == pytest.approx(31.1)


def test_after_repeated_refusals_one_goes_alone() -> None:
    one = pace(Limits(ipm=6000))
    one.refused(0.4, leave(one, 0.0, again=True), retry_after=None)
    now = one.held_until
    assert one.wait(now, FULL) == 0.0
    leave(one, now)
    assert one.wait(now, FULL) == pytest.approx(0.6)


def test_a_long_closed_window_is_measured_by_its_minute() -> None:
    one, now = pace(Limits(concurrency=64)), 0.0
    for _ in range(30):
        one.let_in(leave(one, now, others=40))
        now += 0.05
    while now < 60.0:
        one.refused(now + 0.1, leave(one, now, others=1, again=True), retry_after=None)
        now = one.held_until
    one.let_in(leave(one, now, others=1))
    one.refused(now + 1.1, leave(one, now + 1.0, others=2), retry_after=None)
    assert one.learned.plateau is not None
    assert one.learned.plateau * 60 < 35


def test_with_only_requests_stated_a_refusal_cuts_images_to_what_was_granted() -> None:
    one = pace(Limits(rpm=600))
    leave(one, 0.0)
    one.refused(0.1, leave(one, 0.0), retry_after=None)
    assert one.learned.plateau == 1.0


def test_a_steady_rate_is_cut_to_what_the_last_seconds_gave() -> None:
    one = pace(Limits(ipm=600))
    for step in range(50):
        leave(one, step / 10)
    one.refused(5.1, leave(one, 5.0), retry_after=None)
    assert one.image_rate(5.1) == pytest.approx(0.9 * 9.7, rel=0.02)


def test_without_adaptation_only_the_stated_wait_holds() -> None:
    one = pace(Limits(ipm=600, adaptive=False))
    one.refused(0.1, leave(one, 0.0), retry_after=None)
    assert one.wait(0.1, FULL) < 0.1
    one.refused(0.1, leave(one, 0.1), retry_after=5.0)
    assert one.wait(0.1, FULL) == pytest.approx(5.0)
    assert one.image_rate(0.1) == 10.0


def test_a_hinted_limit_sets_the_pace() -> None:
    one = pace()
    one.hinted(0.0, RateHint(limit_images=60, limit_requests=30))
    assert one.image_rate(100.0) == pytest.approx(1.0)
    assert one.request_rate(100.0) == pytest.approx(0.5)


def test_what_remains_is_spread_until_the_reset() -> None:
    one = pace(Limits(ipm=6000))
    hint = RateHint(limit_images=600, remaining_images=30, reset_seconds=60.0)
    one.hinted(0.0, hint)
    assert one.image_rate(59.0) == pytest.approx(0.5)
    assert one.image_rate(60.0) == pytest.approx(10.0)


def test_nothing_left_leaves_one_until_the_reset() -> None:
    one = pace(Limits(ipm=6000))
    one.hinted(0.0, RateHint(remaining_requests=0, reset_seconds=20.0))
    assert one.request_rate(0.0) == pytest.approx(1 / 20)


def test_a_days_quota_is_not_spread_over_the_day() -> None:
    one = pace(Limits(ipm=600))
    one.hinted(0.0, RateHint(remaining_images=100, reset_seconds=80_000.0))
    assert one.image_rate(0.0) == 10.0


def test_a_stated_limit_beats_a_higher_hint() -> None:
    one = pace(Limits(ipm=60))
    one.hinted(0.0, RateHint(limit_images=600))
    assert one.image_rate(0.0) == 1.0


def test_without_adaptation_hints_are_not_heard() -> None:
    one = pace(Limits(ipm=600, adaptive=False))
    one.hinted(0.0, RateHint(limit_images=6))
    assert one.image_rate(0.0) == 10.0


def test_a_new_stated_rate_makes_what_was_learned_void() -> None:
    one = pace(Limits(ipm=600))
    leave(one, 0.0)
    one.refused(0.3, leave(one, 0.1), retry_after=None)
    one.change(10.0, Limits(ipm=1200))
    assert one.image_rate(10.0) == 20.0


def test_another_change_leaves_what_was_learned() -> None:
    one = pace(Limits(ipm=600))
    leave(one, 0.0)
    one.refused(0.3, leave(one, 0.1), retry_after=None)
    before = one.image_rate(10.0)
    one.change(10.0, Limits(ipm=600, concurrency=3))
    assert one.image_rate(10.0) == before


def test_what_was_not_sent_is_not_counted_as_let_in() -> None:
    one = pace(Limits(ipm=600))
    one.unsent(leave(one, 0.0, images=5))
    assert one.granted.rate(1.0) == 0.0


def test_it_gives_up_after_the_longest_wait_without_a_success() -> None:
    one = pace(Limits(longest_wait=100.0))
    assert one.given_up(0.0, is_idle=True) is None
    one.refused(0.0, leave(one, 0.0), retry_after=None)
    assert one.given_up(99.0, is_idle=True) is None
    failure = one.given_up(100.0, is_idle=False)
    assert failure is not None
    assert failure.error_class is ErrorClass.RATE_LIMITED


def test_it_does_not_sit_out_a_wait_that_is_too_long_anyway() -> None:
    one = pace(Limits(longest_wait=100.0))
    one.refused(0.0, leave(one, 0.0), retry_after=3600.0)
    assert one.given_up(1.0, is_idle=False) is None
    failure = one.given_up(1.0, is_idle=True)
    assert failure is not None
    assert "next try in 3599 s" in failure.message


def test_a_success_begins_the_longest_wait_anew() -> None:
    one = pace(Limits(longest_wait=100.0))
    one.refused(0.0, leave(one, 0.0), retry_after=None)
    one.succeeded(50.0)
    assert one.given_up(1000.0, is_idle=True) is None


@pytest.mark.parametrize(
    ("asked", "left"), [(99_999_999.0, "99999997"), (1e308, "1e+308")]
)
def test_a_success_does_not_shorten_a_hold_that_is_too_long(
    asked: float, left: str
) -> None:
    one = pace(Limits(longest_wait=100.0))
    one.refused(0.0, leave(one, 0.0), retry_after=asked)
    one.succeeded(1.0)
    assert one.given_up(1.0, is_idle=False) is None
    failure = one.given_up(2.0, is_idle=True)
    assert failure is not None
    assert f"next try in {left} s" in failure.message


def test_after_a_success_a_hold_within_the_longest_wait_is_sat_out() -> None:
    one = pace(Limits(longest_wait=100.0))
    one.refused(0.0, leave(one, 0.0), retry_after=120.0)
    one.succeeded(30.0)
    assert one.given_up(31.0, is_idle=True) is None


def test_a_pause_does_not_count_as_waiting() -> None:
    one = pace(Limits(longest_wait=100.0))
    one.refused(0.0, leave(one, 0.0), retry_after=None)
    one.restart(1000.0)
    assert one.given_up(1099.0, is_idle=True) is None
    assert one.given_up(1100.0, is_idle=True) is not None

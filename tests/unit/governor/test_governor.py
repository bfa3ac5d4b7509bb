from __future__ import annotations

import random
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batcher.governor import (
    Admission,
    Budget,
    Governor,
    Halt,
    Hold,
    Limits,
    Outcome,
)
from batcher.governor.rate import LearnedRate
from batcher.models import ErrorClass, Failure, RateHint
from tests.benchmarks.pace_simulation import (
    BucketGateway,
    CrowdGateway,
    Gateway,
    Scene,
    WindowGateway,
    figures,
    simulate,
)

SUCCESS = Outcome(images=1)
FREE = Limits(concurrency=1000, adaptive=False)


def governor(limits: Limits = FREE, **sums: int) -> Governor:
    return Governor(
        limits,
        now=0.0,
        random=lambda: 0.0,
        budget=Budget(
            spent=Decimal(sums.get("spent", 0)),
            unknown=Decimal(sums.get("unknown", 0)),
            images=sums.get("images", 0),
        ),
    )


def admitted(
    governor: Governor,
    now: float = 0.0,
    *,
    images: int = 1,
    usd: Decimal | None = None,
    again: bool = False,
) -> Admission:
    verdict = governor.ask(now, images=images, usd=usd, again=again)
    assert isinstance(verdict, Admission), verdict
    return verdict


def held(governor: Governor, now: float = 0.0) -> Hold:
    verdict = governor.ask(now, images=1, usd=None)
    assert isinstance(verdict, Hold), verdict
    return verdict


def halted(governor: Governor, now: float = 0.0, usd: Decimal | None = None) -> Failure:
    verdict = governor.ask(now, images=1, usd=usd)
    assert isinstance(verdict, Halt), verdict
    return verdict.failure


def failed(
    error_class: ErrorClass, *, message: str = "no", retry_after: float | None = None
) -> Outcome:
    return Outcome(
        failure=Failure(
            error_class=error_class, message=message, retry_after=retry_after
        )
    )


def send(governor: Governor, now: float, outcome: Outcome) -> None:
    governor.settle(now, admitted(governor, now), outcome)


def broken(limits: Limits = FREE) -> Governor:
    down = governor(limits)
    for _ in range(10):
        send(down, 0.0, failed(ErrorClass.OVERLOADED))
    return down


@pytest.mark.parametrize("name", ["concurrency", "ipm", "rpm", "first_invalid"])
def test_a_limit_that_lets_nothing_through_is_an_error(name: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=f"{name} is 0"):
        msgspec.convert({name: 0}, Limits)


def test_concurrency_is_a_hard_ceiling() -> None:
    busy = governor(Limits(concurrency=2, adaptive=False))
    first, _ = admitted(busy), admitted(busy)
    assert held(busy).until is None
    busy.settle(1.0, first, SUCCESS)
    admitted(busy, 1.0)


def test_an_admission_is_settled_once() -> None:
    one = governor()
    admission = admitted(one)
    one.settle(0.0, admission, SUCCESS)
    with pytest.raises(KeyError):
        one.settle(0.0, admission, SUCCESS)


def test_admissions_are_numbered_and_know_what_else_was_in_flight() -> None:
    one = governor()
    admissions = [admitted(one, 3.0) for _ in range(3)]
    assert [each.number for each in admissions] == [0, 1, 2]
    assert [each.others for each in admissions] == [0, 1, 2]


def test_a_hold_for_the_pace_says_when() -> None:
    paced = governor(Limits(ipm=60))
    admitted(paced)
    hold = held(paced)
    assert hold.until == pytest.approx(1.0)
    assert hold.reason == "pace"


def test_a_refusal_holds_everyone_for_what_the_server_asks() -> None:
    limited = governor(Limits())
    send(limited, 0.0, failed(ErrorClass.RATE_LIMITED, retry_after=20.0))
    hold = held(limited)
    assert (hold.until, hold.reason) == (20.0, "rate limited, next try in 20 s")
    admitted(limited, 20.0)


def test_rate_limiting_without_end_halts() -> None:
    limited = governor(Limits(longest_wait=60.0))
    send(limited, 0.0, failed(ErrorClass.RATE_LIMITED))
    assert halted(limited, 60.0).error_class is ErrorClass.RATE_LIMITED
    assert halted(limited, 61.0).error_class is ErrorClass.RATE_LIMITED


def test_a_wait_that_is_too_long_halts_though_what_was_in_flight_succeeds() -> None:
    limited = governor(Limits(longest_wait=5.0))
    refused, other = admitted(limited), admitted(limited)
    asked = failed(ErrorClass.RATE_LIMITED, retry_after=99_999_999.0)
    limited.settle(0.1, refused, asked)
    limited.settle(0.2, other, SUCCESS)
    assert halted(limited, 0.2).error_class is ErrorClass.RATE_LIMITED


def test_a_hint_paces_the_next_request() -> None:
    one = governor(Limits())
    hint = RateHint(limit_requests=6)
    send(one, 0.0, Outcome(images=1, hint=hint))
    assert held(one).until == pytest.approx(10.0)


def test_an_outage_pauses_everything_and_says_so() -> None:
    hold = held(broken())
    assert (hold.until, hold.reason) == (2.0, "paused: overloaded, next try in 2 s")


def test_an_outage_is_probed_within_the_longest_wait_in_force() -> None:
    down = governor()
    down.change(0.0, Limits(concurrency=1000, adaptive=False, longest_wait=100.0))
    for _ in range(10):
        send(down, 0.0, failed(ErrorClass.OVERLOADED, retry_after=86_400.0))
    assert held(down).until == 100.0


def test_one_probe_leaves_and_its_success_ends_the_pause() -> None:
    down = broken()
    probe = admitted(down, 2.0)
    assert probe.is_probe
    assert held(down, 2.0).reason == "paused: waiting for the one try in flight"
    down.settle(3.0, probe, SUCCESS)
    assert not admitted(down, 3.0).is_probe


def test_failures_of_what_was_sent_before_are_no_outage() -> None:
    one = governor()
    for step in range(15):
        admission = admitted(one, again=step >= 3)
        assert admission.again is (step >= 3)
        one.settle(0.0, admission, failed(ErrorClass.OVERLOADED))
    admitted(one)


def test_a_failed_probe_waits_twice_as_long() -> None:
    down = broken()
    send(down, 2.0, failed(ErrorClass.SERVER))
    assert held(down, 2.0).reason == "paused: server, next try in 4 s"


def test_too_long_an_outage_halts() -> None:
    down = broken(Limits(concurrency=1000, adaptive=False, longest_outage=90.0))
    send(down, 30.0, failed(ErrorClass.OVERLOADED))
    send(down, 90.0, failed(ErrorClass.OVERLOADED))
    assert halted(down, 90.0).error_class is ErrorClass.OVERLOADED


def test_an_outage_from_the_first_minute_on_halts_and_says_where_to_look() -> None:
    down, now = broken(), 0.0
    while isinstance(answer := down.ask(now, images=1, usd=None), Hold):
        assert answer.until is not None
        now = answer.until
        send(down, now, failed(ErrorClass.SERVER))
    assert now == 62.0
    assert "look at --base-url" in halted(down, now).message


def test_an_outage_after_something_came_is_outlasted() -> None:
    down = governor()
    send(down, 0.0, SUCCESS)
    for _ in range(10):
        send(down, 0.0, failed(ErrorClass.SERVER))
    send(down, 3599.0, failed(ErrorClass.SERVER))
    assert held(down, 3599.0).reason == "paused: server, next try in 4 s"


def test_an_outage_is_no_wait_for_the_rate() -> None:
    limits = Limits(concurrency=1000, adaptive=False, longest_wait=20.0)
    down = governor(limits)
    flying = [admitted(down) for _ in range(11)]
    down.settle(0.0, flying[10], failed(ErrorClass.RATE_LIMITED))
    for each in flying[:10]:
        down.settle(0.0, each, failed(ErrorClass.OVERLOADED))
    assert held(down, 1.0).until == 2.0
    probe = admitted(down, 30.0)
    down.settle(30.0, probe, failed(ErrorClass.MODERATION))
    admitted(down, 49.0)
    assert halted(down, 50.0).error_class is ErrorClass.RATE_LIMITED


def test_what_was_never_sent_says_nothing() -> None:
    one = governor()
    for _ in range(9):
        send(one, 0.0, failed(ErrorClass.OVERLOADED))
    send(one, 0.0, Outcome())
    send(one, 0.0, failed(ErrorClass.OVERLOADED))
    held(one)
    send(one, 2.0, Outcome())
    assert held(one, 2.0).until == 4.0


@pytest.mark.parametrize(
    "error_class",
    [ErrorClass.AUTH, ErrorClass.QUOTA, ErrorClass.CONFIG, ErrorClass.STORE],
)
def test_what_no_request_can_survive_halts_at_once(error_class: ErrorClass) -> None:
    one = governor()
    other = admitted(one)
    send(one, 0.0, failed(error_class))
    assert halted(one).error_class is error_class
    one.settle(1.0, other, failed(ErrorClass.AUTH, message="later"))
    assert halted(one, 1.0).error_class is error_class


def test_a_quota_can_be_waited_for() -> None:
    one = governor(Limits(concurrency=9, adaptive=False, wait_for_quota=True))
    other = admitted(one)
    send(one, 0.0, failed(ErrorClass.QUOTA))
    one.settle(1.0, other, failed(ErrorClass.QUOTA))
    assert held(one, 1.0).reason == "paused: quota, next try in 1 s"
    send(one, 2.0, failed(ErrorClass.QUOTA))
    assert held(one, 2.0).until == 6.0
    send(one, 6.0, SUCCESS)
    admitted(one, 6.0)


def test_the_first_many_invalid_halt() -> None:
    one = governor()
    for _ in range(9):
        send(one, 0.0, failed(ErrorClass.INVALID))
    send(one, 0.0, failed(ErrorClass.SERVER))
    send(one, 0.0, failed(ErrorClass.INVALID, message="unknown field 'siez'"))
    failure = halted(one)
    assert failure.error_class is ErrorClass.INVALID
    assert failure.message == (
        "the first 10 requests were all refused: unknown field 'siez'"
    )


@pytest.mark.parametrize(
    "before",
    [SUCCESS, failed(ErrorClass.MODERATION), failed(ErrorClass.AMBIGUOUS)],
    ids=["success", "moderation", "ambiguous"],
)
def test_invalid_ones_after_anything_else_do_not_halt(before: Outcome) -> None:
    one = governor()
    send(one, 0.0, before)
    for _ in range(30):
        send(one, 0.0, failed(ErrorClass.INVALID))
    admitted(one)


def test_invalid_ones_of_a_run_that_has_images_do_not_halt() -> None:
    resumed = governor(images=5)
    for _ in range(30):
        send(resumed, 0.0, failed(ErrorClass.INVALID))
    admitted(resumed)


def test_the_budget_counts_what_the_ledger_said() -> None:
    one = governor(Limits(max_spend=Decimal(10)), spent=8, unknown=1)
    assert halted(one, usd=Decimal(2)).error_class is ErrorClass.SPEND
    admitted(one, usd=Decimal(1))


def test_a_raised_budget_ends_the_halt() -> None:
    one = governor(Limits(max_spend=Decimal(1)), spent=1)
    halted(one, usd=Decimal(1))
    one.change(0.0, Limits(max_spend=Decimal(2)))
    admitted(one, usd=Decimal(1))


@settings(max_examples=50)
@given(st.data())
def test_no_interleaving_overshoots_the_budget(data: st.DataObject) -> None:
    one = governor(Limits(concurrency=7, adaptive=False, max_spend=Decimal(3)))
    flying: list[Admission] = []
    for step in range(60):
        place = data.draw(st.integers(-7, len(flying) - 1))
        if place >= 0:
            admission = flying.pop(place)
            ends = [SUCCESS, failed(ErrorClass.AMBIGUOUS), failed(ErrorClass.INVALID)]
            one.settle(step, admission, data.draw(st.sampled_from(ends)))
        else:
            usd = Decimal(data.draw(st.integers(1, 100))) / 100
            verdict = one.ask(step, images=1, usd=usd)
            if isinstance(verdict, Admission):
                flying.append(verdict)
        standing = one.snapshot(step)
        assert standing.spent + standing.unknown + standing.reserved <= 3
        assert standing.left is not None
        assert standing.left >= 0


def test_limits_can_be_changed_while_it_runs() -> None:
    one = governor(Limits(concurrency=1, ipm=60))
    first = admitted(one)
    assert held(one).until is None
    one.change(0.0, Limits(concurrency=2, ipm=6))
    assert held(one).until == pytest.approx(10.0)
    one.settle(1.0, first, SUCCESS)
    one.change(1.0, Limits(concurrency=2, ipm=600))
    admitted(one, 1.1)


def test_a_pause_by_hand_lasts_until_it_is_ended() -> None:
    one = governor()
    one.pause()
    assert held(one) == Hold(until=None, reason="paused by hand")
    one.resume(1e4)
    one.resume(1e4)
    admitted(one, 1e4)


def test_a_snapshot_of_a_fresh_run_is_plain() -> None:
    standing = governor(Limits(concurrency=5)).snapshot(0.0)
    assert (standing.in_flight, standing.concurrency) == (0, 5)
    assert (standing.limit, standing.is_learned, standing.rate) == (None, False, 0.0)
    assert (standing.paused, standing.seconds_left, standing.left) == (None, None, None)


def test_a_snapshot_tells_rate_money_and_stated_limit() -> None:
    one = governor(Limits(ipm=600, max_spend=Decimal(5)), spent=1)
    first = admitted(one, usd=Decimal(1))
    one.settle(0.0, first, Outcome(images=1, spent=Decimal("0.5")))
    admitted(one, 1.0, usd=Decimal(2))
    standing = one.snapshot(30.0)
    assert (standing.spent, standing.reserved) == (Decimal("1.5"), Decimal(2))
    assert (standing.left, standing.unknown) == (Decimal("1.5"), Decimal(0))
    assert (standing.limit, standing.is_learned) == (600.0, False)
    assert (standing.rate, standing.in_flight) == (2.0, 1)


def test_a_snapshot_tells_a_learned_limit() -> None:
    one = governor(Limits(ipm=600))
    send(one, 0.0, SUCCESS)
    send(one, 0.1, failed(ErrorClass.RATE_LIMITED))
    standing = one.snapshot(0.1)
    assert standing.is_learned
    assert standing.limit is not None
    assert standing.limit < 600
    assert (standing.paused, standing.seconds_left) == ("rate_limited", 0.5)


def test_a_snapshot_tells_why_nothing_leaves() -> None:
    down = broken()
    assert (down.snapshot(0.5).paused, down.snapshot(0.5).seconds_left) == (
        "overloaded",
        1.5,
    )
    probe = admitted(down, 30.0)
    assert down.snapshot(30.0).seconds_left is None
    down.pause()
    assert down.snapshot(30.0).paused == "by hand"
    down.settle(31.0, probe, failed(ErrorClass.AUTH))
    assert down.snapshot(31.0).paused == "auth"


def test_an_unknown_limit_is_found_and_kept_to() -> None:
    used, refused, _ = figures(
        Scene(gateway=lambda: BucketGateway(900, 10), ipm=900), seeds=3
    )
    assert used >= 0.95
    assert refused <= 0.03


def test_a_told_limit_is_used_up_and_not_passed() -> None:
    limits = Limits(concurrency=64, ipm=900)
    used, refused, _ = figures(
        Scene(gateway=lambda: BucketGateway(900, 10), ipm=900, limits=limits), seeds=3
    )
    assert used >= 0.98
    assert refused <= 0.005


def test_a_limit_that_halves_is_followed() -> None:
    def halve(gateway: Gateway) -> None:
        assert isinstance(gateway, BucketGateway)
        gateway.ipm /= 2

    course = simulate(
        Scene(
            gateway=lambda: BucketGateway(900, 10),
            ipm=900,
            images=4000,
            changes=((120.0, halve),),
        )
    )
    assert course.rate(150.0, 250.0) >= 0.93 * 450
    assert sum(150.0 <= at < 250.0 for at in course.refused) <= 0.02 * 750


def test_a_sliding_window_is_found_at_a_minutes_latency() -> None:
    scene = Scene(gateway=lambda: WindowGateway(60), ipm=60, images=2000, latency=60.0)
    used, refused, _ = figures(scene, seeds=2)
    assert used >= 0.85
    assert refused <= 0.08


def test_a_limit_of_requests_at_once_is_found_too() -> None:
    scene = Scene(gateway=lambda: CrowdGateway(4), ipm=8, images=480, latency=30.0)
    course = simulate(scene)
    assert course.governor.pace.ceiling.limit == 4
    assert course.governor.snapshot(max(course.ended)).concurrency == 4
    assert len(course.refused) <= 0.05 * 480


def test_a_known_ceiling_says_why_it_holds() -> None:
    one = governor(Limits(concurrency=64, ipm=6000))
    for _ in range(4):
        admitted(one, one.number * 0.1)
    one.pace.ceiling.least = 4
    one.pace.ceiling.refusals = one.pace.ceiling.fitting = 3
    one.pace.ceiling.probe_at = 60.0
    hold = held(one, 10.0)
    assert (hold.until, hold.reason) == (60.0, "the gateway takes 4 at once")


def test_refusals_at_random_do_not_slow_a_run_down_for_ever() -> None:
    chance = random.Random(1)
    one = Governor(Limits(concurrency=32), now=0.0, random=chance.random)
    now, made, out = 0.0, 0, list[tuple[float, Admission]]()
    while made < 500:
        answer = one.ask(now, images=1, usd=None)
        assert not isinstance(answer, Halt)
        if isinstance(answer, Admission):
            out.append((now + 0.3, answer))
            continue
        first = out[0][0] if out else float("inf")
        if answer.until is not None and answer.until < first:
            now = answer.until
            continue
        now, admission = out.pop(0)
        is_refused = chance.random() < 0.1
        made += not is_refused
        outcome = failed(ErrorClass.RATE_LIMITED) if is_refused else Outcome(images=1)
        one.settle(now, admission, outcome)
    assert now < 1200.0


def test_a_limit_that_falls_far_is_found_all_the_same() -> None:
    rate = LearnedRate(0.0, is_ramping=True)
    rate.prove(10.0, refused=0.1)
    for _ in range(8):
        rate.prove(0.1, refused=0.9)
    rate.cut(1.0, granted=0.1, count=3)
    assert rate.plateau == pytest.approx(0.1)

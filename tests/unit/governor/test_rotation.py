from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from decimal import Decimal

import pytest

from batcher.governor import (
    Account,
    Admission,
    Budget,
    Governor,
    Halt,
    Hold,
    Limits,
    Outcome,
    Rotation,
    reasons,
)
from batcher.models import ErrorClass, Failure

FREE = Limits(adaptive=False)
MADE = Outcome(images=1)


def failed(error_class: ErrorClass) -> Outcome:
    return Outcome(failure=Failure(error_class=error_class, message="no"))


def rotation(*keys: tuple[str, ...], limits: Limits = FREE) -> Rotation:
    budget = Budget()
    return Rotation(
        [Account(governor(limits, budget), routes) for routes in keys],
        limits,
        now=0.0,
    )


def governor(limits: Limits, budget: Budget | None = None) -> Governor:
    return Governor(limits, now=0.0, random=lambda: 0.0, budget=budget)


def beside(whole: Limits, *own: Mapping[str, float]) -> Rotation:
    """Accounts `0`, `1`, …, of which each bears so much."""
    accounts = [
        Account(governor(whole), (str(number),), **pace)
        for number, pace in enumerate(own)
    ]
    return Rotation(accounts, whole, now=0.0)


def left(rotation: Rotation, *, start: int = 0, images: int = 1) -> Counter[str]:
    """Count what leaves within a minute, by route; each is made at once."""
    count: Counter[str] = Counter()
    for tenth in range(start * 10, start * 10 + 600):
        answer = rotation.ask(tenth / 10, images=images, usd=None)
        if isinstance(answer, Admission):
            count[answer.route] += images
            rotation.settle(tenth / 10, answer, Outcome(images=images))
    return count


def admitted(
    rotation: Rotation, now: float = 0.0, usd: Decimal | None = None
) -> Admission:
    answer = rotation.ask(now, images=1, usd=usd)
    assert isinstance(answer, Admission), answer
    return answer


def test_keys_of_one_account_take_turns() -> None:
    both = rotation(("one", "two"))
    assert sorted(admitted(both).route for _ in range(4)) == [
        "one",
        "one",
        "two",
        "two",
    ]


def test_work_goes_to_the_first_account_that_has_room() -> None:
    both = beside(FREE, {"ipm": 60}, {"ipm": 30})
    assert [admitted(both).route for _ in range(2)] == ["0", "1"]
    hold = both.ask(0.0, images=1, usd=None)
    assert isinstance(hold, Hold)
    assert hold.until == pytest.approx(1.0)


@pytest.mark.parametrize(
    "whole", [{"ipm": 60.0}, {"rpm": 60.0}], ids=["images", "requests"]
)
def test_the_users_pace_is_that_of_all_together(whole: Mapping[str, float]) -> None:
    both = beside(Limits(adaptive=False, **whole), {}, {"ipm": 30})  # type: ignore[arg-type]  # of limits, these two are floats
    assert 60 <= left(both).total() <= 62


@pytest.mark.parametrize("field", ["ipm", "rpm"])
def test_each_account_keeps_to_its_own_pace(field: str) -> None:
    both = beside(FREE, {field: 60}, {field: 5})
    count = left(both)
    assert 60 <= count["0"] <= 62
    assert 5 <= count["1"] <= 6


def test_a_request_of_many_images_counts_as_many() -> None:
    both = beside(Limits(adaptive=False, ipm=60), {}, {})
    assert 60 <= left(both, images=10).total() <= 71


def test_a_pace_that_is_changed_is_that_of_all_within_what_each_bears() -> None:
    both = beside(Limits(adaptive=False, ipm=10), {"ipm": 60}, {"ipm": 5})
    assert 10 <= left(both).total() <= 12
    both.change(60.0, FREE)
    assert 65 <= left(both, start=60).total() <= 69
    both.change(120.0, Limits(adaptive=False, ipm=20))
    assert 20 <= left(both, start=120).total() <= 22


def test_a_run_that_has_to_stop_does_not_wait_for_its_pace() -> None:
    one = rotation(("a",), ("b",), limits=Limits(adaptive=False, ipm=1))
    for now in (0.0, 60.0):
        one.settle(now, admitted(one, now), failed(ErrorClass.AUTH))
    assert isinstance(one.ask(60.0, images=1, usd=None), Halt)


def test_the_concurrency_is_that_of_all_together() -> None:
    both = rotation(("a",), ("b",), limits=Limits(adaptive=False, concurrency=2))
    out = [admitted(both), admitted(both)]
    assert isinstance(both.ask(0.0, images=1, usd=None), Hold)
    both.settle(1.0, out[0], MADE)
    assert len(both.in_flight) == 1
    admitted(both, 1.0)


@pytest.mark.parametrize("error_class", [ErrorClass.AUTH, ErrorClass.QUOTA])
def test_a_key_that_is_of_no_more_use_leaves_and_the_others_go_on(
    error_class: ErrorClass,
) -> None:
    both = rotation(("bad", "good"))
    first, second = admitted(both), admitted(both)
    both.settle(1.0, first, failed(error_class))
    both.settle(1.0, second, MADE)
    assert both.survives
    assert {admitted(both, 2.0).route for _ in range(3)} == {"good"}
    assert reasons(both.dropped) == f"bad ({error_class.value})"


def test_when_no_route_is_left_the_run_stops_with_the_last_reason() -> None:
    both = rotation(("one",), ("two",))
    for name in ("one", "two"):
        admission = admitted(both)
        assert admission.route == name
        both.settle(1.0, admission, failed(ErrorClass.AUTH))
    assert not both.survives
    answer = both.ask(2.0, images=1, usd=None)
    assert isinstance(answer, Halt)
    assert answer.failure.error_class is ErrorClass.AUTH


def test_an_account_that_halts_hands_its_work_to_the_next() -> None:
    both = rotation(("one",), ("two",))
    both.settle(1.0, admitted(both), failed(ErrorClass.CONFIG))
    assert admitted(both, 2.0).route == "two"
    assert both.dropped["one"].error_class is ErrorClass.CONFIG


def test_one_budget_holds_for_all_routes() -> None:
    limits = Limits(adaptive=False, max_spend=Decimal(2))
    both = rotation(("a",), ("b",), limits=limits)
    out = [admitted(both, usd=Decimal(1)) for _ in range(2)]
    assert isinstance(both.ask(0.0, images=1, usd=Decimal(1)), Hold)
    for admission in out:
        both.settle(1.0, admission, MADE)
    answer = both.ask(2.0, images=1, usd=Decimal(1))
    assert isinstance(answer, Halt)
    assert answer.failure.error_class is ErrorClass.SPEND
    assert not both.dropped


PATIENT = Limits(adaptive=False, wait_for_quota=True)


@pytest.mark.parametrize("keys", [[("a", "b")], [("a",), ("b",)]])
def test_only_the_last_key_waits_for_its_quota(keys: list[tuple[str, ...]]) -> None:
    one = rotation(*keys, limits=PATIENT)
    one.settle(1.0, admitted(one), failed(ErrorClass.QUOTA))
    assert list(one.dropped) == ["a"]
    stragglers = [admitted(one, 2.0) for _ in range(2)]
    assert {each.route for each in stragglers} == {"b"}
    for admission in stragglers:
        one.settle(3.0, admission, failed(ErrorClass.QUOTA))
    assert one.survives
    hold = one.ask(4.0, images=1, usd=None)
    assert isinstance(hold, Hold)
    assert hold.until is not None
    assert admitted(one, hold.until).is_probe


def test_a_straggler_of_a_dry_key_does_not_hold_its_siblings_back() -> None:
    one = rotation(("a", "b"), limits=PATIENT)
    out = [admitted(one) for _ in range(4)]
    for admission in out:
        if admission.route == "a":
            one.settle(1.0, admission, failed(ErrorClass.QUOTA))
    assert admitted(one, 2.0).route == "b"


def test_a_refused_key_leaves_also_where_a_quota_is_waited_for() -> None:
    one = rotation(("a", "b"), limits=PATIENT)
    one.settle(1.0, admitted(one), failed(ErrorClass.AUTH))
    assert admitted(one, 2.0).route == "b"
    one.settle(3.0, admitted(one, 2.0), failed(ErrorClass.AUTH))
    assert isinstance(one.ask(4.0, images=1, usd=None), Halt)


def test_changes_and_pauses_reach_every_account() -> None:
    both = rotation(("a",), ("b",))
    both.pause()
    assert isinstance(both.ask(0.0, images=1, usd=None), Hold)
    assert both.snapshot(0.0).paused == "by hand"
    both.resume(1.0)
    both.change(1.0, Limits(adaptive=False, concurrency=1))
    admitted(both, 1.0)
    assert isinstance(both.ask(1.0, images=1, usd=None), Hold)
    assert both.limits.concurrency == 1


def test_a_snapshot_adds_up_what_all_accounts_do() -> None:
    both = beside(FREE, {"ipm": 60}, {"ipm": 60})
    snapshot = both.snapshot(0.0)
    assert snapshot.limit == pytest.approx(120.0)
    assert beside(FREE, {"ipm": 60}, {}).snapshot(0.0).limit is None
    whole = beside(Limits(ipm=90), {"ipm": 60}, {}).snapshot(0.0)
    assert whole.limit == pytest.approx(90.0)
    assert not whole.is_learned
    out = [admitted(both), admitted(both)]
    assert both.snapshot(0.0).in_flight == 2
    both.settle(30.0, out[0], MADE)
    both.settle(30.0, out[1], failed(ErrorClass.AUTH))
    assert both.snapshot(30.0).limit == pytest.approx(60.0)


def test_a_straggler_of_a_dropped_key_is_settled_all_the_same() -> None:
    one = rotation(("a",), ("b",))
    first, second = admitted(one), admitted(one)
    assert first.route == second.route == "a"
    one.settle(1.0, first, failed(ErrorClass.AUTH))
    one.settle(2.0, second, failed(ErrorClass.AUTH))
    assert not one.in_flight
    assert list(one.dropped) == ["a"]


def test_an_account_is_not_down_for_what_was_sent_before() -> None:
    sender = rotation(("one",))
    for step in range(15):
        answer = sender.ask(0.0, images=1, usd=None, again=step >= 3)
        assert isinstance(answer, Admission)
        sender.settle(0.0, answer, failed(ErrorClass.SERVER))
    assert isinstance(sender.ask(0.0, images=1, usd=None), Admission)

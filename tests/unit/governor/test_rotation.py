from __future__ import annotations

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
        [
            Account(
                Governor(limits, now=0.0, random=lambda: 0.0, budget=budget), routes
            )
            for routes in keys
        ]
    )


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
    both = rotation(("first",), ("second",), limits=Limits(adaptive=False, ipm=60))
    assert [admitted(both).route for _ in range(2)] == ["first", "second"]
    hold = both.ask(0.0, images=1, usd=None)
    assert isinstance(hold, Hold)
    assert hold.until == pytest.approx(1.0)


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


def test_a_quota_that_is_waited_for_drops_nothing() -> None:
    limits = Limits(adaptive=False, wait_for_quota=True)
    one = rotation(("a", "b"), limits=limits)
    one.settle(1.0, admitted(one), failed(ErrorClass.QUOTA))
    assert not one.dropped
    assert isinstance(one.ask(2.0, images=1, usd=None), Hold)


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
    both = rotation(("a",), ("b",), limits=Limits(adaptive=False, ipm=60))
    snapshot = both.snapshot(0.0)
    assert snapshot.limit == pytest.approx(120.0)
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

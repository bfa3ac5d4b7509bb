from __future__ import annotations

from itertools import pairwise

import pytest

from batcher.governor.breaker import HINT, Breaker
from batcher.models import ErrorClass, Failure


def failure(
    error_class: ErrorClass = ErrorClass.OVERLOADED, retry_after: float | None = None
) -> Failure:
    return Failure(error_class=error_class, message="busy", retry_after=retry_after)


def closed(chance: float = 0.0) -> Breaker:
    return Breaker(lambda: chance, longest_asked=1800.0)


def opened() -> Breaker:
    breaker = closed()
    breaker.open(0.0, failure())
    return breaker


@pytest.mark.parametrize(
    "classes",
    [
        [ErrorClass.OVERLOADED],
        [ErrorClass.SERVER],
        [ErrorClass.CONNECT],
        [ErrorClass.SERVER, ErrorClass.CONNECT],
    ],
    ids=["overloaded", "server", "connect", "mixed"],
)
def test_ten_failures_in_a_row_open_it(classes: list[ErrorClass]) -> None:
    breaker = closed()
    for step in range(10):
        assert breaker.cause is None
        breaker.note(step * 100.0, failure(classes[step % len(classes)]))
    assert breaker.cause is not None


def test_a_few_that_fail_again_and_again_do_not_open_it() -> None:
    breaker = closed()
    for step in range(3 * 5):
        breaker.note(0.0, failure(), again=step >= 3)
    assert breaker.cause is None


def test_a_retry_that_is_answered_breaks_the_row() -> None:
    breaker = closed()
    for _ in range(9):
        breaker.note(0.0, failure())
    breaker.note(0.0, None, again=True)
    breaker.note(0.0, failure())
    assert breaker.cause is None


def test_a_success_breaks_the_row() -> None:
    breaker = closed()
    for step in range(18):
        breaker.note(step * 100.0, None if step == 9 else failure())
    assert breaker.cause is None


@pytest.mark.parametrize(
    ("seconds", "successes", "opens"),
    [(1.0, 4, True), (1.0, 5, False), (10.0, 4, False)],
    ids=["80 % within a minute", "75 %", "spread over minutes"],
)
def test_most_of_the_last_twenty_within_a_minute_open_it(
    seconds: float, successes: int, opens: bool
) -> None:
    breaker = closed()
    for step in range(20):
        is_success = step % 4 == 0 and step // 4 < successes
        breaker.note(step * seconds, None if is_success else failure())
    assert (breaker.cause is not None) is opens


@pytest.mark.parametrize("silent", [ErrorClass.RATE_LIMITED, ErrorClass.AMBIGUOUS])
def test_what_says_nothing_of_the_gateway_neither_breaks_nor_makes_a_row(
    silent: ErrorClass,
) -> None:
    breaker = closed()
    for _ in range(9):
        breaker.note(0.0, failure())
        breaker.note(0.0, failure(silent))
    assert breaker.cause is None
    breaker.note(0.0, failure())
    assert breaker.cause is not None


def test_stragglers_do_not_move_an_open_one() -> None:
    breaker = opened()
    breaker.note(10.0, failure(ErrorClass.SERVER))
    assert breaker.cause == failure()
    assert breaker.probe_at == 2.0


def test_probes_come_after_2_seconds_doubling_to_5_minutes() -> None:
    breaker = opened()
    times = [breaker.probe_at]
    for _ in range(9):
        breaker.probed(breaker.probe_at, failure())
        times.append(breaker.probe_at)
    gaps = [later - earlier for earlier, later in pairwise([0.0, *times])]
    assert gaps == [2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 300.0, 300.0]


def test_jitter_delays_a_probe_a_little() -> None:
    breaker = closed(chance=1.0)
    breaker.open(0.0, failure())
    assert breaker.probe_at == pytest.approx(2.2)


def test_a_probe_waits_as_long_as_the_gateway_asks() -> None:
    breaker = closed()
    breaker.open(0.0, failure(retry_after=600.0))
    assert breaker.probe_at == 600.0


def test_a_probe_is_put_off_no_longer_than_the_user_is_ready_to_wait() -> None:
    breaker = closed()
    breaker.open(0.0, failure(retry_after=86_400.0))
    assert breaker.probe_at == 1800.0
    breaker.probed(1800.0, failure(retry_after=1e308))
    assert breaker.probe_at == 3600.0


def test_nobody_is_ready_to_wait_less_than_the_schedule() -> None:
    breaker = Breaker(lambda: 0.0, longest_asked=1.0)
    breaker.open(0.0, failure(retry_after=86_400.0))
    assert breaker.probe_at == 2.0


def test_where_probes_cost_money_the_first_one_waits_longer() -> None:
    breaker = closed()
    breaker.open(0.0, failure(), wait=30.0)
    assert breaker.probe_at == 30.0
    breaker.probed(30.0, failure())
    assert breaker.probe_at == 90.0
    breaker.probed(90.0, None)
    breaker.open(100.0, failure())
    assert breaker.probe_at == 102.0


@pytest.mark.parametrize(
    "answer", [None, failure(ErrorClass.MODERATION), failure(ErrorClass.INVALID)]
)
def test_a_probe_that_is_answered_closes_it(answer: Failure | None) -> None:
    breaker = opened()
    breaker.probed(30.0, answer)
    assert breaker.cause is None


def test_a_probe_that_told_nothing_is_repeated_as_soon() -> None:
    breaker = opened()
    breaker.probed(2.0, failure(ErrorClass.RATE_LIMITED))
    assert breaker.probe_at == 4.0
    breaker.probed(4.0, None, tells_nothing=True)
    assert breaker.probe_at == 6.0


def test_it_gives_up_after_the_longest_outage() -> None:
    breaker = closed()
    breaker.note(0.0, None)
    breaker.open(0.0, failure())
    assert breaker.given_up(3599.0, 3600.0) is None
    given_up = breaker.given_up(3600.0, 3600.0)
    assert given_up is not None
    assert given_up.error_class is ErrorClass.OVERLOADED
    assert given_up.message == "no success for 60 min; the last: busy"


def test_it_gives_up_after_a_minute_while_nothing_has_come() -> None:
    breaker = opened()
    breaker.note(1.0, failure(ErrorClass.RATE_LIMITED))
    assert breaker.given_up(59.0, 3600.0) is None
    given_up = breaker.given_up(60.0, 3600.0)
    assert given_up is not None
    assert given_up.error_class is ErrorClass.OVERLOADED
    assert given_up.message == f"no success for 1 min; the last: busy; {HINT}"


def test_nobody_waits_a_minute_who_is_ready_to_wait_less() -> None:
    assert opened().given_up(20.0, 20.0) is not None


@pytest.mark.parametrize("answer", [None, failure(ErrorClass.MODERATION)])
def test_what_came_in_an_outage_makes_it_worth_the_wait(
    answer: Failure | None,
) -> None:
    straggler, probe = opened(), opened()
    straggler.note(10.0, answer)
    assert straggler.given_up(3599.0, 3600.0) is None
    probe.probed(10.0, answer)
    probe.open(100.0, failure())
    assert probe.given_up(3699.0, 3600.0) is None


def test_a_closed_one_has_nothing_to_give_up() -> None:
    assert closed().given_up(1e6, 1.0) is None


def test_a_quota_is_waited_for_without_end() -> None:
    breaker = closed()
    breaker.open(0.0, failure(ErrorClass.QUOTA))
    breaker.probed(2.0, failure(ErrorClass.QUOTA))
    assert breaker.probe_at == 6.0
    assert breaker.given_up(1e6, 3600.0) is None

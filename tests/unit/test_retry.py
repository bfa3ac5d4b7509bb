from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batcher.models import ErrorClass, Failure, Status
from batcher.retry import RULES, Decision, Next, Policy, decide, uses_attempt

STOPPING = {"auth", "quota", "config", "store", "lease", "spend"}
FINAL = {"moderation", "invalid"}
TRANSIENT = {
    *("connect", "rate_limited", "overloaded", "server"),
    *("ambiguous", "bad_reply"),
}
CLASSES = st.sampled_from(ErrorClass)


def failed(
    error_class: str, *, retry_after: float | None = None, final: bool = False
) -> Failure:
    return Failure(
        error_class=ErrorClass(error_class),
        message="x",
        retry_after=retry_after,
        final=final,
    )


def decided(
    failure: Failure,
    *,
    used: int = 1,
    tries: int = 1,
    chance: float = 1.0,
    max_attempts: int = 5,
    retry_unknown: bool = True,
    wait_for_quota: bool = False,
    longest_wait: float = 1800.0,
    by_class: Mapping[str, int] | None = None,
) -> Decision:
    policy = Policy(
        max_attempts=max_attempts,
        by_class=by_class or {},
        retry_unknown=retry_unknown,
        wait_for_quota=wait_for_quota,
        longest_wait=longest_wait,
    )
    return decide(failure, policy, used=used, tries=tries, random=lambda: chance)


def test_every_class_has_a_rule() -> None:
    assert set(RULES) == set(ErrorClass)
    assert {*STOPPING, *FINAL, *TRANSIENT, "download"} == set(ErrorClass)


@pytest.mark.parametrize("error_class", sorted(STOPPING))
def test_what_no_request_can_help_stops_the_run(error_class: str) -> None:
    assert decided(failed(error_class)).next is Next.STOP
    assert decided(failed(error_class), by_class={error_class: 3}).next is Next.STOP


@pytest.mark.parametrize("error_class", sorted(FINAL))
def test_what_the_gateway_will_not_make_is_rejected(error_class: str) -> None:
    expected = Decision(next=Next.END, status=Status.REJECTED)
    assert decided(failed(error_class)) == expected


@pytest.mark.parametrize("error_class", sorted(TRANSIENT))
def test_what_may_pass_is_tried_again_until_the_attempts_are_used_up(
    error_class: str,
) -> None:
    assert decided(failed(error_class), used=4).next is Next.RETRY
    last = decided(failed(error_class), used=5, tries=5)
    if error_class == "rate_limited":
        assert last.next is Next.RETRY
    else:
        assert last == Decision(next=Next.END, status=Status.FAILED)


def test_a_failed_download_is_never_sent_again() -> None:
    assert decided(failed("download")).next is Next.END


def test_only_pace_uses_no_attempt() -> None:
    free = {each for each in ErrorClass if not uses_attempt(failed(each))}
    assert free == {ErrorClass.RATE_LIMITED}


def test_what_is_maybe_billed_is_left_alone_when_the_user_says_so() -> None:
    assert decided(failed("ambiguous"), retry_unknown=False).next is Next.LEAVE_UNKNOWN
    assert decided(failed("bad_reply"), retry_unknown=False).next is Next.RETRY


def test_a_quota_is_waited_for_when_the_user_says_so() -> None:
    waiting = decided(failed("quota"), used=99, wait_for_quota=True)
    assert waiting.next is Next.RETRY


def test_the_gateway_may_say_that_trying_again_is_of_no_use() -> None:
    assert decided(failed("server", final=True)).next is Next.END
    assert decided(failed("rate_limited", final=True)).next is Next.END


def test_what_cannot_be_sent_now_is_left_to_the_next_run() -> None:
    assert decided(failed("connect", final=True)) == Decision(next=Next.END)
    assert decided(failed("invalid", final=True)) == Decision(
        next=Next.END, status=Status.REJECTED
    )


@pytest.mark.parametrize(
    ("error_class", "own", "used", "tries", "follows"),
    [
        ("server", 1, 1, 1, Next.END),
        ("server", 9, 8, 8, Next.RETRY),
        ("server", 9, 9, 9, Next.END),
        ("moderation", 2, 1, 1, Next.RETRY),
        ("moderation", 2, 2, 2, Next.END),
        ("rate_limited", 1, 0, 1, Next.END),
        ("rate_limited", 3, 0, 2, Next.RETRY),
        ("download", 2, 1, 1, Next.RETRY),
    ],
)
def test_a_class_may_have_its_own_number_of_attempts(
    error_class: str, own: int, used: int, tries: int, follows: Next
) -> None:
    decision = decided(
        failed(error_class), used=used, tries=tries, by_class={error_class: own}
    )
    assert decision.next is follows


@pytest.mark.parametrize(
    ("error_class", "tries", "delay"),
    [
        ("server", 1, 1.0),
        ("server", 2, 2.0),
        ("server", 4, 8.0),
        ("server", 99, 60.0),
        ("overloaded", 1, 4.0),
        ("overloaded", 99, 120.0),
    ],
)
def test_the_longest_delay_doubles_up_to_its_limit(
    error_class: str, tries: int, delay: float
) -> None:
    assert decided(failed(error_class), tries=tries).delay == delay


def test_nobody_comes_back_sooner_than_asked() -> None:
    decision = decided(failed("server", retry_after=20.0), chance=0.5)
    assert decision.delay == 20.5


@pytest.mark.parametrize("error_class", sorted(TRANSIENT - {"rate_limited"}))
@pytest.mark.parametrize("asked", [86_400.0, 1e308])
def test_a_wait_beyond_the_longest_is_left_to_the_next_run(
    error_class: str, asked: float
) -> None:
    decision = decided(failed(error_class, retry_after=asked))
    assert decision == Decision(next=Next.END, status=Status.FAILED)


def test_the_longest_wait_itself_is_sat_out() -> None:
    asked = failed("overloaded", retry_after=5.0)
    assert decided(asked, longest_wait=5.0).next is Next.RETRY
    assert decided(asked, longest_wait=4.9).next is Next.END


def test_a_quota_is_asked_about_within_the_longest_wait() -> None:
    asked = failed("quota", retry_after=86_400.0)
    decision = decided(asked, wait_for_quota=True)
    assert decision == Decision(next=Next.RETRY, delay=1801.0)


def test_a_wait_for_pace_is_left_to_the_governor() -> None:
    decision = decided(failed("rate_limited", retry_after=86_400.0))
    assert decision.delay == 1.0


@given(CLASSES, st.integers(0, 50), st.integers(1, 10_000), st.floats(0, 1))
def test_a_delay_is_never_negative_nor_beyond_the_rule(
    error_class: ErrorClass, used: int, tries: int, chance: float
) -> None:
    decision = decided(failed(error_class), used=used, tries=tries, chance=chance)
    assert 0.0 <= decision.delay <= RULES[error_class].longest

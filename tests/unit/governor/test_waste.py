"""What is paid for nothing is bounded; what passes by itself is outlasted."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batcher.governor import (
    Account,
    Admission,
    Governor,
    Halt,
    Hold,
    Limits,
    Outcome,
    Rotation,
)
from batcher.models import ErrorClass, Failure

MANY = Limits().fruitless
FREE = Limits(concurrency=1000, adaptive=False)
KEPT = Outcome(images=1)
BAD = Failure(error_class=ErrorClass.BAD_REPLY, message="data is empty")
LOST = Failure(error_class=ErrorClass.AMBIGUOUS, message="no reply in 360 s")
REFUSED = Failure(error_class=ErrorClass.MODERATION, message="not that")
DOWN = Failure(error_class=ErrorClass.SERVER, message="down")
USD = Decimal("0.25")


class Night:
    """A run: its governor, its clock, and what its requests come to."""

    def __init__(self, sender: Governor | Rotation | None = None) -> None:
        self.sender = sender or governor()
        self.now = 0.0

    def ask(self) -> Admission | Hold | Halt:
        return self.sender.ask(self.now, images=1, usd=USD)

    def send(self, outcome: Outcome | Failure) -> Admission:
        admission = self.ask()
        assert isinstance(admission, Admission), admission
        if isinstance(outcome, Failure):
            outcome = Outcome(failure=outcome)
        self.sender.settle(self.now, admission, outcome)
        return admission

    def end(self, failure: Failure = BAD, *, attempts: int = 5) -> None:
        """Send a request until its attempts are used up."""
        for _ in range(attempts - 1):
            self.send(failure)
        self.sender.ended(self.now, self.send(failure), failure)

    def held(self) -> Hold:
        answer = self.ask()
        assert isinstance(answer, Hold), answer
        return answer

    def halted(self) -> Failure:
        answer = self.ask()
        assert isinstance(answer, Halt), answer
        return answer.failure


def governor() -> Governor:
    return Governor(FREE, now=0.0, random=lambda: 0.0)


def wasted(failure: Failure = BAD) -> Night:
    night = Night()
    for _ in range(MANY):
        night.end(failure)
    return night


@pytest.mark.parametrize("failure", [BAD, LOST], ids=["bad_reply", "ambiguous"])
def test_a_run_that_pays_for_nothing_pauses_tries_once_more_and_stops(
    failure: Failure,
) -> None:
    night = wasted(failure)
    hold = night.held()
    reason = f"paused: {failure.error_class}, next try in 30 s"
    assert (hold.until, hold.reason) == (30.0, reason)
    night.now = 30.0
    night.send(failure)
    stopped = night.halted()
    assert stopped.error_class is failure.error_class
    assert stopped.message == (
        "25 requests in a row ended without an image, and 126 attempts may have cost"
        " 31.50 USD; look at what the gateway replies before going on, the last was:"
        f" {failure.message}"
    )


def test_no_more_than_one_leaves_while_it_is_tried_once_more() -> None:
    night = wasted()
    night.now = 30.0
    assert isinstance(night.ask(), Admission)
    assert night.held().until is None


def test_what_passes_within_the_pause_stops_nothing() -> None:
    night = wasted(LOST)
    night.now = 30.0
    night.send(KEPT)
    for _ in range(MANY - 1):
        night.end(LOST)
    assert isinstance(night.ask(), Admission)


@given(st.lists(st.sampled_from([BAD, LOST]), max_size=MANY - 1))
def test_fewer_requests_that_end_so_never_stop_a_run(failures: list[Failure]) -> None:
    night = Night()
    for failure in failures:
        night.end(failure)
    assert isinstance(night.ask(), Admission)


def test_attempts_of_requests_that_go_on_do_not_count_as_requests() -> None:
    night = Night()
    for _ in range(100 * MANY):
        night.send(BAD)
    assert isinstance(night.ask(), Admission)


def test_an_image_in_between_begins_the_row_anew() -> None:
    night = Night()
    for _ in range(MANY - 1):
        night.end()
    night.send(KEPT)
    for _ in range(MANY - 1):
        night.end()
    assert isinstance(night.ask(), Admission)


@pytest.mark.parametrize("other", [REFUSED, DOWN], ids=["moderation", "server"])
def test_a_request_that_cost_nothing_counts_as_neither(other: Failure) -> None:
    night = Night()
    for _ in range(MANY - 1):
        night.end(attempts=1)
        night.end(other, attempts=1)
    assert isinstance(night.ask(), Admission)
    night.end(attempts=1)
    night.held()


def test_what_was_never_sent_is_no_image() -> None:
    night = Night()
    for _ in range(MANY):
        night.send(Outcome())
        night.end(attempts=1)
    night.held()


def test_a_try_that_tells_nothing_is_followed_by_another() -> None:
    night = wasted()
    night.now = 30.0
    night.send(Outcome())
    assert night.held().until == 60.0
    night.now = 60.0
    night.send(DOWN)
    assert night.held().until == 120.0
    night.now = 120.0
    night.send(LOST)
    assert night.halted().error_class is ErrorClass.AMBIGUOUS


def test_a_refusal_lets_the_next_wasted_request_pause_it_again() -> None:
    night = wasted()
    night.now = 30.0
    night.send(REFUSED)
    night.end(attempts=1)
    assert night.held().until == 60.0


def test_an_image_that_comes_late_takes_the_stop_back() -> None:
    night = Night()
    late = night.ask()
    assert isinstance(late, Admission)
    for _ in range(MANY):
        night.end(attempts=1)
    night.sender.settle(1.0, late, KEPT)
    night.now = 30.0
    night.send(BAD)
    assert isinstance(night.ask(), Admission)


def test_what_ends_in_a_pause_does_not_put_the_next_try_off() -> None:
    night = Night()
    late = night.ask()
    assert isinstance(late, Admission)
    for _ in range(MANY):
        night.end(attempts=1)
    night.sender.settle(9.0, late, Outcome(failure=BAD))
    night.sender.ended(9.0, late, BAD)
    assert night.held().until == 30.0


def test_a_sum_that_is_not_known_is_said_to_be_so() -> None:
    one = Governor(Limits(fruitless=1), now=0.0, random=lambda: 0.0)
    for now in (0.0, 30.0):
        admission = one.ask(now, images=1, usd=None)
        assert isinstance(admission, Admission)
        one.settle(now, admission, Outcome(failure=BAD))
        one.ended(now, admission, BAD)
    assert one.halt is not None
    assert one.halt.failure.message.startswith(
        "1 request in a row ended without an image, and 2 attempts may have cost an"
        " unknown sum; "
    )


def test_an_account_that_is_paid_for_nothing_leaves_the_rotation() -> None:
    accounts = [Account(governor(), (name,)) for name in ("bad", "good")]
    night = Night(Rotation(accounts, FREE, now=0.0))
    for _ in range(MANY):
        night.end(attempts=1)
    assert night.send(KEPT).route == "good"
    night.now = 30.0
    assert night.send(BAD).route == "bad"
    assert night.send(KEPT).route == "good"
    assert night.sender.dropped["bad"].error_class is ErrorClass.BAD_REPLY

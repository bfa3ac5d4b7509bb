"""What is paid for nothing is bounded; what passes by itself is outlasted."""

from __future__ import annotations

from decimal import Decimal
from itertools import cycle

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

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
from batcher.governor.waste import MOST
from batcher.models import ErrorClass, Failure

FREE = Limits(concurrency=1000, adaptive=False)
KEPT = Outcome(images=1)
BAD = Failure(error_class=ErrorClass.BAD_REPLY, message="data is empty")
LOST = Failure(error_class=ErrorClass.AMBIGUOUS, message="no reply in 360 s")
REFUSED = Failure(error_class=ErrorClass.MODERATION, message="not that")
DOWN = Failure(error_class=ErrorClass.SERVER, message="down")
DEAD = Failure(error_class=ErrorClass.DOWNLOAD, message="HTTP 404", status=404)
USD = Decimal("0.25")
UNFETCHED = Outcome(failure=DEAD, spent=USD, images=1)


class Night:
    """A run: its governor, its clock, and what its requests come to."""

    def __init__(self, sender: Governor | Rotation | None = None) -> None:
        self.sender = sender or governor()
        self.now = 0.0

    def ask(self) -> Admission | Hold | Halt:
        return self.sender.ask(self.now, images=1, usd=USD)

    def send(self, outcome: Outcome | Failure, *, times: int = 1) -> Admission:
        """Send attempts that all come to the same; give the last one's leave."""
        if isinstance(outcome, Failure):
            outcome = Outcome(failure=outcome)
        for _ in range(times):
            admission = self.let_out()
            self.sender.settle(self.now, admission, outcome)
        return admission

    def let_out(self) -> Admission:
        answer = self.ask()
        assert isinstance(answer, Admission), answer
        return answer

    def held(self) -> Hold:
        answer = self.ask()
        assert isinstance(answer, Hold), answer
        return answer

    def halted(self) -> Failure:
        answer = self.ask()
        assert isinstance(answer, Halt), answer
        return answer.failure


def governor(limits: Limits = FREE) -> Governor:
    return Governor(limits, now=0.0, random=lambda: 0.0)


def wasted(outcome: Outcome | Failure = BAD) -> Night:
    night = Night()
    night.send(outcome, times=MOST)
    return night


@pytest.mark.parametrize("failure", [BAD, LOST], ids=["bad_reply", "ambiguous"])
def test_a_run_that_pays_for_nothing_pauses_tries_once_more_and_stops(
    failure: Failure,
) -> None:
    night = wasted(failure)
    hold = night.held()
    reason = f"paused: {failure.error_class}, next try in 60 s"
    assert (hold.until, hold.reason) == (60.0, reason)
    night.now = 60.0
    night.send(failure)
    stopped = night.halted()
    assert stopped.error_class is failure.error_class
    assert stopped.message == (
        "126 attempts in a row ended without a kept image and cost up to 31.50 USD;"
        " look at what the gateway replies before going on, the last was:"
        f" {failure.message}"
    )


def test_urls_that_give_no_image_are_bought_no_more_and_told() -> None:
    night = wasted(UNFETCHED)
    assert night.held().reason == "paused: download, next try in 60 s"
    night.now = 60.0
    night.send(UNFETCHED)
    assert night.halted().message == (
        "126 attempts in a row ended without a kept image and cost up to 31.50 USD;"
        " 126 named a URL that gave no image; look at what the gateway replies before"
        " going on, the last was: HTTP 404"
    )


def test_what_a_url_did_not_give_is_paid_and_made_all_the_same() -> None:
    one = governor()
    outcome = Outcome(failure=DEAD, spent=USD, maybe_billed=USD, images=1)
    Night(one).send(outcome)
    budget, waste = one.budget, one.waste
    assert (budget.spent, budget.unknown, budget.images) == (USD, USD, 1)
    assert (budget.reserved, budget.reserved_images) == (Decimal(0), 0)
    assert (waste.attempts, waste.usd) == (1, 2 * USD)


def test_a_url_that_gives_no_image_does_not_clear_what_is_paid_for_nothing() -> None:
    night = Night()
    for sent in range(MOST):
        night.send(BAD if sent % 10 else UNFETCHED)
    assert night.held().until == 60.0


def test_a_gateway_whose_urls_give_no_image_is_up() -> None:
    one = governor()
    night = Night(one)
    night.send(DOWN, times=10)
    night.now = 60.0
    night.send(UNFETCHED)
    assert isinstance(night.ask(), Admission)
    limited = Failure(error_class=ErrorClass.RATE_LIMITED, message="slower")
    night.send(limited)
    assert one.pace.limited_since is not None
    night.now += 60.0
    night.send(UNFETCHED)
    assert one.pace.limited_since is None


def test_no_more_than_one_leaves_while_it_is_tried_once_more() -> None:
    night = wasted()
    night.now = 60.0
    assert isinstance(night.ask(), Admission)
    assert night.held().until is None


def test_what_passes_within_the_pause_stops_nothing() -> None:
    night = wasted(LOST)
    night.now = 60.0
    night.send(KEPT)
    night.send(LOST, times=MOST - 1)
    assert isinstance(night.ask(), Admission)


@given(st.lists(st.sampled_from([BAD, LOST, REFUSED]), max_size=MOST - 1))
def test_fewer_attempts_never_stop_a_run(failures: list[Failure]) -> None:
    night = Night()
    for failure in failures:
        night.send(failure)
    assert isinstance(night.ask(), Admission)


@given(
    st.lists(st.sampled_from([BAD, LOST, REFUSED, DOWN, UNFETCHED]), min_size=1),
    st.integers(1, 20),
)
def test_no_mixture_wastes_more_than_is_promised(
    comes: list[Failure | Outcome], concurrency: int
) -> None:
    """Without one image, however the attempts end and however many are left."""
    night = Night(governor(replace(FREE, concurrency=concurrency)))
    wasted, out = 0, list[Admission]()
    for come in cycle([*comes, BAD]):
        while isinstance(answer := night.ask(), Admission):
            out.append(answer)
        if isinstance(answer, Halt):
            break
        if out:
            outcome = Outcome(failure=come) if isinstance(come, Failure) else come
            night.sender.settle(night.now, out.pop(0), outcome)
            wasted += outcome.is_wasted
        else:
            night.now = answer.until or night.now
    assert wasted + len(out) <= MOST + concurrency


def test_an_image_in_between_begins_the_row_anew() -> None:
    night = Night()
    night.send(BAD, times=MOST - 1)
    night.send(KEPT)
    night.send(BAD, times=MOST - 1)
    assert isinstance(night.ask(), Admission)


@pytest.mark.parametrize("other", [REFUSED, DOWN], ids=["moderation", "server"])
def test_an_attempt_that_cost_nothing_counts_as_neither(other: Failure) -> None:
    night = Night()
    for _ in range(MOST - 1):
        night.send(BAD)
        night.send(other)
    assert isinstance(night.ask(), Admission)
    night.send(BAD)
    night.held()


def test_what_was_never_sent_is_no_image() -> None:
    night = Night()
    for _ in range(MOST):
        night.send(Outcome())
        night.send(BAD)
    night.held()


def test_a_try_that_tells_nothing_is_followed_by_another() -> None:
    night = wasted()
    for now, outcome in ((60.0, Outcome()), (120.0, Outcome(failure=REFUSED))):
        night.now = now
        night.send(outcome)
        assert night.held().until == now + 60.0
    night.now = 180.0
    night.send(DOWN)
    assert night.held().until == 300.0
    night.now = 300.0
    night.send(LOST)
    assert night.halted().error_class is ErrorClass.AMBIGUOUS


def test_a_try_after_an_outage_does_not_stop_for_what_it_completes() -> None:
    night = Night()
    night.send(BAD, times=MOST - 1)
    night.send(DOWN, times=10)
    for now in (2.0, 62.0):
        assert night.held().until == now
        night.now = now
        night.send(BAD)
    assert night.halted().error_class is ErrorClass.BAD_REPLY


def test_refusals_in_the_pause_do_not_put_the_end_off_for_ever() -> None:
    night = wasted()
    while isinstance(hold := night.ask(), Hold):
        assert hold.until is not None
        night.now = hold.until
        night.send(REFUSED)
    assert night.now <= 2 * Limits().longest_outage
    assert night.halted().message.startswith("no success for 60 min")


def test_an_image_that_comes_late_takes_the_stop_back() -> None:
    night = Night()
    late = night.let_out()
    night.send(BAD, times=MOST)
    night.sender.settle(1.0, late, KEPT)
    night.now = 60.0
    night.send(BAD)
    assert isinstance(night.ask(), Admission)


def test_what_ends_in_a_pause_does_not_put_the_next_try_off() -> None:
    night = Night()
    late = night.let_out()
    night.send(BAD, times=MOST)
    night.sender.settle(9.0, late, Outcome(failure=BAD))
    assert night.held().until == 60.0


def test_a_sum_that_is_not_known_is_said_to_be_so() -> None:
    one = governor()
    for sent in range(MOST + 1):
        now = 0.0 if sent < MOST else 60.0
        admission = one.ask(now, images=1, usd=None)
        assert isinstance(admission, Admission)
        one.settle(now, admission, Outcome(failure=BAD))
    assert one.halt is not None
    assert one.halt.failure.message.startswith(
        "126 attempts in a row ended without a kept image and cost an unknown sum; look"
    )


def test_an_account_that_is_paid_for_nothing_leaves_the_rotation() -> None:
    accounts = [Account(governor(), (name,)) for name in ("bad", "good")]
    night = Night(Rotation(accounts, FREE, now=0.0))
    night.send(BAD, times=MOST)
    assert night.send(KEPT).route == "good"
    night.now = 60.0
    assert night.send(BAD).route == "bad"
    assert night.send(KEPT).route == "good"
    assert night.sender.dropped["bad"].error_class is ErrorClass.BAD_REPLY

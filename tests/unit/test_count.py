from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batcher.count import Count, count_ledger
from batcher.ledger import Standing, Standings, State
from batcher.models import Summary

STANDINGS = st.none() | st.builds(
    Standing,
    state=st.sampled_from(State),
    images=st.integers(0, 3),
    warnings=st.lists(st.sampled_from(["adopted", "size_mismatch"])).map(tuple),
    error_class=st.sampled_from([None, "server", "ambiguous"]),
)


def summed(*standings: Standing | None, total: int = 1, **other: object) -> Summary:
    count = Count()
    for each in standings:
        count.move(None, each)
    return count.summary(Standings(), total=total, out="o", **other)  # type: ignore[arg-type]  # by name


@pytest.mark.parametrize(
    ("state", "word"),
    [
        (State.SUCCEEDED, "succeeded"),
        (State.FAILED, "failed"),
        (State.REJECTED, "rejected"),
        (State.UNKNOWN, "unknown"),
        (State.REPLIED, "unknown"),
        (State.PENDING, "pending"),
        (State.LOST, "pending"),
    ],
)
def test_each_state_is_counted_under_one_word(state: State, word: str) -> None:
    summary = summed(Standing(state=state), total=1)
    words = ("succeeded", "failed", "rejected", "unknown", "pending")
    counted = {each: getattr(summary, each) for each in words}
    assert counted == {**dict.fromkeys(words, 0), word: 1}


@given(st.lists(STANDINGS), st.integers(0, 9))
def test_the_words_of_a_summary_sum_to_its_total(
    standings: list[Standing | None], never_tried: int
) -> None:
    total = len(standings) + never_tried
    summary = summed(*standings, total=total)
    assert total == (
        summary.succeeded
        + summary.failed
        + summary.rejected
        + summary.unknown
        + summary.pending
    )


@given(st.lists(st.tuples(STANDINGS, STANDINGS)))
def test_to_move_is_to_count_only_where_a_request_stands_now(
    moves: list[tuple[Standing | None, Standing | None]],
) -> None:
    count = Count()
    for before, _ in moves:
        count.move(None, before)
    for before, after in moves:
        count.move(before, after)
    summary = count.summary(Standings(), total=len(moves), out="o")
    assert summary == summed(*(after for _, after in moves), total=len(moves))
    assert all(number > 0 for number in summary.errors.values())


def test_errors_are_those_of_requests_that_are_not_kept() -> None:
    summary = summed(
        Standing(state=State.FAILED, error_class="server"),
        Standing(state=State.UNKNOWN, error_class="ambiguous"),
        Standing(state=State.UNKNOWN),
        Standing(state=State.PENDING, error_class="connect"),
        Standing(state=State.SUCCEEDED, warnings=("adopted",), images=2),
        None,
    )
    assert summary.errors == {"ambiguous": 1, "server": 1}
    assert summary.warnings == {"adopted": 1}
    assert summary.images == 2


@pytest.mark.parametrize(
    ("states", "is_stopped", "code"),
    [
        ([State.SUCCEEDED], False, 0),
        ([State.SUCCEEDED], True, 0),
        ([State.FAILED], False, 1),
        ([State.REJECTED], False, 1),
        ([State.UNKNOWN], False, 1),
        ([State.FAILED], True, 3),
        ([State.PENDING], False, 3),
        ([], False, 3),
    ],
)
def test_the_exit_code_says_how_it_ended(
    states: list[State], *, is_stopped: bool, code: int
) -> None:
    stopped = {"class": "auth", "message": "x"} if is_stopped else None
    standings = [Standing(state=state) for state in states]
    summary = summed(*standings, total=1, stopped=stopped)
    assert (summary.exit_code, summary.stopped) == (code, stopped)


def test_what_has_no_price_is_no_sum_of_zero() -> None:
    unpriced = Count().summary(Standings(), total=0, out="o")
    assert unpriced.spent_usd is unpriced.maybe_billed_usd is None
    count = Count()
    count.is_priced = True
    priced = count.summary(Standings(), total=0, out="o")
    assert priced.spent_usd == priced.maybe_billed_usd == Decimal(0)


def test_a_ledger_is_counted_as_a_whole() -> None:
    standings = Standings()
    for id_ in ("a", "b"):
        line = f'{{"event":"attempt","id":"{id_}","attempt":1,"reserved_usd":0.5}}'
        standings.take(line.encode())
    summary = count_ledger(standings).summary(standings, total=2, out="o", skipped=1)
    assert (summary.unknown, summary.attempts, summary.skipped) == (2, 2, 1)
    assert summary.maybe_billed_usd == Decimal("1.0")

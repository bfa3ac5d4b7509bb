"""How long a URL is asked for a paid image that it does not give."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batcher.models import ErrorClass, Failure
from batcher.transport.download import ABSENT_STATUSES, GONE_STATUSES
from batcher.worker.patience import is_gone, longest_delay

FAILURES = st.builds(
    Failure,
    error_class=st.just(ErrorClass.DOWNLOAD),
    message=st.just("x"),
    status=st.none()
    | st.sampled_from([*ABSENT_STATUSES, *GONE_STATUSES, 200, 429, 500]),
    final=st.booleans(),
)


def failure(status: int | None = None, *, final: bool = False) -> Failure:
    return Failure(
        error_class=ErrorClass.DOWNLOAD, message="x", status=status, final=final
    )


def waits(lost: Failure, *, is_new: bool = True) -> list[float]:
    """Give the longest waits between the tries of one run."""
    delays = (longest_delay(lost, tries, is_new=is_new) for tries in range(1, 20))
    return [delay for delay in delays if delay is not None]


@pytest.mark.parametrize(
    ("lost", "delays"),
    [
        (failure(410, final=True), []),
        (failure(final=True), []),
        *((failure(status), [0.5, 1.0, 2.0, 4.0, 6.0]) for status in (401, 403, 404)),
        (failure(500), [2.0, 4.0, 8.0, 16.0]),
        (failure(), [2.0, 4.0, 8.0, 16.0]),
    ],
    ids=["410", "refused", "401", "403", "404", "500", "no answer"],
)
def test_what_a_url_answers_tells_how_often_it_is_asked(
    lost: Failure, delays: list[float]
) -> None:
    assert waits(lost) == delays


@pytest.mark.parametrize(
    ("lost", "at_first", "later"),
    [
        (failure(410, final=True), True, True),
        (failure(404), False, True),
        (failure(500), False, False),
    ],
    ids=["410", "404", "500"],
)
def test_what_is_not_there_is_gone_only_when_a_later_run_asks_in_vain(
    lost: Failure, *, at_first: bool, later: bool
) -> None:
    assert is_gone(lost, is_new=True) is at_first
    assert is_gone(lost, is_new=False) is later


@pytest.mark.parametrize("status", [401, 403, 404])
def test_an_absent_image_of_an_earlier_run_is_asked_for_once(status: int) -> None:
    assert waits(failure(status), is_new=False) == []


@given(lost=FAILURES, is_new=st.booleans())
def test_what_is_gone_is_not_waited_for(lost: Failure, *, is_new: bool) -> None:
    if is_gone(lost, is_new=is_new):
        assert waits(lost, is_new=is_new) == []


@given(lost=FAILURES, is_new=st.booleans())
def test_waits_grow_and_end(lost: Failure, *, is_new: bool) -> None:
    delays = waits(lost, is_new=is_new)
    assert delays == sorted(delays)
    assert sum(delays) <= 30.0


@given(FAILURES)
def test_what_is_gone_at_first_is_gone_later(lost: Failure) -> None:
    assert is_gone(lost, is_new=False) >= is_gone(lost, is_new=True)

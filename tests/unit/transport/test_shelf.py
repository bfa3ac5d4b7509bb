from __future__ import annotations

from typing import cast

from hypothesis import given
from hypothesis import strategies as st

from batcher.transport.connection import Connection
from batcher.transport.shelf import MOST_KEPT, Shelf

REST, IDLE = 0.012, 4.0


class Line:
    """A connection to nobody."""

    def __init__(self) -> None:
        self.is_quiet = True
        self.is_closed = False

    def abort(self) -> None:
        self.is_closed = True


def taken(shelf: Shelf, now: float) -> Line | None:
    return cast("Line | None", shelf.take(now))


def shelf() -> Shelf:
    return Shelf(rest_seconds=REST, idle_seconds=IDLE)


def put(shelf: Shelf, now: float) -> Line:
    line = Line()
    shelf.put(now, cast("Connection", line))
    return line


def test_a_connection_that_has_not_rested_is_passed_over_and_kept() -> None:
    kept = shelf()
    line = put(kept, 1.0)
    assert taken(kept, 1.0) is None
    assert taken(kept, 1.0 + REST / 2) is None
    assert taken(kept, 1.0 + 2 * REST) is line
    assert taken(kept, 1.0 + 2 * REST) is None


def test_of_those_that_have_rested_the_last_is_used_first() -> None:
    kept = shelf()
    first, second, young = (put(kept, at) for at in (1.0, 1.1, 1.2))
    assert taken(kept, 1.21) is second
    assert taken(kept, 1.21) is first
    assert taken(kept, 1.21) is None
    assert taken(kept, 1.3) is young


def test_what_happens_to_a_connection_while_it_rests_ends_it() -> None:
    kept = shelf()
    good, bad = put(kept, 1.0), put(kept, 1.01)
    bad.is_quiet = False
    assert taken(kept, 1.1) is good
    assert (bad.is_closed, good.is_closed) == (True, False)


def test_what_is_not_fit_when_it_comes_is_not_kept() -> None:
    kept, line = shelf(), Line()
    line.is_quiet = False
    kept.put(1.0, cast("Connection", line))
    assert line.is_closed
    assert not kept


def test_a_connection_that_was_kept_for_too_long_is_closed() -> None:
    kept = shelf()
    old, young = put(kept, 1.0), put(kept, 1.0 + IDLE)
    kept.clear(1.5 + IDLE)
    assert (old.is_closed, young.is_closed) == (True, False)
    assert taken(kept, 1.0 + 3 * IDLE) is None
    assert young.is_closed


def test_there_are_never_more_than_so_many() -> None:
    kept = shelf()
    lines = [put(kept, 1.0 + number / 1000) for number in range(MOST_KEPT + 3)]
    assert len(kept) == MOST_KEPT
    assert [line.is_closed for line in lines[:4]] == [True, True, True, False]


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans(), st.booleans()), max_size=60))
def test_no_connection_is_given_that_is_young_old_or_not_quiet(
    steps: list[tuple[float, bool, bool]],
) -> None:
    kept, now = shelf(), 1.0
    since: dict[Line, float] = {}
    for wait, is_put, is_disturbed in steps:
        now += wait
        if is_put:
            since[put(kept, now)] = now
        elif is_disturbed and since:
            next(iter(since)).is_quiet = False
        else:
            given_ = taken(kept, now)
            if given_ is not None:
                assert given_.is_quiet
                assert not given_.is_closed
                assert REST <= round(now - since.pop(given_), 9) < IDLE

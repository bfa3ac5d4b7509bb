"""Where one request stands, line by line, against histories whose truth is known."""

from __future__ import annotations

from decimal import Decimal

import pytest

from batcher.ledger import Standing, State
from batcher.ledger.event import Event
from batcher.models import Status
from tests.unit.ledger.lines import (
    URL,
    ZERO,
    attempt,
    folded,
    reply,
    result,
    retry,
    unknown,
)


def standing(*events: Event) -> Standing:
    found = folded(*events).get("a")
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("events", "state"),
    [
        ([attempt(1)], State.UNKNOWN),
        ([attempt(1), unknown(1)], State.UNKNOWN),
        ([attempt(1), retry(1, "server")], State.PENDING),
        ([attempt(1), retry(1, "bad_reply", maybe_billed=True)], State.PENDING),
        ([attempt(1), retry(1, "ambiguous", maybe_billed=True)], State.UNKNOWN),
        ([attempt(1), reply(1)], State.REPLIED),
        ([attempt(1), reply(1), unknown(1)], State.UNKNOWN),
        ([attempt(1), result()], State.SUCCEEDED),
        ([attempt(1), result(Status.FAILED, error_class="server")], State.FAILED),
        ([result(Status.REJECTED, error_class="invalid")], State.REJECTED),
        ([attempt(1), result(), attempt(2)], State.SUCCEEDED),
        ([attempt(1), result(), retry(1, "bad_reply"), attempt(2)], State.UNKNOWN),
        ([attempt(1), result(), attempt(2), result()], State.SUCCEEDED),
    ],
    ids=lambda value: (
        " ".join(each.__struct_config__.tag for each in value)
        if isinstance(value, list)
        else value
    ),
)
def test_the_last_line_says_where_a_request_stands(
    events: list[Event], state: State
) -> None:
    assert standing(*events).state is state


KEPT_TWO = [attempt(1, "1"), attempt(2, "2"), result(attempts=2, cost=ZERO)]


@pytest.mark.parametrize(
    ("events", "maybe_billed"),
    [
        ([attempt(1, "1"), result(), attempt(2, "2")], "2"),
        ([attempt(1, "1"), result(), attempt(2, "2"), unknown(2)], "2"),
        ([attempt(1, "1"), result(), attempt(2, "2"), retry(2, "connect")], "0"),
        (
            [
                *(attempt(1, "1"), result(), attempt(2, "2")),
                retry(2, "ambiguous", maybe_billed=True),
            ],
            "2",
        ),
        ([attempt(1, "1"), attempt(2, "2"), result(attempts=1)], "2"),
        ([*KEPT_TWO, retry(1, "ambiguous", maybe_billed=True)], "0"),
        ([*KEPT_TWO, unknown(1)], "0"),
        ([*KEPT_TWO, reply(1)], "0"),
        ([*KEPT_TWO, result(Status.FAILED, error_class="server")], "0"),
    ],
    ids=lambda value: (
        " ".join(f"{each.__struct_config__.tag}" for each in value)
        if isinstance(value, list)
        else value
    ),
)
def test_what_one_worker_kept_no_line_of_another_unmakes(
    events: list[Event], maybe_billed: str
) -> None:
    standings = folded(*events)
    found = standings.get("a")
    assert found is not None
    assert (found.state, found.images) == (State.SUCCEEDED, 1)
    assert standings.maybe_billed() == Decimal(maybe_billed)


@pytest.mark.parametrize(
    ("events", "is_open"),
    [
        ([attempt(1)], True),
        ([attempt(1), reply(1)], True),
        ([attempt(1), reply(1), result(Status.FAILED, error_class="download")], True),
        ([attempt(1), result(Status.FAILED, error_class="download")], False),
        ([attempt(1), reply(1), result()], False),
        ([attempt(1), retry(1, "server")], False),
    ],
)
def test_a_request_is_open_while_its_image_may_be_found(
    events: list[Event], *, is_open: bool
) -> None:
    assert standing(*events).is_open is is_open


def test_a_reply_stays_known_while_its_image_was_not_fetched() -> None:
    lost = result(Status.FAILED, error_class="download")
    line = standing(attempt(3), reply(3), lost, lost).reply
    assert line is not None
    assert (line.attempt, line.urls, line.request_id) == (3, (URL,), "r1")
    assert standing(attempt(3), reply(3), lost, attempt(4)).reply is None

"""The fold of the ledger's lines, against histories whose truth is known."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batcher.ledger import ImageLine, Standing, Standings, State
from batcher.ledger.event import (
    Attempt,
    End,
    EndpointRecord,
    ErrorRecord,
    Event,
    Reply,
    Result,
    Retry,
    Run,
    Unknown,
    encode,
)
from batcher.models import Image, Status, Summary

AT = datetime(2026, 11, 22, tzinfo=UTC)
ZERO = Decimal(0)
MONEY = st.integers(0, 10**6).map(lambda micros: Decimal(micros).scaleb(-6))
URL = "http://127.0.0.1/files/a"


def attempt(number: int, reserved: str | Decimal | None = None) -> Attempt:
    usd = msgspec.UNSET if reserved is None else Decimal(reserved)
    return Attempt(at=AT, id="a", attempt=number, reserved_usd=usd)


def retry(number: int, error_class: str, *, maybe_billed: bool = False) -> Retry:
    error = ErrorRecord(error_class=error_class)
    return Retry(
        at=AT, id="a", attempt=number, error=error, maybe_billed=maybe_billed, delay=1.0
    )


def unknown(number: int) -> Unknown:
    error = ErrorRecord(error_class="ambiguous")
    return Unknown(at=AT, id="a", attempt=number, error=error)


def reply(number: int) -> Reply:
    return Reply(at=AT, id="a", attempt=number, urls=(URL,), request_id="r1")


def result(
    status: Status = Status.SUCCEEDED,
    *,
    attempts: int = 1,
    error_class: str | None = None,
    cost: Decimal | None = None,
    maybe_billed: Decimal | None = None,
    images: int = 1,
) -> Result:
    return Result(
        at=AT,
        id="a",
        name="fox",
        status=status,
        attempts=attempts,
        request={"prompt": "a fox"},
        vars={"cost_usd": "not money"},
        images=tuple(image(index) for index in range(images)),
        cost_usd=cost,
        maybe_billed_usd=maybe_billed,
        warnings=("adopted",) if status is Status.SUCCEEDED else (),
        error=None if error_class is None else ErrorRecord(error_class=error_class),
    )


def image(index: int) -> Image:
    return Image(
        index=index,
        path=f"fox-{index}.png",
        bytes=7,
        sha256="0" * 64,
        format="png",
        width=1,
        height=1,
    )


def folded(*events: Event, standings: Standings | None = None) -> Standings:
    standings = Standings() if standings is None else standings
    for each in events:
        standings.take(encode(each))
    return standings


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


def test_a_paid_image_that_was_fetched_later_is_counted_once() -> None:
    cost = Decimal("0.5")
    lost = result(Status.FAILED, error_class="download", cost=cost)
    assert folded(attempt(1), reply(1), lost, lost, result(cost=cost)).spent == cost


def test_an_image_that_was_bought_again_is_counted_twice() -> None:
    cost = Decimal("0.5")
    events = (attempt(1), result(cost=cost), attempt(2), result(cost=cost, attempts=2))
    assert folded(*events).spent == 2 * cost


def test_an_attempt_that_two_workers_kept_is_paid_once() -> None:
    cost = Decimal("0.5")
    events = (attempt(1), result(cost=cost), result(cost=cost))
    assert folded(*events).spent == cost


def test_unpriced_attempts_leave_the_ledger_unpriced() -> None:
    assert not folded(attempt(1), result()).is_priced
    assert folded(attempt(1, "0")).is_priced
    assert folded(result(cost=ZERO)).is_priced


def test_a_kept_image_that_is_gone_is_lost_and_a_refused_one_is_not() -> None:
    gone = Standings(lambda _: False)
    folded(attempt(1), result(), standings=gone)
    assert [each.state for each in gone.values()] == [State.LOST]
    refused = result(Status.FAILED, error_class="bad_reply")
    gone = Standings(lambda _: False)
    folded(attempt(1), refused, standings=gone)
    assert [each.state for each in gone.values()] == [State.FAILED]


def test_each_kept_image_is_checked() -> None:
    checked: list[ImageLine] = []

    def holds(image: ImageLine) -> bool:
        checked.append(image)
        return True

    folded(result(images=2), standings=Standings(holds))
    assert [image.path for image in checked] == ["fox-0.png", "fox-1.png"]


def test_a_new_run_line_makes_the_end_of_the_last_one_void() -> None:
    run = Run(
        at=AT,
        run="r",
        batcher="1",
        manifests=(),
        endpoint=EndpointRecord(name="e", base_url="http://e/v1"),
        settings={},
        total=3,
    )
    summary = Summary(total=3, errors={"server": 1}, warnings={"adopted": 2}, out="o")
    end = End.of(summary, at=AT, run="r", reason="finished")
    standings = folded(run, end)
    assert standings.run is not None
    assert standings.run.total == 3
    assert standings.end is not None
    assert standings.end.reason == "finished"
    assert folded(run, standings=standings).end is None


def test_standings_are_walked_by_id() -> None:
    standings = folded(attempt(1), result())
    assert (len(standings), list(standings)) == (1, ["a"])


class Purchase(msgspec.Struct, frozen=True):
    """What an attempt came to, in the words of the worker."""

    fate: str
    reserved: Decimal
    cost: Decimal
    fetches: int


PURCHASES = st.builds(
    Purchase,
    fate=st.sampled_from(
        (
            *("open", "unknown", "refused", "ambiguous", "kept"),
            *("given_up", "rejected", "replied", "lost", "fetched"),
        )
    ),
    reserved=MONEY,
    cost=MONEY,
    fetches=st.integers(1, 3),
)
STATES = {
    "open": State.UNKNOWN,
    "unknown": State.UNKNOWN,
    "refused": State.PENDING,
    "ambiguous": State.UNKNOWN,
    "kept": State.SUCCEEDED,
    "given_up": State.FAILED,
    "rejected": State.REJECTED,
    "replied": State.REPLIED,
    "lost": State.FAILED,
    "fetched": State.SUCCEEDED,
}
MAYBE = {"open", "unknown", "ambiguous", "given_up", "replied"}
BOUGHT = {"kept", "lost", "fetched"}
KEPT = {"kept", "fetched"}


def history(purchases: list[Purchase]) -> list[Event]:
    """Write the lines that a worker would for one request."""
    lines: list[Event] = []
    maybe = ZERO
    for number, each in enumerate(purchases, 1):
        lost = result(
            Status.FAILED,
            attempts=number,
            error_class="download",
            cost=each.cost,
            maybe_billed=maybe,
        )
        kept = result(attempts=number, cost=each.cost, maybe_billed=maybe)
        maybe += each.reserved if each.fate in MAYBE else ZERO
        given_up = result(
            Status.FAILED,
            attempts=number,
            error_class="ambiguous",
            maybe_billed=maybe,
        )
        rejected = result(
            Status.REJECTED,
            attempts=number,
            error_class="moderation",
            maybe_billed=maybe,
        )
        fates: dict[str, list[Event]] = {
            "open": [],
            "unknown": [unknown(number)],
            "refused": [retry(number, "server")],
            "ambiguous": [retry(number, "ambiguous", maybe_billed=True)],
            "kept": [kept],
            "given_up": [given_up],
            "rejected": [rejected],
            "replied": [reply(number)],
            "lost": [reply(number), *[lost] * each.fetches],
            "fetched": [reply(number), *[lost] * (each.fetches - 1), kept],
        }
        if number > 1 and purchases[number - 2].fate in KEPT:
            lines.append(retry(number - 1, "bad_reply"))  # somebody put it back
        lines += [attempt(number, each.reserved), *fates[each.fate]]
    return lines


@settings(deadline=None)
@given(st.lists(PURCHASES, min_size=1, max_size=8))
def test_the_fold_says_what_a_naive_count_of_the_purchases_does(
    purchases: list[Purchase],
) -> None:
    standings = folded(*history(purchases))
    found = standings.get("a")
    assert found is not None
    assert found.state is STATES[purchases[-1].fate]
    assert found.attempts == standings.attempts == len(purchases)
    bought = [each.cost for each in purchases if each.fate in BOUGHT]
    assert standings.spent == sum(bought, ZERO)
    maybe = [each.reserved for each in purchases if each.fate in MAYBE]
    assert standings.maybe_billed() == sum(maybe, ZERO)


@settings(deadline=None)
@given(
    st.lists(st.lists(PURCHASES, min_size=1, max_size=4), min_size=1, max_size=4),
    st.randoms(use_true_random=False),
)
def test_requests_do_not_disturb_each_other(
    requests: list[list[Purchase]], chance: random.Random
) -> None:
    queues = []
    for number, purchases in enumerate(requests):
        lines = [msgspec.json.decode(encode(line)) for line in history(purchases)]
        queues.append([{**line, "id": f"{number}"} for line in lines])
    alone = [Standings() for _ in queues]
    for standings, queue in zip(alone, queues, strict=True):
        for line in queue:
            standings.take(msgspec.json.encode(line))
    mixed = Standings()
    order = [number for number, queue in enumerate(queues) for _ in queue]
    chance.shuffle(order)
    for number in order:
        mixed.take(msgspec.json.encode(queues[number].pop(0)))
    for number, standings in enumerate(alone):
        assert mixed.get(f"{number}") == standings.get(f"{number}")
    assert mixed.spent == sum((each.spent for each in alone), ZERO)
    assert mixed.attempts == sum(each.attempts for each in alone)

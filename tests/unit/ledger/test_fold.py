"""The fold of all lines, against histories whose truth is known."""

from __future__ import annotations

import random
from decimal import Decimal

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from batcher.ledger import ImageLine, Standings, State
from batcher.ledger.event import Compacted, End, EndpointRecord, Event, Run, encode
from batcher.models import Status, Summary
from tests.unit.ledger.lines import (
    AT,
    ZERO,
    attempt,
    folded,
    reply,
    result,
    retry,
    unknown,
)

MONEY = st.integers(0, 10**6).map(lambda micros: Decimal(micros).scaleb(-6))


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


def run(name: str, shard: tuple[int, int] | None = None) -> Run:
    return Run(
        at=AT,
        run=name,
        batcher="1",
        manifests=(),
        endpoint=EndpointRecord(name="e", base_url="http://e/v1"),
        settings={},
        total=3,
        shard=shard or msgspec.UNSET,
    )


def end(name: str) -> End:
    summary = Summary(total=3, errors={"server": 1}, warnings={"adopted": 2}, out="o")
    return End.of(summary, at=AT, run=name, reason="finished")


def test_a_new_run_line_makes_the_end_of_the_last_one_void() -> None:
    standings = folded(run("r"), end("r"))
    assert standings.run is not None
    assert standings.run.total == 3
    assert standings.end is not None
    assert standings.end.reason == "finished"
    assert folded(run("r"), standings=standings).end is None


def test_each_shard_of_the_last_fleet_has_its_last_run_and_how_it_ended() -> None:
    fleet = folded(run("old", (1, 3)), run("a", (1, 2)), run("b", (2, 2)), end("a"))
    ends = {part: end and end.run for part, (_, end) in fleet.shards.items()}
    assert ends == {1: "a", 0: None}
    assert not folded(run("alone"), standings=fleet).shards


def test_only_the_last_run_is_held_with_what_it_was_accepted_to_lack() -> None:
    shards = [msgspec.structs.replace(run("a", (n, 2)), orphans=("x",)) for n in (1, 2)]
    fleet = folded(*shards)
    assert fleet.run is not None
    assert fleet.run.orphans == ("x",)
    assert [each.orphans for each, _ in fleet.shards.values()] == [(), ()]
    alone = folded(run("alone"), standings=fleet).run
    assert alone is not None
    assert alone.orphans == ()


def test_what_a_compaction_left_out_counts() -> None:
    sums = Compacted(at=AT, attempts=2, cost_usd=Decimal("0.5"))
    standings = folded(attempt(3), sums)
    assert (standings.attempts, standings.spent) == (3, Decimal("0.5"))
    assert standings.is_priced


def test_of_anothers_lines_only_those_of_owned_requests_are_folded() -> None:
    standings = Standings()
    standings.take_of(encode(attempt(1)), "b".__eq__)
    standings.take_of(encode(run("r")), "a".__eq__)
    standings.take_of(b"damaged", "a".__eq__)
    assert (len(standings), standings.run) == (0, None)
    standings.take_of(encode(attempt(1)), "a".__eq__)
    assert list(standings) == ["a"]


def test_a_line_of_an_unknown_event_may_hold_anything() -> None:
    standings = Standings()
    assert standings.take(b'{"event":"later","attempts":"many"}') is None
    standings.take_of(b'{"event":"later","id":"a"}', "a".__eq__)
    assert not len(standings)


def test_files_are_not_checked_any_more_once_they_are_trusted() -> None:
    standings = Standings(lambda _: False)
    standings.trust()
    assert [each.state for each in folded(result(), standings=standings).values()] == [
        State.SUCCEEDED
    ]


def test_standings_are_walked_by_id() -> None:
    standings = folded(attempt(1), result())
    assert (len(standings), list(standings)) == (1, ["a"])


def test_a_name_is_known_until_there_is_a_result() -> None:
    standings = folded(attempt(1, name="fox"), retry(1, "server"))
    assert standings.name("a") == "fox"
    assert folded(attempt(2), standings=standings).name("a") == "fox"
    assert folded(result(attempts=2), standings=standings).name("a") is None
    assert standings.name("b") is None


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

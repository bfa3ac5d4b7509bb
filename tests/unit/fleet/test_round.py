from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from batcher.errors import StoreError
from batcher.fleet import ENDED, Lease, Order, PurseTerms, Quota, Round, send
from tests.unit.fleet.memory import FakeClock, MemoryDirectory

NOW = datetime(2026, 11, 22, tzinfo=UTC)
NOTHING = Decimal(0)
TERMS = PurseTerms(max_spend=Decimal(100), base=Decimal(20), slot=Decimal(10))
BUDGET = Quota(ipm=60.0, max_spend=Decimal(100))


class Fleet:
    """A few workers on one directory."""

    def __init__(self, count: int, wish: Quota = BUDGET, *, parts: int = 4) -> None:
        self.clock = FakeClock()
        self.directory = MemoryDirectory(self.clock)
        self.wish = wish
        self.parts = parts
        self.rounds = [self.come(part + 1) for part in range(count)]
        for _ in range(4):
            self.go_round()

    def come(self, part: int) -> Round:
        lease = Lease(self.directory, (part, self.parts), clock=self.clock)
        lease.acquire()
        return Round(lease, self.wish)

    def go_round(self) -> None:
        self.clock.now += 10.0
        for each in self.rounds:
            each.visit()
            each.catch_up()

    def order(self, name: str, value: int | None = None) -> None:
        number = None if value is None else Decimal(value)
        send(self.directory, Order(name=name, value=number, at=NOW))

    def orders(self) -> list[str]:
        names = [file for file in self.directory.files if "control" in file]
        return [self.directory.files[name][0].decode() for name in sorted(names)]


def test_a_round_costs_one_write_and_one_listing_however_much_is_done() -> None:
    fleet = Fleet(3)
    fleet.directory.counts.clear()
    fleet.clock.now += 1.0  # the session was renewed a moment ago
    for each in fleet.rounds:
        each.visit()
        each.catch_up()
    assert fleet.directory.counts == {"write": 3, "list": 3, "pages": 3}


def test_nothing_is_taken_in_before_the_first_visit() -> None:
    fleet = Fleet(0)
    newcomer = fleet.come(1)
    newcomer.catch_up()
    assert newcomer.quota == BUDGET


def test_all_share_the_pace_and_a_dead_ones_part_comes_back() -> None:
    fleet = Fleet(3)
    assert [each.quota.ipm for each in fleet.rounds] == [20.0] * 3
    fleet.rounds.pop()
    for _ in range(6):
        fleet.go_round()
    assert [each.quota.ipm for each in fleet.rounds] == [30.0] * 2


def test_a_share_shrinks_even_where_the_rest_of_the_round_fails() -> None:
    fleet = Fleet(1)
    fleet.come(2)
    fleet.order("ipm", 30)

    def no_reading(what: str, do: Callable[[], object]) -> object:
        if what == "read":
            raise StoreError("no")
        return do()

    fleet.directory.hook = no_reading
    one = fleet.rounds[0]
    one.visit()
    with pytest.raises(StoreError):
        one.catch_up()
    assert one.quota.ipm == 30.0
    fleet.directory.hook = lambda _, do: do()
    one.catch_up()
    assert one.quota.ipm == 15.0


def test_orders_about_the_quota_are_taken_in_and_others_handed_on() -> None:
    fleet = Fleet(2, Quota(ipm=60.0))
    fleet.order("ipm", 30)
    fleet.order("rpm", 8)
    fleet.order("pause")
    fleet.order("concurrency", 3)
    fleet.order("rpm")
    fleet.go_round()
    for each in fleet.rounds:
        assert each.quota == Quota(ipm=15.0, rpm=4.0)
        assert [order.name for order in each.orders] == ["pause", "concurrency", "rpm"]
    fleet.order("ipm", 0)
    fleet.go_round()
    assert fleet.rounds[0].quota.ipm is None


def test_a_newcomer_obeys_what_the_others_were_told() -> None:
    fleet = Fleet(1)
    fleet.order("pause")
    fleet.go_round()
    newcomer = fleet.come(2)
    newcomer.visit()
    newcomer.catch_up()
    assert [order.name for order in newcomer.orders] == ["pause"]


def test_the_last_one_out_ends_the_orders() -> None:
    fleet = Fleet(2)
    fleet.order("stop")
    fleet.go_round()
    fleet.rounds[0].leave()
    assert len(fleet.orders()) == 1
    fleet.rounds[1].leave()
    assert ENDED in fleet.orders()[-1]
    newcomers = [fleet.come(1), fleet.come(2)]
    for each in newcomers:
        each.visit()
        each.catch_up()
        assert each.orders == []


def test_who_was_never_told_anything_leaves_without_a_word() -> None:
    fleet = Fleet(1)
    fleet.rounds[0].leave()
    assert fleet.orders() == []


def test_money_is_taken_from_one_purse_and_given_back() -> None:
    fleet = Fleet(2)
    spent = [NOTHING]
    for each in fleet.rounds:
        each.open(TERMS, spent=NOTHING, used=lambda: spent[0])
        each.wanted = Decimal(15)
        each.refill()
    assert [each.quota.max_spend for each in fleet.rounds] == [Decimal(20)] * 2
    spent[0] = Decimal(4)
    fleet.rounds[0].leave()
    fleet.rounds[1].wanted = Decimal(70)
    fleet.rounds[1].refill()
    assert fleet.rounds[1].quota.max_spend == Decimal(70)


def test_as_much_is_fetched_ahead_as_was_used_since_the_last_round() -> None:
    fleet = Fleet(1)
    used = [NOTHING]
    one = fleet.rounds[0]
    one.open(TERMS, spent=NOTHING, used=lambda: used[0])
    one.refill()
    assert one.quota.max_spend == Decimal(10)
    used[0] = Decimal(10)
    one.refill()
    assert one.quota.max_spend == Decimal(20)


def test_a_limit_by_order_changes_the_purse_and_stops_a_fleet_without_one() -> None:
    fleet = Fleet(1)
    one = fleet.rounds[0]
    one.open(TERMS, spent=NOTHING, used=lambda: NOTHING)
    fleet.order("max-spend", 40)
    fleet.go_round()
    one.wanted = Decimal(500)
    one.refill()
    assert one.quota.max_spend == Decimal(20)
    free = Fleet(1, Quota())
    assert free.rounds[0].quota.max_spend is None
    free.order("max-spend", 40)
    free.go_round()
    assert free.rounds[0].quota.max_spend == NOTHING


def test_a_refusal_slows_everybody_and_is_forgotten() -> None:
    fleet = Fleet(2)
    fleet.rounds[0].let_in = 5.0
    fleet.go_round()
    assert [each.quota.ipm for each in fleet.rounds] == [5.0, 5.0]
    fleet.rounds[1].let_in = 5.0
    fleet.go_round()
    assert [each.quota.ipm for each in fleet.rounds] == [5.0, 5.0], "one episode"
    fleet.go_round()
    fleet.rounds[1].let_in = 5.0
    fleet.go_round()
    fleet.go_round()
    assert [each.quota.ipm for each in fleet.rounds] == [3.5, 3.5]
    for _ in range(60):
        fleet.go_round()
    assert [each.quota.ipm for each in fleet.rounds] == [30.0, 30.0]


def test_words_about_the_pace_that_make_no_sense_are_ignored() -> None:
    fleet = Fleet(1)
    fleet.directory.write("fleet/pace", b"{")
    fleet.go_round()
    assert fleet.rounds[0].quota.ipm == 60.0


def test_who_has_lost_its_shard_gives_back_nothing() -> None:
    fleet = Fleet(1)
    one = fleet.rounds[0]
    one.open(TERMS, spent=NOTHING, used=lambda: NOTHING)
    one.refill()
    fleet.clock.now += 60.0
    one.visit()
    one.leave()
    assert not [name for name in fleet.directory.files if ".free" in name]
    heir = fleet.come(1)
    assert heir.quota == BUDGET
    assert heir.note.slots == ()

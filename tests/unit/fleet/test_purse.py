from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batcher.errors import StoreError, UsageError
from batcher.fleet.purse import Note, Purse, PurseTerms
from tests.unit.fleet.memory import FakeClock, MemoryDirectory

NOTHING = Decimal(0)
TERMS = PurseTerms(max_spend=Decimal(100), base=Decimal(20), slot=Decimal(10))


def purse(
    directory: MemoryDirectory, part: int = 1, *, session: int = 1, parts: int = 2
) -> Purse:
    shard = (part, parts)
    return Purse(directory, session=session, shard=shard, owner=str(part))


def opened(
    directory: MemoryDirectory, part: int = 1, *, inherited: Note | None = None
) -> Purse:
    made = purse(directory, part)
    made.open(TERMS, spent=NOTHING, inherited=inherited or Note())
    return made


def directory() -> MemoryDirectory:
    return MemoryDirectory(FakeClock())


@given(
    limit=st.decimals("0.000001", "1000000", places=6),
    share=st.fractions(0, 1),
    usual=st.decimals("0.000001", "10", places=6),
    parts=st.integers(1, 2000),
)
def test_a_slot_takes_a_usual_request_and_all_stay_within_what_is_left(
    limit: Decimal, share: float, usual: Decimal, parts: int
) -> None:
    base = limit * Decimal(float(share))
    terms = PurseTerms.fit(limit, base=base, usual=usual, parts=parts)
    assert terms.slot >= usual
    assert base + terms.slot * int((limit - base) // terms.slot) <= limit


def test_nothing_may_be_spent_before_a_slot_is_taken() -> None:
    place = directory()
    assert purse(place).limit() == NOTHING
    assert opened(place).limit() == NOTHING


def test_all_slots_together_are_what_was_left() -> None:
    place = directory()
    both = [opened(place, part) for part in (1, 2)]
    for each in both * 3:
        each.refill(NOTHING, ahead=Decimal(50))
    assert sum(each.limit() for each in both) == TERMS.max_spend - TERMS.base
    assert [each.is_dry for each in both] == [False, True]


def test_only_as_much_is_taken_as_is_needed() -> None:
    one = opened(directory())
    one.refill(NOTHING, ahead=Decimal(11))
    assert one.limit() == Decimal(20)
    one.refill(Decimal(9), ahead=Decimal(11))
    assert one.limit() == Decimal(20)


def test_whole_unspent_slots_go_back_and_can_be_taken_again() -> None:
    place = directory()
    one, other = opened(place), opened(place, 2)
    one.refill(NOTHING, ahead=Decimal(80))
    one.give_back(Decimal(31))
    assert one.limit() == Decimal(40)
    other.refill(NOTHING, ahead=Decimal(80))
    assert other.limit() == Decimal(40)
    assert other.is_dry


def test_the_next_holder_has_the_slots_and_what_was_spent_of_them() -> None:
    place = directory()
    one = purse(place)
    one.open(TERMS, spent=Decimal(5), inherited=Note())
    one.refill(Decimal(5), ahead=Decimal(15))
    heir = purse(place)
    heir.open(TERMS, spent=Decimal(17), inherited=one.note)
    assert heir.limit() == Decimal(25) == one.limit()


def test_a_slot_that_was_given_back_is_not_inherited() -> None:
    place = directory()
    one = opened(place)
    one.refill(NOTHING, ahead=Decimal(20))
    note = one.note
    one.give_back(NOTHING)
    opened(place, 2).refill(NOTHING, ahead=Decimal(20))
    assert opened(place, inherited=note).limit() == NOTHING


def test_another_session_begins_with_a_purse_of_its_own() -> None:
    place = directory()
    one = opened(place)
    one.refill(NOTHING, ahead=Decimal(80))
    # Another number of shards, and more money: what was spent is in the ledger.
    heir = purse(place, session=2, parts=3)
    terms = PurseTerms.fit(Decimal(200), base=Decimal(90), usual=Decimal(1), parts=3)
    heir.open(terms, spent=Decimal(33), inherited=one.note)
    assert heir.limit() == Decimal(33)
    heir.refill(Decimal(33), ahead=Decimal(3))
    assert heir.limit() > Decimal(35)


def test_who_comes_with_another_limit_is_refused() -> None:
    place = directory()
    opened(place)
    terms = PurseTerms(max_spend=Decimal(7), base=NOTHING, slot=Decimal(1))
    with pytest.raises(UsageError, match="max_spend 100 USD, not 7"):
        purse(place, 2).open(terms, spent=NOTHING, inherited=Note())


@given(
    orders=st.lists(st.sampled_from([20, 40, 60, 100, 150]), max_size=6),
    steps=st.lists(st.tuples(st.integers(0, 1), st.booleans()), max_size=40),
)
def test_a_changed_limit_holds_for_all_that_is_not_taken_yet(
    orders: list[int], steps: list[tuple[int, bool]]
) -> None:
    place = directory()
    both = [opened(place, part) for part in (1, 2)]
    for at, (who, takes) in enumerate(steps):
        limit = Decimal(orders[at % len(orders)]) if orders else TERMS.max_spend
        before = sum(each.limit() for each in both)
        for each in both:
            each.change(limit)
        one = both[who]
        if takes:
            one.refill(NOTHING, ahead=one.limit() + 15)
        else:
            one.give_back(max(one.limit() - 15, NOTHING))
        after = sum(each.limit() for each in both)
        assert after <= max(limit - TERMS.base, before)


def test_more_money_ends_the_drought() -> None:
    one = opened(directory())
    one.refill(NOTHING, ahead=Decimal(500))
    assert one.is_dry
    one.change(Decimal(120))
    assert not one.is_dry
    one.refill(NOTHING, ahead=Decimal(500))
    assert one.limit() == Decimal(100)


def test_names_lost_to_others_are_tried_a_few_times_only() -> None:
    place = directory()
    one = opened(place)
    place.hook = lambda what, do: False if what == "create" else do()
    one.refill(NOTHING, ahead=Decimal(10))
    assert one.limit() == NOTHING
    assert not one.is_dry
    assert place.counts["create"] == 1 + 4


def test_strange_files_are_no_slots_and_old_turns_do_not_count() -> None:
    place = directory()
    place.write("purse/000001/slot-x", b"")
    one = opened(place)
    for _ in range(3):
        one.refill(NOTHING, ahead=Decimal(10))
        one.give_back(NOTHING)
    names = sorted(place.files)
    for name in reversed(names):  # a listing has no order
        place.files[name] = place.files.pop(name)
    one.refill(NOTHING, ahead=Decimal(80))
    assert one.limit() == Decimal(80)


def test_terms_that_vanish_are_a_refusal_of_the_store() -> None:
    place = directory()
    place.hook = lambda what, do: None if what == "read" else do()
    with pytest.raises(StoreError, match="is not there"):
        opened(place)


def test_a_purse_that_is_not_open_gives_nothing() -> None:
    one = purse(directory())
    one.refill(NOTHING, ahead=Decimal(1))
    one.give_back(NOTHING)
    assert one.limit() == NOTHING

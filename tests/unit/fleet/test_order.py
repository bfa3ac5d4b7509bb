from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

from batcher.fleet.order import ENDED, Order, in_force, read_orders, send
from tests.unit.fleet.memory import FakeClock, MemoryDirectory

NOW = datetime(2026, 11, 22, tzinfo=UTC)


def order(name: str, value: int | None = None) -> Order:
    return Order(name=name, value=None if value is None else Decimal(value), at=NOW)


def test_orders_are_numbered_and_read_in_turn() -> None:
    directory = MemoryDirectory(FakeClock())
    said = (order("pause"), order("ipm", 30), order("resume"))
    assert [send(directory, each) for each in said] == [1, 2, 3]
    assert read_orders(directory, [1, 2, 3]) == said
    assert read_orders(directory, [3]) == said[2:]


def test_a_number_that_is_taken_meanwhile_is_passed_over() -> None:
    directory = MemoryDirectory(FakeClock())
    send(directory, order("pause"))
    for name in [*directory.files]:
        directory.files["fleet/control-000002.json"] = directory.files[name]
    listed, directory.hook = (
        directory.hook,
        lambda what, do: [] if what == "list" else do(),
    )
    assert send(directory, order("stop")) == 3
    directory.hook = listed
    assert read_orders(directory, [3]) == (order("stop"),)


def test_what_is_no_order_is_passed_over() -> None:
    directory = MemoryDirectory(FakeClock())
    directory.write("fleet/control-000001.json", b"{")
    directory.write("fleet/control-x", b"{")
    send(directory, order("stop"))
    assert read_orders(directory, [1, 2, 3]) == (order("stop"),)


def test_a_newcomer_obeys_what_was_ordered_since_everyone_was_last_gone() -> None:
    orders = (order("stop"), order(ENDED), order("pause"), order("ipm", 3))
    assert in_force(orders) == orders[2:]

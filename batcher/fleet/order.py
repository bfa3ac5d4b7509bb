"""Orders to a whole fleet: numbered files, obeyed by all of its members in turn.

Knows nothing of what an order does.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING

import msgspec

from batcher.fleet.roster import FOLDER, Roster, order_name

if TYPE_CHECKING:
    from collections.abc import Iterable

    from batcher.stores.directory import Directory

__all__ = ["ENDED", "Order", "in_force", "last_order", "read_orders", "send"]

ENDED = "ended"
"""What the last one out writes down: the orders so far concern nobody any more."""


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What a fleet is told.

    Attributes:
        name: A command's name, or `ENDED`.
        value: What is told besides, for those that take something.
        at: When it was given, by the clock of who gave it; for people.
    """

    name: str
    value: Decimal | None = None
    at: datetime


def send(directory: Directory, order: Order) -> int:
    """Give an order to everyone who works, or joins them, and tell its number; blocks.

    Of several at once, each gets a number of its own. Raises `StoreError`.
    """
    data = msgspec.json.encode(order)
    number = last_order(directory) + 1
    while not directory.create(order_name(number), data):
        number += 1
    return number


def last_order(directory: Directory) -> int:
    """Give the number of the last order there is, 0 for none; blocks.

    Raises:
        StoreError: The directory cannot be read.
    """
    number = 0
    for entry in directory.entries(f"{FOLDER}control-"):
        orders = Roster.read([entry], now=entry.modified).orders
        number = max(number, *orders) if orders else number
    return number


def read_orders(directory: Directory, numbers: Iterable[int]) -> tuple[Order, ...]:
    """Read orders, in turn; blocks. One that is no order is passed over.

    Raises:
        StoreError: One cannot be read now; ask for all of them again.
    """
    orders = []
    for number in numbers:
        data = directory.read(order_name(number))
        try:
            orders.append(msgspec.json.decode(data or b"", type=Order))
        except msgspec.DecodeError:
            continue
    return tuple(orders)


def in_force(orders: Iterable[Order]) -> tuple[Order, ...]:
    """Give the orders that a newcomer obeys: those since everyone was last gone."""
    kept: list[Order] = []
    for order in orders:
        if order.name == ENDED:
            kept.clear()
        else:
            kept.append(order)
    return tuple(kept)

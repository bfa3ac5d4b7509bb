"""The driver's place in a fleet: its sign of life, and its ear.

A driver holds no shard. It says that it is there, so that an order is taken also when
no shard is live, and hears the orders that its shards obey. Everything here blocks.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

import msgspec

from batcher.errors import StoreError
from batcher.fleet.holder import TTL, Holder
from batcher.fleet.order import Order, last_order, read_orders
from batcher.fleet.roster import DRIVER, FOLDER, PACE, Roster
from batcher.fleet.share import read_refusal

if TYPE_CHECKING:
    from batcher.stores.directory import Directory

__all__ = ["DriverSign", "Sign", "Word", "cap_of"]


class Sign(msgspec.Struct, frozen=True, kw_only=True):
    """What a driver's sign of life says.

    Attributes:
        holder: Which process, and how long its silence is to be borne.
        after: The order after which its shards obey all.
    """

    holder: Holder
    after: int


class Word(msgspec.Struct, frozen=True, kw_only=True):
    """What a fleet goes by, beside what it was begun with.

    Attributes:
        orders: What it was told, in turn.
        cap: Images a minute of all together that a refusal has left; infinite for all.
    """

    orders: tuple[Order, ...] = ()
    cap: float = inf


class DriverSign:
    """A driver's sign of life, and its ear; one thread at a time calls.

    Orders that are older than it concern nobody whom it begins.

    Args:
        directory: The run directory.
        ttl: Seconds of silence after which it may be taken for dead.

    Attributes:
        after: The last order before it.

    Raises:
        StoreError: The directory cannot be read.
    """

    def __init__(self, directory: Directory, *, ttl: float = TTL) -> None:
        self.after = self._last = last_order(directory)
        self._directory = directory
        self._sign = msgspec.json.encode(Sign(holder=Holder(ttl=ttl), after=self.after))
        self._orders: tuple[Order, ...] = ()

    def visit(self) -> Word:
        """Say that the driver lives, and hear what the fleet goes by.

        Raises:
            StoreError: It failed; the next time makes up for it.
        """
        self._directory.write(DRIVER, self._sign)
        entries = [*self._directory.entries(FOLDER)]
        now = next((each.modified for each in entries if each.name == DRIVER), None)
        if now is None:
            raise StoreError(f"{DRIVER!r} was written and is not listed")
        roster = Roster.read(entries, now=now)
        new = [number for number in roster.orders if number > self._last]
        self._orders += read_orders(self._directory, new)
        self._last = max(new, default=self._last)
        return Word(orders=self._orders, cap=cap_of(self._directory, roster))

    def leave(self) -> None:
        """Be there no longer; raises `StoreError`."""
        self._directory.remove([DRIVER])


def cap_of(directory: Directory, roster: Roster) -> float:
    """Give the images a minute that the fleet's last refusal leaves; infinite for all.

    Raises:
        StoreError: It cannot be read.
    """
    if roster.pace is None:
        return inf
    refusal = read_refusal(directory.read(PACE))
    return inf if refusal is None else refusal.cap(roster.age(roster.pace))

"""The driver's place in a fleet, and what any asker can learn of one.

A driver holds no shard. It says that it is there, so that an order is taken also when
no shard is live, and hears the orders that its shards obey. Everything here blocks.
"""

from __future__ import annotations

import secrets
from math import inf
from typing import TYPE_CHECKING

import msgspec

from batcher.errors import StoreError
from batcher.fleet.holder import TTL, Holder
from batcher.fleet.order import Order, last_order, read_orders, standing
from batcher.fleet.roster import DRIVER, FOLDER, PACE, Roster, session_name
from batcher.fleet.share import read_refusal

if TYPE_CHECKING:
    from batcher.stores.directory import Directory

__all__ = ["Helm", "Sign", "Word", "driver_of", "probed", "word_of"]


class Sign(msgspec.Struct, frozen=True, kw_only=True):
    """A driver's sign of life.

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


class Helm:
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
        return Word(orders=self._orders, cap=_cap(self._directory, roster))

    def leave(self) -> None:
        """Be there no longer; raises `StoreError`."""
        self._directory.remove([DRIVER])


def probed(directory: Directory) -> Roster | None:
    """List `fleet/` beside a file just written; None where there never was a fleet.

    Raises:
        StoreError: The directory cannot be read or written.
    """
    entries = list(directory.entries(FOLDER))
    if not entries:
        return None
    name = f"{FOLDER}probe-{secrets.token_hex(8)}"
    directory.write(name, b"?")
    probe = directory.entry(name)
    directory.remove([name])
    if probe is None:
        raise StoreError(f"{name!r} was written and is not listed")
    return Roster.read(entries, now=probe.modified)


def driver_of(directory: Directory, roster: Roster) -> Sign | None:
    """Give the sign of a driver that may live; raises `StoreError`."""
    sign = _sign(directory) if roster.driver is not None else None
    if roster.driver is None or sign is None or sign.holder.is_gone:
        return None
    return sign if roster.age(roster.driver) < sign.holder.ttl else None


def word_of(directory: Directory, roster: Roster, sign: Sign | None) -> Word:
    """Tell what those who are at work go by.

    Args:
        directory: The run directory.
        roster: Who is at work.
        sign: Their driver's, if there is one.

    Raises:
        StoreError: It cannot be read.
    """
    after = _first_order(directory, roster) if sign is None else sign.after
    numbers = (number for number in roster.orders if number > after)
    orders = standing(read_orders(directory, numbers))
    return Word(orders=orders, cap=_cap(directory, roster))


def _sign(directory: Directory) -> Sign | None:
    try:
        return msgspec.json.decode(directory.read(DRIVER) or b"", type=Sign)
    except msgspec.DecodeError:
        return None


def _first_order(directory: Directory, roster: Roster) -> int:
    """Give the order after which the members of the last session obey all."""
    data = directory.read(session_name(roster.session)) or b"{}"
    return msgspec.json.decode(data, type=dict[str, int]).get("first_order", 0)


def _cap(directory: Directory, roster: Roster) -> float:
    if roster.pace is None:
        return inf
    refusal = read_refusal(directory.read(PACE))
    return inf if refusal is None else refusal.cap(roster.age(roster.pace))

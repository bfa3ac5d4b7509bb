"""Who works on a run directory as a fleet, and by what word; told to any asker."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

import msgspec

from batcher.errors import StoreError
from batcher.fleet.driver_sign import Sign, Word, cap_of
from batcher.fleet.holder import TTL
from batcher.fleet.lease import busy
from batcher.fleet.order import in_force, read_orders
from batcher.fleet.roster import DRIVER, FOLDER, Roster, session_name

if TYPE_CHECKING:
    from batcher.stores.directory import Directory

__all__ = ["Crew", "crew_of"]


class Crew(msgspec.Struct, frozen=True, kw_only=True):
    """Who is at work.

    Attributes:
        shards: What workers may be at work on, such as `0003-of-0016`; none while only
            a driver is there.
        word: What all of them go by.
    """

    shards: tuple[str, ...]
    word: Word


def crew_of(directory: Directory, *, ttl: float = TTL) -> Crew | None:
    """Tell who is at work on a run directory; None for nobody. Blocks.

    Args:
        directory: The run directory.
        ttl: Seconds of silence after which a worker is taken for dead, at least.

    Raises:
        StoreError: The directory cannot be read or written.
    """
    roster = _probed(directory)
    if roster is None:
        return None
    shards = tuple(busy(directory, roster, ttl))
    sign = _driver_of(directory, roster)
    if not shards and sign is None:
        return None
    word = _word_of(directory, roster, sign)
    return Crew(shards=shards, word=word)


def _probed(directory: Directory) -> Roster | None:
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


def _driver_of(directory: Directory, roster: Roster) -> Sign | None:
    """Give the sign of a driver that may live; raises `StoreError`."""
    sign = _read_sign(directory) if roster.driver is not None else None
    if roster.driver is None or sign is None or sign.holder.is_gone:
        return None
    return sign if roster.age(roster.driver) < sign.holder.ttl else None


def _word_of(directory: Directory, roster: Roster, sign: Sign | None) -> Word:
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
    orders = in_force(read_orders(directory, numbers))
    return Word(orders=orders, cap=cap_of(directory, roster))


def _read_sign(directory: Directory) -> Sign | None:
    try:
        return msgspec.json.decode(directory.read(DRIVER) or b"", type=Sign)
    except msgspec.DecodeError:
        return None


def _first_order(directory: Directory, roster: Roster) -> int:
    """Give the order after which the members of the last session obey all."""
    data = directory.read(session_name(roster.session)) or b"{}"
    return msgspec.json.decode(data, type=dict[str, int]).get("first_order", 0)

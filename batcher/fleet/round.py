"""What one worker of a fleet does every few seconds, and when it comes and goes.

One file written, one listing made, and what is new read: the traffic depends on the
number of workers and of slots, never on that of requests. Everything here blocks, and
is done by one thread at a time; `Member` sees to that.
"""

from __future__ import annotations

from datetime import UTC, datetime
from math import inf
from typing import TYPE_CHECKING

import msgspec

from batcher.fleet.order import ENDED, Order, in_force, read_orders, send
from batcher.fleet.purse import MICRO, NOTHING, Purse, PurseTerms
from batcher.fleet.roster import PACE
from batcher.fleet.share import (
    Quota,
    Refusal,
    after_refusal,
    divided,
    read_refusal,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from decimal import Decimal

    from batcher.fleet.lease import Lease
    from batcher.fleet.purse import Note
    from batcher.fleet.roster import Roster

__all__ = ["Round"]


class Round:
    """One worker's rounds.

    Args:
        lease: Its shard.
        wish: What all workers together may do, as far as this one was told.
        since: The order after which all are obeyed, given by who has begun all of the
            workers; without it, a session's orders end with the last one who works.

    Attributes:
        wish: The same, as orders have changed it.
        quota: What this worker may do; up to date after each visit.
        purse: Its money; None without `max_spend`, or before it is open.
        let_in: Images a minute let in here when there was a 429, to be told to all.
        orders: Orders that are not about the quota and not carried out yet, in turn.
        wanted: USD of the dearest request that lately did not fit.
    """

    def __init__(self, lease: Lease, wish: Quota, *, since: int | None = None) -> None:
        self.wish = wish
        self._since = since
        self.quota = wish
        self.purse: Purse | None = None
        self.let_in: float | None = None
        self.wanted = NOTHING
        self.orders: list[Order] = []
        self._lease = lease
        self._used: Callable[[], Decimal] = lambda: NOTHING
        self._used_before = NOTHING
        self._roster: Roster | None = None
        self._session = 0
        self._last_order = 0
        self._refusal: Refusal | None = None
        self._told: datetime | None = None

    @property
    def note(self) -> Note:
        """Give what whoever holds the shard next has to know."""
        return self._lease.inherited if self.purse is None else self.purse.note

    def visit(self) -> None:
        """Say that this worker lives, and see how many do.

        Raises:
            StoreError: It failed; whether the shard is still held is for
                `Lease.is_held` to say.
        """
        roster = self._lease.heartbeat(self.note)
        if roster is not None:
            self._roster = roster
            self._share(self._cap_of(roster))

    def catch_up(self) -> None:
        """Take in what the last visit showed to be new.

        Raises:
            StoreError: Something failed; the next time makes up for it.
        """
        if self._roster is not None:
            self._read_orders(self._roster)
            self._share(self._learn(self._roster))
            self.refill()

    def open(
        self, wish: PurseTerms, *, spent: Decimal, used: Callable[[], Decimal]
    ) -> None:
        """Take part in the fleet's purse; see `Purse.open`."""
        lease = self._lease
        purse = Purse(
            lease.directory,
            session=lease.session.number,
            shard=lease.shard,
            owner=lease.label,
        )
        purse.open(wish, spent=spent, inherited=lease.inherited)
        self._used, self._used_before = used, spent
        self.purse = purse

    def refill(self) -> None:
        """Take slots for what is wanted, and for as much as was used since last time.

        Raises:
            StoreError: The directory cannot be read or written.
        """
        purse = self.purse
        if purse is not None and purse.terms is not None:
            purse.change(self.wish.max_spend or NOTHING)
            used = self._used()
            ahead = max(self.wanted, used - self._used_before, MICRO)
            purse.refill(used, ahead=ahead)
            self._used_before, self.wanted = used, NOTHING
        self.quota = msgspec.structs.replace(self.quota, max_spend=self._limit())

    def leave(self) -> None:
        """Give back what others can use; nothing is in flight any more.

        Raises:
            StoreError: It failed; the hold ends by itself, and money stays put aside
                until the next session.
        """
        roster = self._lease.heartbeat(self.note)
        if roster is None:
            self._lease.release(self.note)
            return
        if self.purse is not None:
            self.purse.give_back(self._used())
        self._lease.release(self.note)
        is_last = roster.live(self._lease.ttl) == (self._lease.label,)
        is_last = is_last and self._since is None
        if is_last and max(roster.orders, default=0) > self._lease.session.first_order:
            send(self._lease.directory, Order(name=ENDED, at=datetime.now(UTC)))

    def _limit(self) -> Decimal | None:
        """Give what this shard's requests may cost in all.

        Money that was never counted cannot be limited: a limit that comes by an order
        to a fleet without a purse stops it.
        """
        if self.purse is not None:
            return self.purse.limit()
        return None if self.wish.max_spend is None else NOTHING

    def _share(self, cap: float) -> None:
        """Take an even part of the rates."""
        live = 1 if self._roster is None else len(self._roster.live(self._lease.ttl))
        quota = divided(self.wish, live=max(1, live), cap=cap)
        self.quota = msgspec.structs.replace(quota, max_spend=self._limit())

    def _read_orders(self, roster: Roster) -> None:
        """Read what was ordered since the last time, or to those who were before."""
        session = self._lease.session
        is_new = self._session != session.number
        first = session.first_order if self._since is None else self._since
        after = first if is_new else self._last_order
        numbers = (number for number in roster.orders if number > after)
        orders = read_orders(self._lease.directory, numbers)
        self._session = session.number
        self._last_order = max(roster.orders, default=0)
        for order in in_force(orders) if is_new else orders:
            if order.name != ENDED and not self._changes_quota(order):
                self.orders.append(order)

    def _changes_quota(self, order: Order) -> bool:
        """Take in an order about the quota; false for any other."""
        field = _FIELDS.get(order.name)
        if field is None or order.value is None:
            return False
        value = order.value if field == "max_spend" else float(order.value) or None
        self.wish = msgspec.structs.replace(self.wish, **{field: value})
        return True

    def _cap_of(self, roster: Roster) -> float:
        """Give the images a minute that refusals have left to all together."""
        if self._refusal is None or roster.pace is None:
            return inf
        return self._refusal.cap(roster.age(roster.pace))

    def _learn(self, roster: Roster) -> float:
        """Hear what others were refused, and tell them what was refused here."""
        if roster.pace != self._told:
            data = self._lease.directory.read(PACE)
            self._refusal, self._told = read_refusal(data), roster.pace
        cap = self._cap_of(roster)
        let_in, self.let_in = self.let_in, None
        if let_in is None:
            return cap
        age = None if roster.pace is None else roster.age(roster.pace)
        live = len(roster.live(self._lease.ttl))
        news = after_refusal(let_in, live=live, cap=cap, age=age)
        if news is None:
            return cap
        self._lease.directory.write(PACE, msgspec.json.encode(news))
        return news.ipm


_FIELDS = {"ipm": "ipm", "rpm": "rpm", "max-spend": "max_spend"}

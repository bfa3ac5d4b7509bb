"""One worker of a fleet, on the event loop: its shard, its pace and its money.

The rounds run in a thread, one step at a time. Knows nothing of gates, ledgers or HTTP:

    async with Member(lease, wish=wish, listener=listener) as member:
        group.create_task(member.keep_up(ended))
        if await member.settled():
            …  # read the ledger, `open_purse`, work as long as `is_held`
        ended.set()
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol, Self

from batcher.errors import StoreError
from batcher.fleet.round import Round
from batcher.wait import first_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from decimal import Decimal

    from batcher.fleet.lease import Lease
    from batcher.fleet.order import Order
    from batcher.fleet.purse import PurseTerms
    from batcher.fleet.share import Quota

__all__ = ["Member", "MemberListener"]

BEATS = 6
"""Heartbeats in a lease's time to live; half of them may fail."""

RETRIES = 30
"""Tries in a lease's time to live, while heartbeats fail."""

SHORTEST = 1.0
"""Seconds between two looks into the purse."""


class MemberListener(Protocol):
    """Is told, on the event loop, what concerns a worker; must not block or raise."""

    def lost(self, reason: str) -> None:
        """The shard is lost: nothing leaves any more; what is out may come in."""

    def changed(self, quota: Quota) -> None:
        """From now on the worker may do this; whoever waits for leave is to ask anew.

        Told again, though nothing changed, after each `want`: there may be no more.
        """

    def ordered(self, order: Order) -> None:
        """Somebody gave an order that is not about the quota."""


class Member:
    """One worker's membership of a fleet; an async context manager.

    Args:
        lease: Its shard, not acquired yet.
        wish: What all workers together may do, as far as this one was told.
        listener: Is told what happens.
        since: The order after which all are obeyed, see `Round`.
    """

    def __init__(
        self,
        lease: Lease,
        *,
        wish: Quota,
        listener: MemberListener,
        since: int | None = None,
    ) -> None:
        self._lease = lease
        self._round = Round(lease, wish, since=since)
        self._listener = listener
        self._told: Quota | None = None
        self._turn = asyncio.Lock()
        self._settled = asyncio.Event()
        self._hurried = asyncio.Event()

    async def __aenter__(self) -> Self:
        """Take the shard; raises what `Lease.acquire` does."""
        await asyncio.to_thread(self._lease.acquire)
        return self

    async def __aexit__(self, *_: object) -> None:
        """Give back what others can use; nothing is in flight any more."""
        # Where the directory refuses, the hold ends by itself, a minute later.
        await self._step(self._round.leave)

    def is_held(self) -> bool:
        """Tell whether one more request may leave; see `Lease.is_held`."""
        return self._lease.is_held()

    async def settled(self) -> bool:
        """Wait until everybody knows of this worker; false when the shard is lost."""
        await self._settled.wait()
        return self._lease.is_held()

    async def open_purse(
        self, wish: PurseTerms, *, spent: Decimal, used: Callable[[], Decimal]
    ) -> None:
        """Take part in the fleet's purse; to be called when `settled`, before sending.

        Args:
            wish: What to agree upon, should nobody have yet; see `PurseTerms.fit`. Its
                base comes from a ledger that was read since this worker is settled.
            spent: USD spent, or maybe billed, on this shard's requests by that ledger.
            used: Tells the same as it grows, with what is reserved for those in
                flight, such as `Allowance.used`; called in a thread.

        Raises:
            UsageError: The others work under another `max_spend`.
            StoreError: The directory cannot be read or written.
        """
        async with self._turn:
            await asyncio.to_thread(self._round.open, wish, spent=spent, used=used)
            await asyncio.to_thread(self._round.refill)
        self._tell()

    def want(self, usd: Decimal) -> bool:
        """Note that a request does not fit; tell whether more money may come."""
        purse = self._round.purse
        self._round.wanted = max(self._round.wanted, usd)
        if purse is None or purse.is_dry:
            return False
        self._hurried.set()
        return True

    def refused(self, ipm: float) -> None:
        """Note a 429, and how many images a minute the gateway let in from here."""
        let_in = self._round.let_in
        self._round.let_in = ipm if let_in is None else min(let_in, ipm)

    async def keep_up(self, ended: asyncio.Event) -> None:
        """Go the rounds until the work has ended, or the shard is lost."""
        loop = asyncio.get_running_loop()
        try:
            while not ended.is_set() and self._lease.lost is None:
                start = loop.time()
                beats = BEATS if await self._beat() else RETRIES
                await self._rest(start + self._lease.ttl / beats, ended)
        finally:
            self._settled.set()

    async def _rest(self, until: float, ended: asyncio.Event) -> None:
        """Wait for the next round, and look into the purse when money is short."""
        loop = asyncio.get_running_loop()
        while not ended.is_set() and (left := until - loop.time()) > 0:
            await first_of(ended.wait(), self._hurried.wait(), seconds=left)
            if self._hurried.is_set() and not ended.is_set():
                await self._step(self._round.refill)
                self._hurried.clear()
                self._listener.changed(self._round.quota)
                await first_of(ended.wait(), seconds=min(SHORTEST, left))

    async def _beat(self) -> bool:
        """Go one round; tell whether it went well."""
        is_well = await self._step(self._round.visit)
        if not self._lease.is_held():
            self._lease.lose("no sign of life for too long")
            self._listener.lost(self._lease.lost or "")
            return False
        # A smaller share counts at once: newcomers rely on it.
        self._tell()
        is_well = is_well and await self._step(self._round.catch_up)
        self._tell()
        while self._round.orders:
            self._listener.ordered(self._round.orders.pop(0))
        if self._lease.session.is_settled():
            self._settled.set()
        return is_well

    async def _step(self, step: Callable[[], None]) -> bool:
        """Do something in a thread; tell whether the directory let it."""
        async with self._turn:
            try:
                await asyncio.to_thread(step)
            except StoreError:
                return False
        return True

    def _tell(self) -> None:
        """Tell the listener of the quota, when it is another."""
        if self._told != self._round.quota:
            self._told = self._round.quota
            self._listener.changed(self._told)

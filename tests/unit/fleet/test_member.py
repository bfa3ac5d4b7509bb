"""The lease's clock stands still unless a test moves it; a round takes milliseconds."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from decimal import Decimal

from batcher.errors import StoreError
from batcher.fleet import Lease, Member, Order, PurseTerms, Quota, send
from tests.unit.fleet.memory import FakeClock, MemoryDirectory

TTL = 0.06
NOTHING = Decimal(0)
TERMS = PurseTerms(max_spend=Decimal(100), base=Decimal(20), slot=Decimal(10))


class Witness:
    """Keeps what it is told; `heard` is set each time."""

    def __init__(self) -> None:
        self.reason = ""
        self.quotas: list[Quota] = []
        self.orders: list[str] = []
        self.heard = asyncio.Event()

    def lost(self, reason: str) -> None:
        self.reason = reason
        self.heard.set()

    def changed(self, quota: Quota) -> None:
        self.quotas.append(quota)
        self.heard.set()

    def ordered(self, order: Order) -> None:
        self.orders.append(order.name)
        self.heard.set()

    async def until(self, is_so: Callable[[], bool]) -> None:
        while not is_so():
            await self.heard.wait()
            self.heard.clear()


class Scene:
    def __init__(self, wish: Quota) -> None:
        self.clock = FakeClock()
        self.directory = MemoryDirectory(self.clock, coarse=False)
        self.witness = Witness()
        self.ended = asyncio.Event()
        self.lease = Lease(self.directory, (1, 2), ttl=TTL, clock=self.clock)
        self.member = Member(self.lease, wish=wish, listener=self.witness)

    @asynccontextmanager
    async def working(self) -> AsyncIterator[Member]:
        async with self.member as member, asyncio.TaskGroup() as group:
            group.create_task(member.keep_up(self.ended))
            yield member
            self.ended.set()


async def test_a_worker_comes_settles_works_and_gives_its_shard_back() -> None:
    scene = Scene(Quota(ipm=60.0))
    async with scene.working() as member:
        assert await member.settled()
        assert member.is_held()
        assert scene.witness.quotas == [Quota(ipm=60.0)]
    assert not member.is_held()
    assert "shards/0001-of-0002/epoch-000001.released" in scene.directory.files
    assert not scene.witness.reason


async def test_who_lost_its_shard_is_told_and_never_settles() -> None:
    scene = Scene(Quota())
    async with scene.working() as member:
        scene.clock.now += TTL
        assert not await member.settled()
        await scene.witness.until(lambda: bool(scene.witness.reason))
        assert scene.witness.reason == "no sign of life for too long"


async def test_a_worker_replaced_while_it_works_is_told() -> None:
    scene = Scene(Quota())
    async with scene.working() as member:
        await member.settled()
        scene.directory.write("fleet/shard-0001-of-0002-e000002", b"")
        await scene.witness.until(lambda: bool(scene.witness.reason))
        assert not member.is_held()


async def test_orders_are_handed_on_in_turn() -> None:
    scene = Scene(Quota())
    async with scene.working() as member:
        await member.settled()
        for name in ("pause", "resume"):
            send(scene.directory, Order(name=name, at=datetime.now(UTC)))
        await scene.witness.until(lambda: len(scene.witness.orders) == 2)
    assert scene.witness.orders == ["pause", "resume"]


async def test_money_that_is_short_is_fetched() -> None:
    scene = Scene(Quota(max_spend=Decimal(100)))
    async with scene.working() as member:
        await member.settled()
        assert not member.want(Decimal(1)), "the purse is not open"
        await member.open_purse(TERMS, spent=NOTHING, used=lambda: NOTHING)
        assert scene.witness.quotas[-1].max_spend == Decimal(10)
        assert member.want(Decimal(35))
        await scene.witness.until(
            lambda: scene.witness.quotas[-1].max_spend == Decimal(40)
        )
        assert member.want(Decimal(500))
        await scene.witness.until(
            lambda: scene.witness.quotas[-1].max_spend == Decimal(80)
        )
        assert not member.want(Decimal(500))


async def test_who_waits_for_money_is_told_that_there_is_none() -> None:
    scene = Scene(Quota(max_spend=Decimal(100)))
    terms = PurseTerms(max_spend=Decimal(100), base=Decimal(99), slot=Decimal(10))
    async with scene.working() as member:
        await member.settled()
        await member.open_purse(terms, spent=NOTHING, used=lambda: NOTHING)
        scene.witness.quotas.clear()
        if member.want(Decimal(1)):
            await scene.witness.until(lambda: bool(scene.witness.quotas))
        assert not member.want(Decimal(1))


async def test_who_is_not_alone_settles_when_all_have_seen_it() -> None:
    scene = Scene(Quota())
    other = Lease(scene.directory, (2, 2), ttl=TTL, clock=scene.clock)
    other.acquire()
    async with scene.working() as member:
        settled = asyncio.ensure_future(member.settled())
        scene.clock.now += TTL / 3
        send(scene.directory, Order(name="pause", at=datetime.now(UTC)))
        await scene.witness.until(lambda: bool(scene.witness.orders))
        assert not settled.done()
        scene.clock.now += TTL / 3
        assert await settled


async def test_a_429_here_slows_all() -> None:
    scene = Scene(Quota(ipm=60.0))
    async with scene.working() as member:
        await member.settled()
        member.refused(20.0)
        member.refused(12.0)
        await scene.witness.until(lambda: scene.witness.quotas[-1].ipm == 12.0)
    assert "fleet/pace" in scene.directory.files


async def test_a_directory_that_refuses_for_a_while_is_asked_again() -> None:
    scene = Scene(Quota())
    tries = []
    again = asyncio.Event()
    loop = asyncio.get_running_loop()

    def refuse(what: str, _: object) -> object:
        tries.append(what)
        if len(tries) > 3:
            scene.directory.hook = lambda _, do: do()
            loop.call_soon_threadsafe(again.set)
        raise StoreError("no")

    async with scene.working() as member:
        await member.settled()
        scene.directory.hook = refuse
        await again.wait()
        assert member.is_held()
        send(scene.directory, Order(name="pause", at=datetime.now(UTC)))
        await scene.witness.until(lambda: scene.witness.orders == ["pause"])


async def test_who_cannot_say_goodbye_just_goes() -> None:
    scene = Scene(Quota())

    def refuse(*_: object) -> object:
        raise StoreError("no")

    async with scene.working() as member:
        await member.settled()
        scene.directory.hook = refuse
    assert member.is_held(), "until it ends by itself"

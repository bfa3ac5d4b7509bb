from __future__ import annotations

import asyncio

from batcher.wait import first_of


async def test_the_first_ends_the_wait_and_the_others_are_given_up() -> None:
    here, never = asyncio.Event(), asyncio.get_running_loop().create_future()
    here.set()
    await first_of(never, here.wait())
    assert never.cancelled()


async def test_no_time_is_no_wait() -> None:
    await first_of(asyncio.Event().wait(), seconds=0)


async def test_what_is_shielded_goes_on() -> None:
    going: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    await first_of(asyncio.shield(going), seconds=0)
    assert not going.done()


async def test_whoever_is_cancelled_gives_all_of_it_up() -> None:
    never: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    waiter = asyncio.create_task(first_of(never))
    await asyncio.sleep(0)
    waiter.cancel()
    await asyncio.wait({waiter})
    assert never.cancelled()

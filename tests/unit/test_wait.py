from __future__ import annotations

import asyncio

import pytest

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


async def failing() -> None:
    raise LookupError("nothing there")


@pytest.mark.parametrize("times", [1, 2])
async def test_what_a_wait_fails_with_is_raised_and_the_others_are_given_up(
    times: int,
) -> None:
    never: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    with pytest.raises(LookupError, match="nothing there"):
        await first_of(never, *(failing() for _ in range(times)))
    assert never.cancelled()


async def test_a_wait_that_was_given_up_elsewhere_is_over() -> None:
    given_up: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    given_up.cancel()
    await first_of(given_up)


async def test_the_tasks_it_begins_have_a_name_and_others_keep_theirs() -> None:
    names: list[str] = []

    async def tell() -> None:
        task = asyncio.current_task()
        assert task is not None
        names.append(task.get_name())

    await first_of(tell())
    await first_of(asyncio.create_task(tell(), name="mine"))
    assert names == ["one of several waits", "mine"]

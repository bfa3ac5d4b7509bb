from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Sequence
from threading import Event
from typing import cast

import pytest

from batcher.durability import IMAGES, Durability, seen_to_its_end
from batcher.errors import StoreError
from batcher.ledger import Ledger, Standings
from batcher.stores import Store


class Disk:
    """A store and a ledger on one disk, on which two syncs may meet."""

    def __init__(self, *, is_full: bool = False, images: int = 0) -> None:
        self._images = images
        self.standings = Standings()
        self.syncs = 0
        self.met = Event()
        self._is_full = is_full
        self._is_busy = False

    @property
    def behind(self) -> int:
        return self._images

    def settled(self, is_settled: Callable[[str], bool]) -> Sequence[str]:
        assert is_settled("unheard of")
        return ()

    def sync(self) -> None:
        if self._is_full:
            raise StoreError("cannot sync: no space")
        if self._is_busy:
            self.met.set()
        self._is_busy = True
        self.met.wait(0.05)
        self._is_busy = False
        self.syncs += 1

    def forget(self, names: Sequence[str]) -> None:
        del names


def durability(disk: Disk, told: list[StoreError] | None = None) -> Durability:
    on_error = [] if told is None else told
    return Durability(cast("Store", disk), cast("Ledger", disk), on_error.append)


async def test_two_syncs_never_meet() -> None:
    disk = Disk()
    kept = durability(disk)
    async with asyncio.TaskGroup() as group:
        for _ in range(2):
            group.create_task(asyncio.to_thread(kept.sync))
    assert not disk.met.is_set()
    assert disk.syncs == 4


async def test_the_syncs_end_with_the_work() -> None:
    disk = Disk()
    ended = asyncio.Event()
    ended.set()
    await durability(disk).keep_up(ended)
    assert disk.syncs == 0


async def test_many_images_are_not_waited_with() -> None:
    disk = Disk(images=IMAGES)
    ended = asyncio.Event()
    kept = Durability(cast("Store", disk), cast("Ledger", disk), print, seconds=3600)
    async with asyncio.TaskGroup() as group:
        group.create_task(kept.keep_up(ended))
        while not disk.syncs:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.01)
        ended.set()


async def test_a_disk_that_refuses_is_told_of_once() -> None:
    told: list[StoreError] = []
    await durability(Disk(is_full=True), told).keep_up(asyncio.Event())
    assert [str(error) for error in told] == ["cannot sync: no space"]


async def test_a_last_step_gives_what_it_gave() -> None:
    async def last() -> int:
        return 7

    assert await seen_to_its_end(last()) == 7


@pytest.mark.parametrize("cancellations", [1, 3])
async def test_a_last_step_is_done_however_often_it_is_cancelled(
    cancellations: int,
) -> None:
    begun, may_end, is_done = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def last() -> None:
        begun.set()
        await may_end.wait()
        is_done.set()

    run = asyncio.create_task(seen_to_its_end(last()))
    await begun.wait()
    for _ in range(cancellations):
        run.cancel()
        await asyncio.sleep(0)
        assert not run.done()
    may_end.set()
    await asyncio.wait([run])
    assert run.cancelled()
    assert is_done.is_set()


@pytest.mark.parametrize(
    "ending", [StoreError("cannot sync: no space"), asyncio.CancelledError()], ids=type
)
async def test_a_last_step_that_fails_after_a_cancellation_is_not_told_of_by_the_loop(
    ending: BaseException,
) -> None:
    told: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, what: told.append(what))
    begun, may_end = asyncio.Event(), asyncio.Event()

    async def last() -> None:
        begun.set()
        await may_end.wait()
        raise ending

    run = asyncio.create_task(seen_to_its_end(last()))
    await begun.wait()
    run.cancel()
    await asyncio.sleep(0)
    may_end.set()
    await asyncio.wait([run])
    assert run.cancelled()
    del run
    gc.collect()
    assert not told

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from batcher.models import Request
from batcher.pool import LocalPool


def request(number: int) -> Request:
    return Request(
        id=f"{number:020x}",
        name=f"{number}",
        body={"model": "m", "prompt": "p"},
        vars={},
        output=f"{number}",
        origin="m.yaml:1",
    )


class Lives:
    """Lives requests until told to let them end, and remembers how many were live."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.live = self.most = 0
        self.begins = asyncio.Semaphore(0)
        self.free = asyncio.Event()
        self.cancelled: list[str] = []

    async def __call__(self, request: Request) -> None:
        self.begun.append(request.name)
        self.begins.release()
        self.live += 1
        self.most = max(self.most, self.live)
        try:
            await self.free.wait()
            await asyncio.sleep(0)
        except asyncio.CancelledError:
            self.cancelled.append(request.name)
            raise
        finally:
            self.live -= 1


def pool(room: int, *, closed: asyncio.Event | None = None) -> LocalPool:
    closed = closed or asyncio.Event()
    return LocalPool(room=lambda: room, is_closed=closed.is_set)


async def until(lives: Lives, more: int) -> None:
    """Wait until so many more have begun."""
    for _ in range(more):
        await lives.begins.acquire()


async def test_every_request_is_lived_and_never_more_at_once_than_there_is_room() -> (
    None
):
    lives = Lives()
    lives.free.set()
    await pool(3).run(map(request, range(250)), lives)
    assert lives.begun == [str(number) for number in range(250)]
    assert lives.most == 3


async def test_requests_are_read_only_as_fast_as_there_is_room() -> None:
    read: list[int] = []

    def requests() -> Iterator[Request]:
        for number in range(100):
            read.append(number)
            yield request(number)

    lives = Lives()
    async with asyncio.TaskGroup() as group:
        group.create_task(pool(4).run(requests(), lives))
        await until(lives, 4)
        assert len(read) == 5
        lives.free.set()
    assert len(read) == 100


async def test_what_there_is_nothing_to_do_for_lets_the_others_have_a_turn() -> None:
    turns = 0

    async def count_turns() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    counting = asyncio.create_task(count_turns())
    lives = Lives()
    await pool(1).run(iter([None] * 10_000), lives)
    counting.cancel()
    assert lives.begun == []
    assert turns >= 100


async def test_after_the_closing_nothing_begins_and_what_is_live_ends() -> None:
    closed = asyncio.Event()
    workers = pool(2, closed=closed)
    lives = Lives()
    async with asyncio.TaskGroup() as group:
        group.create_task(workers.run(map(request, range(9)), lives))
        await until(lives, 2)
        assert lives.live == 2
        closed.set()
        workers.notice()
        lives.free.set()
    assert lives.begun == ["0", "1"]
    assert lives.cancelled == []
    assert lives.live == 0


async def test_after_the_closing_nothing_more_is_walked() -> None:
    closed = asyncio.Event()
    walked = 0

    def kept() -> Iterator[None]:
        nonlocal walked
        for walked in range(1, 10_001):
            if walked == 500:
                closed.set()
            yield None

    await pool(1, closed=closed).run(kept(), Lives())
    assert walked == 500


async def test_more_room_is_taken_at_a_notice() -> None:
    room = 1
    workers = LocalPool(room=lambda: room, is_closed=lambda: False)
    lives = Lives()
    async with asyncio.TaskGroup() as group:
        group.create_task(workers.run(map(request, range(3)), lives))
        await until(lives, 1)
        room = 3
        workers.notice()
        await until(lives, 2)
        lives.free.set()
    assert lives.most == 3


async def test_an_abort_cancels_what_is_live_and_the_run_returns() -> None:
    closed = asyncio.Event()
    workers = pool(3, closed=closed)
    lives = Lives()
    async with asyncio.TaskGroup() as group:
        group.create_task(workers.run(map(request, range(9)), lives))
        await until(lives, 3)
        closed.set()
        workers.notice()
        workers.abort()
    assert sorted(lives.cancelled) == ["0", "1", "2"]


async def test_an_abort_before_the_first_step_leaves_nothing_behind() -> None:
    closed = asyncio.Event()
    workers = pool(3, closed=closed)
    lives = Lives()

    def requests() -> Iterator[Request]:
        yield request(0)
        workers.abort()
        closed.set()
        yield request(1)

    await workers.run(requests(), lives)
    assert lives.begun == []


async def test_a_bug_in_one_life_ends_the_run_loudly() -> None:
    lives = Lives()

    async def break_down(request: Request) -> None:
        if request.name == "2":
            raise ZeroDivisionError
        await lives(request)

    with pytest.raises(ExceptionGroup) as caught:
        await pool(5).run(map(request, range(5)), break_down)
    assert caught.group_contains(ZeroDivisionError)
    assert sorted(lives.cancelled) == lives.begun


async def test_tasks_are_named_by_their_requests() -> None:
    names: dict[str, str] = {}

    async def tell(request: Request) -> None:
        task = asyncio.current_task()
        assert task is not None
        names[request.id] = task.get_name()

    await pool(1).run([request(7)], tell)
    assert names == {request(7).id: request(7).id}

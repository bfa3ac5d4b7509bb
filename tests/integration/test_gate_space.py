"""The gate on a disk that is nearly full."""

from __future__ import annotations

import asyncio
from decimal import Decimal

from batcher.gate import Gate
from batcher.governor import Admission, Governor, Limits, Outcome, Space
from batcher.governor.space import LINES
from batcher.models import ErrorClass

SIZE = "1000x1000"
NEED = 100_000 + 100_000 // 2 + LINES
PRICE = Decimal(1)
MADE = Outcome(images=1, spent=PRICE)


class Disk:
    def __init__(self, free: int) -> None:
        self.free = free

    def space(self) -> int:
        return self.free


def gate(disk: Disk) -> Gate:
    """Make a gate that knows how large the images are."""
    clock = asyncio.get_running_loop().time
    governor = Governor(Limits(adaptive=False), now=clock(), random=lambda: 0.0)
    space = Space(disk.space, kept=lambda: [(SIZE, 100_000)])
    return Gate(governor, clock, space=space)


def entering(gate: Gate) -> asyncio.Task[Admission | None]:
    return asyncio.create_task(gate.enter(1, PRICE, SIZE))


async def test_a_pause_by_hand_is_time_to_free_some_space() -> None:
    disk = Disk(NEED)
    narrow = gate(disk)
    first = await entering(narrow)
    assert first is not None
    narrow.governor.pause()
    waiting = entering(narrow)
    await asyncio.sleep(0)
    disk.free = 0
    narrow.leave(first, MADE)
    await asyncio.sleep(0.01)
    assert not waiting.done()
    assert not narrow.is_closed
    disk.free = NEED
    narrow.governor.resume(asyncio.get_running_loop().time())
    narrow.notice()
    second = await waiting
    assert second is not None
    narrow.leave(second, MADE)


async def test_a_lack_of_space_that_ends_the_run_takes_no_admission_along() -> None:
    full = gate(Disk(NEED - 1))
    assert await entering(full) is None
    assert full.stopped is not None
    assert full.stopped.error_class is ErrorClass.STORE
    assert full.governor.in_flight == set()
    standing = full.governor.snapshot(asyncio.get_running_loop().time())
    assert standing.spent + standing.reserved + standing.unknown == Decimal(0)


async def test_who_is_cancelled_right_after_the_answer_gives_the_space_back() -> None:
    narrow = gate(Disk(NEED))
    first = await entering(narrow)
    assert first is not None
    waiting = [entering(narrow) for _ in range(2)]
    await asyncio.sleep(0)
    narrow.leave(first, MADE)
    asyncio.get_running_loop().call_soon(waiting[0].cancel)
    second = await waiting[1]
    assert waiting[0].cancelled()
    assert second is not None
    narrow.leave(second, MADE)
    assert await entering(narrow) is not None

from __future__ import annotations

import asyncio
from decimal import Decimal

import pytest

from batcher.gate import Gate
from batcher.governor import Admission, Governor, Limits, Outcome
from batcher.models import ErrorClass, Failure

REFUSED = Failure(error_class=ErrorClass.AUTH, message="no such key")
MADE = Outcome(images=1, spent=Decimal(1))


def gate(**limits: object) -> Gate:
    clock = asyncio.get_running_loop().time
    allowed = Limits(**{"adaptive": False, **limits})  # type: ignore[arg-type]  # by name
    governor = Governor(allowed, now=clock(), random=lambda: 0.0)
    return Gate(governor, clock)


async def entered(gate: Gate, usd: Decimal | None = None) -> Admission:
    admission = await gate.enter(1, usd)
    assert admission is not None
    return admission


async def test_whoever_waits_leaves_in_order_of_arrival() -> None:
    narrow = gate(concurrency=1)
    order: list[int] = []

    async def pass_through(number: int) -> None:
        admission = await entered(narrow)
        order.append(number)
        narrow.leave(admission, MADE)

    first = await entered(narrow)
    async with asyncio.TaskGroup() as group:
        for number in range(5):
            group.create_task(pass_through(number))
            await asyncio.sleep(0)
        assert order == []
        narrow.leave(first, MADE)
    assert order == [0, 1, 2, 3, 4]


async def test_what_was_sent_before_leaves_ahead_of_what_never_was() -> None:
    narrow = gate(concurrency=1)
    order: list[str] = []

    async def pass_through(name: str) -> None:
        admission = await narrow.enter(1, None, again=name.startswith("again"))
        assert admission is not None
        assert admission.again is name.startswith("again")
        order.append(name)
        narrow.leave(admission, MADE)

    first = await entered(narrow)
    async with asyncio.TaskGroup() as group:
        for name in ("new 1", "again 1", "new 2", "again 2"):
            group.create_task(pass_through(name))
            await asyncio.sleep(0)
        narrow.leave(first, MADE)
    assert order == ["again 1", "again 2", "new 1", "new 2"]


async def test_whoever_was_sent_before_asks_at_once_though_others_are_held() -> None:
    tight = gate(max_spend=Decimal(3))
    first = await entered(tight, Decimal(2))
    held = asyncio.create_task(tight.enter(1, Decimal(2)))
    await asyncio.sleep(0)
    cheap = await tight.enter(1, Decimal(1), again=True)
    assert cheap is not None
    assert not held.done()
    tight.leave(cheap, Outcome())
    tight.leave(first, Outcome())
    assert await held is not None


async def test_a_closed_gate_lets_nobody_out_and_everybody_go() -> None:
    narrow = gate(concurrency=1)
    first = await entered(narrow)
    async with asyncio.TaskGroup() as group:
        waiting = [
            group.create_task(narrow.enter(1, None, again=again))
            for again in (False, True, False)
        ]
        await asyncio.sleep(0)
        narrow.close()
    assert [task.result() for task in waiting] == [None] * 3
    assert await narrow.enter(1, None) is None
    assert narrow.stopped is None
    narrow.leave(first, MADE)
    assert narrow.governor.in_flight == set()


async def test_the_first_reason_to_close_stays_and_is_announced_once() -> None:
    clock, told = asyncio.get_running_loop().time, list[Failure]()
    governor = Governor(Limits(), now=clock(), random=lambda: 0.0)
    closed = Gate(governor, clock, announce=told.append)
    closed.close()
    closed.close(REFUSED)
    closed.close(Failure(error_class=ErrorClass.QUOTA, message="later"))
    assert closed.is_closed
    assert [closed.stopped] == told == [REFUSED]


class Others:
    """Those who work on the same."""

    def __init__(self) -> None:
        self.told: list[float] = []

    def is_ours(self) -> bool:
        return True

    def refused(self, ipm: float) -> None:
        self.told.append(ipm)


async def test_others_hear_of_a_429_what_left_while_nothing_is_made_yet() -> None:
    """An image takes minutes: by what was made, the first refusal would say: none."""
    others = Others()
    clock = asyncio.get_running_loop().time
    governor = Governor(Limits(concurrency=64), now=clock(), random=lambda: 0.0)
    shared = Gate(governor, clock, others)
    early = [await entered(shared) for _ in range(8)]
    refusal = Failure(error_class=ErrorClass.RATE_LIMITED, message="slow down")
    shared.leave(early.pop(), Outcome(failure=refusal))
    learned = shared.governor.snapshot(clock())
    assert learned.rate == 0
    assert learned.is_learned
    assert others.told == [pytest.approx(learned.limit, rel=0.05)]
    assert others.told[0] > 5


async def test_a_halt_of_the_governor_closes_the_gate() -> None:
    broke = gate(max_spend=Decimal(1))
    assert await broke.enter(1, Decimal(2)) is None
    assert broke.is_closed
    assert broke.stopped is not None
    assert broke.stopped.error_class is ErrorClass.SPEND


async def test_a_worst_case_waits_for_what_is_in_flight() -> None:
    tight = gate(max_spend=Decimal(3))
    first = await entered(tight, Decimal(2))
    waiting = asyncio.create_task(tight.enter(1, Decimal(2)))
    await asyncio.sleep(0)
    assert not waiting.done()
    tight.leave(first, MADE)
    second = await waiting
    assert second is not None
    tight.leave(second, MADE)
    now = asyncio.get_running_loop().time()
    assert tight.governor.snapshot(now).spent == Decimal(2)


async def test_who_is_cancelled_while_waiting_takes_nothing_with_him() -> None:
    narrow = gate(concurrency=1)
    first = await entered(narrow)
    waiting = [asyncio.create_task(narrow.enter(1, None)) for _ in range(2)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    await asyncio.wait(waiting[:1])
    narrow.leave(first, MADE)
    second = await waiting[1]
    assert second is not None
    assert narrow.governor.in_flight == {second.number}
    narrow.leave(second, MADE)


async def test_a_pause_by_hand_ends_at_a_notice() -> None:
    paused = gate()
    paused.governor.pause()
    waiting = asyncio.create_task(paused.enter(1, None))
    await asyncio.sleep(0)
    paused.governor.resume(asyncio.get_running_loop().time())
    paused.notice()
    admission = await waiting
    assert admission is not None
    paused.leave(admission, MADE)


async def test_a_hold_ends_by_itself_when_its_time_has_come() -> None:
    paced = gate(ipm=6000)  # one every ten milliseconds
    started = asyncio.get_running_loop().time()
    for _ in range(4):
        paced.leave(await entered(paced), MADE)
    assert asyncio.get_running_loop().time() - started >= 0.01


async def test_a_sleep_is_cut_short_by_the_closing_and_by_nothing_else() -> None:
    opened = gate()
    assert await opened.sleep(0.001)
    sleeping = asyncio.create_task(opened.sleep(3600))
    await asyncio.sleep(0)
    opened.notice()
    await asyncio.sleep(0)
    assert not sleeping.done()
    opened.close()
    assert not await sleeping
    assert not await opened.sleep(0)


async def test_nobody_leaves_who_was_let_out_right_before_the_closing() -> None:
    narrow = gate(concurrency=1)
    first = await entered(narrow)
    waiting = asyncio.create_task(narrow.enter(1, None))
    await asyncio.sleep(0)
    narrow.leave(first, MADE)
    asyncio.get_running_loop().call_soon(narrow.close)
    assert await waiting is None
    assert narrow.governor.in_flight == set()


async def test_a_closing_right_after_leaving_comes_first() -> None:
    narrow = gate(concurrency=1)
    first = await entered(narrow)
    waiting = asyncio.create_task(narrow.enter(1, None))
    await asyncio.sleep(0)
    narrow.leave(first, MADE)
    narrow.close(REFUSED)
    assert await waiting is None
    assert narrow.governor.in_flight == set()


async def test_who_is_cancelled_right_after_the_answer_gives_it_back() -> None:
    narrow = gate(concurrency=1)
    first = await entered(narrow)
    waiting = [asyncio.create_task(narrow.enter(1, None)) for _ in range(2)]
    await asyncio.sleep(0)
    narrow.leave(first, MADE)
    asyncio.get_running_loop().call_soon(waiting[0].cancel)
    second = await waiting[1]
    assert waiting[0].cancelled()
    assert second is not None
    assert narrow.governor.in_flight == {second.number}
    narrow.leave(second, MADE)

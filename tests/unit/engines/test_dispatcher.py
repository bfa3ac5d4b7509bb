from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self

import pytest

from batcher.engines import Ended, EngineError, Errand
from batcher.engines.dispatcher import (
    DELAY,
    LOOK,
    LOSSES,
    PROOF,
    Dispatcher,
    Fate,
    ShardOutcome,
    fate,
)

KEPT = Ended(exit_code=0, summary={"succeeded": 1})
REFUSED = Ended(exit_code=2, stderr=("cannot read 'ledger.jsonl'",))
LOST = Ended(exit_code=None, stderr=("the worker is gone",))


class FakeTime:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 0.0
        self._waits: list[tuple[float, asyncio.Event]] = []

    def __call__(self) -> float:
        return self.now

    async def rest(self, seconds: float) -> None:
        wait = (self.now + seconds, asyncio.Event())
        self._waits.append(wait)
        await wait[1].wait()

    async def passes(self, seconds: float) -> None:
        self.now += seconds
        for until, event in self._waits:
            if until <= self.now:
                event.set()
        await settle()


class FakeEngine:
    """Has errands end when a test says so."""

    def __init__(self, workers: int) -> None:
        self.there = workers
        self.is_gone = False
        self.running: dict[int, asyncio.Future[Ended]] = {}
        self.arguments: list[tuple[str, ...]] = []
        self.killed: set[int] = set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        pass

    async def workers(self) -> int:
        if self.is_gone:
            raise EngineError("the scheduler is gone")
        return self.there

    async def run(self, errand: Errand, drain: asyncio.Event) -> Ended:
        self.arguments.append(errand.arguments)
        self.drain = drain
        end = self.running[errand.part] = asyncio.Future()
        try:
            return await end
        except asyncio.CancelledError:
            self.killed.add(errand.part)
            raise
        finally:
            del self.running[errand.part]


class Heard:
    """What a listener was told, in order."""

    def __init__(self) -> None:
        self.words: list[str] = []

    def workers(self, number: int) -> None:
        self.words.append(f"{number} workers")

    def shard_began(self, part: int, tries: int) -> None:
        self.words.append(f"{part} began {tries}")

    def shard_ended(self, outcome: ShardOutcome, delay: float | None) -> None:
        self.words.append(f"{outcome.part} {outcome.fate} {delay}")


class Stage:
    """A dispatcher that runs, among fakes."""

    def __init__(self, *, workers: int, parts: int) -> None:
        self.time = FakeTime()
        self.engine = FakeEngine(workers)
        self.heard = Heard()
        self.dispatcher = Dispatcher(
            self.engine,
            arguments=("run", "m.yaml"),
            parts=parts,
            listener=self.heard,
            rest=self.time.rest,
            clock=self.time,
        )
        self.run = asyncio.create_task(self.dispatcher.run())

    @property
    def running(self) -> set[int]:
        return set(self.engine.running)

    async def end(self, part: int, ended: Ended) -> None:
        self.engine.running[part].set_result(ended)
        await settle()

    async def fates(self) -> list[Fate]:
        return [outcome.fate for outcome in await self.run]


async def settle() -> None:
    """Let everything that can go on go on."""
    for _ in range(20):
        await asyncio.sleep(0)


async def staged(*, workers: int, parts: int) -> Stage:
    stage = Stage(workers=workers, parts=parts)
    await settle()
    return stage


async def test_every_shard_is_run_once_by_the_ordinary_program() -> None:
    stage = await staged(workers=2, parts=2)
    await stage.end(1, KEPT)
    await stage.end(2, KEPT)
    outcomes = await stage.run
    assert [(it.part, it.fate, it.tries, it.ended) for it in outcomes] == [
        (1, Fate.DONE, 1, KEPT),
        (2, Fate.DONE, 1, KEPT),
    ]
    rest = ("--wait-for-shard", "--quiet", "--json")
    assert stage.engine.arguments == [
        ("run", "m.yaml", "--shard", "1/2", *rest),
        ("run", "m.yaml", "--shard", "2/2", *rest),
    ]


async def test_as_many_run_at_once_as_there_are_workers() -> None:
    stage = await staged(workers=2, parts=5)
    assert stage.running == {1, 2}
    await stage.end(2, KEPT)
    assert stage.running == {1, 3}
    for part in (1, 3, 4, 5):
        await stage.end(part, KEPT)
    assert await stage.fates() == [Fate.DONE] * 5


async def test_workers_that_join_late_get_work() -> None:
    stage = await staged(workers=0, parts=3)
    assert stage.running == set()
    stage.engine.there = 2
    await stage.time.passes(LOOK)
    assert stage.running == {1, 2}
    stage.engine.there = 3
    await stage.time.passes(LOOK)
    assert stage.running == {1, 2, 3}
    assert [it for it in stage.heard.words if "workers" in it] == [
        "2 workers",
        "3 workers",
    ]
    for part in (1, 2, 3):
        await stage.end(part, KEPT)
    await stage.run


async def test_a_lost_shard_is_submitted_again_after_a_delay() -> None:
    stage = await staged(workers=1, parts=1)
    await stage.end(1, LOST)
    assert stage.running == set()
    await stage.time.passes(DELAY)
    assert stage.running == {1}
    await stage.end(1, KEPT)
    assert await stage.fates() == [Fate.DONE]
    assert stage.heard.words == [
        "1 workers",
        "1 began 1",
        f"1 again {DELAY}",
        "1 began 2",
        "1 done None",
    ]


async def test_a_lost_shard_waits_behind_those_that_have_not_begun() -> None:
    stage = await staged(workers=1, parts=3)
    await stage.end(1, LOST)
    await stage.time.passes(DELAY)
    assert stage.running == {2}
    await stage.end(2, KEPT)
    assert stage.running == {3}
    await stage.end(3, KEPT)
    assert stage.running == {1}
    await stage.end(1, KEPT)
    assert await stage.fates() == [Fate.DONE] * 3


async def test_a_shard_that_is_lost_again_and_again_is_given_up() -> None:
    stage = await staged(workers=1, parts=2)
    for losses in range(LOSSES - 1):
        await stage.end(1, LOST)
        if losses == 0:
            await stage.end(2, KEPT)
        await stage.time.passes(DELAY * 2**losses)
    await stage.end(1, LOST)
    outcomes = await stage.run
    assert outcomes[0] == ShardOutcome(
        part=1, fate=Fate.AGAIN, tries=LOSSES, ended=LOST
    )
    assert outcomes[1].fate is Fate.DONE


async def test_losses_far_apart_never_give_a_shard_up() -> None:
    stage = await staged(workers=1, parts=1)
    for _ in range(3 * LOSSES):
        await stage.time.passes(PROOF)
        await stage.end(1, LOST)
        await stage.time.passes(DELAY)
    await stage.end(1, KEPT)
    assert await stage.fates() == [Fate.DONE]


async def test_what_stops_one_shard_keeps_the_others_from_beginning() -> None:
    stage = await staged(workers=2, parts=4)
    await stage.end(1, stopped("quota"))
    assert stage.running == {2}
    assert not stage.engine.drain.is_set()
    await stage.end(2, LOST)
    assert await stage.fates() == [Fate.STOP, *[Fate.AGAIN] * 3]
    assert stage.heard.words[-1] == "2 again None"


async def test_trouble_at_the_start_of_a_later_shard_passes() -> None:
    stage = await staged(workers=1, parts=3)
    await stage.end(1, KEPT)
    await stage.end(2, REFUSED)
    assert stage.running == {3}
    await stage.end(3, REFUSED)
    await stage.time.passes(DELAY)
    await stage.end(2, KEPT)
    await stage.end(3, KEPT)
    assert await stage.fates() == [Fate.DONE] * 3


async def test_a_shard_that_never_starts_is_given_up() -> None:
    stage = await staged(workers=1, parts=2)
    await stage.end(1, KEPT)
    for losses in range(LOSSES - 1):
        await stage.end(2, REFUSED)
        await stage.time.passes(DELAY * 2**losses)
    await stage.end(2, REFUSED)
    outcomes = await stage.run
    assert outcomes[1] == ShardOutcome(
        part=2, fate=Fate.AGAIN, tries=LOSSES, ended=REFUSED
    )


async def test_a_command_that_no_shard_could_do_stops_them_all() -> None:
    stage = await staged(workers=1, parts=2)
    await stage.end(1, REFUSED)
    assert await stage.fates() == [Fate.STOP, Fate.AGAIN]


async def test_a_stop_does_not_wait_for_a_delay() -> None:
    stage = await staged(workers=2, parts=2)
    await stage.end(1, LOST)
    await stage.end(2, stopped("spend"))
    assert await stage.fates() == [Fate.AGAIN, Fate.STOP]


async def test_a_drain_tells_what_runs_and_begins_nothing() -> None:
    stage = await staged(workers=2, parts=4)
    stage.dispatcher.drain()
    await settle()
    assert stage.engine.drain.is_set()
    assert stage.running == {1, 2}
    await stage.end(1, Ended(exit_code=143))
    await stage.end(2, KEPT)
    outcomes = await stage.run
    assert [it.tries for it in outcomes] == [1, 1, 0, 0]
    assert [it.fate for it in outcomes][:2] == [Fate.AGAIN, Fate.DONE]


async def test_a_close_begins_nothing_and_leaves_what_runs_alone() -> None:
    stage = await staged(workers=2, parts=4)
    stage.dispatcher.close()
    await settle()
    assert not stage.engine.drain.is_set()
    await stage.end(1, KEPT)
    await stage.end(2, KEPT)
    assert [it.tries for it in await stage.run] == [1, 1, 0, 0]


async def test_a_drain_before_the_beginning_begins_nothing() -> None:
    stage = Stage(workers=2, parts=2)
    stage.dispatcher.drain()
    assert await stage.fates() == [Fate.AGAIN] * 2
    assert stage.engine.arguments == []


async def test_an_abort_ends_what_runs() -> None:
    stage = await staged(workers=2, parts=3)
    stage.dispatcher.drain()
    stage.dispatcher.abort()
    assert await stage.fates() == [Fate.AGAIN] * 3
    assert stage.engine.killed == {1, 2}


async def test_a_cluster_that_is_gone_ends_the_run() -> None:
    stage = await staged(workers=1, parts=2)
    stage.engine.is_gone = True
    await stage.time.passes(LOOK)
    await stage.end(1, LOST)
    assert await stage.fates() == [Fate.AGAIN] * 2
    assert str(stage.dispatcher.trouble) == "the scheduler is gone"


def stopped(reason: str) -> Ended:
    return Ended(exit_code=3, summary={"stopped": {"class": reason, "message": ""}})


@pytest.mark.parametrize(
    ("ended", "expected"),
    [
        pytest.param(KEPT, Fate.DONE, id="all kept"),
        pytest.param(Ended(exit_code=1, summary={}), Fate.DONE, id="some failed"),
        pytest.param(Ended(exit_code=1), Fate.AGAIN, id="crashed"),
        pytest.param(Ended(exit_code=2), Fate.STOP, id="the command is wrong"),
        pytest.param(Ended(exit_code=3), Fate.STOP, id="stopped, who knows why"),
        pytest.param(stopped("auth"), Fate.STOP, id="stopped by the gateway"),
        pytest.param(stopped("lease"), Fate.AGAIN, id="taken over"),
        pytest.param(Ended(exit_code=143), Fate.AGAIN, id="terminated by another"),
        pytest.param(Ended(exit_code=-9), Fate.AGAIN, id="out of memory"),
        pytest.param(LOST, Fate.AGAIN, id="lost"),
    ],
)
def test_what_follows_is_told_from_the_exit_code(ended: Ended, expected: Fate) -> None:
    assert fate(ended) is expected


@pytest.mark.parametrize(
    ("ended", "expected"),
    [
        pytest.param(KEPT, Fate.DONE, id="all kept"),
        pytest.param(REFUSED, Fate.AGAIN, id="what another shard could do"),
        pytest.param(stopped("auth"), Fate.STOP, id="stopped by the gateway"),
        pytest.param(LOST, Fate.AGAIN, id="lost"),
    ],
)
def test_once_a_shard_is_done_the_command_is_no_mistake(
    ended: Ended, expected: Fate
) -> None:
    assert fate(ended, is_proven=True) is expected

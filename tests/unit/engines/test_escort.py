from __future__ import annotations

import asyncio

import pytest

from batcher.engines import Ended
from batcher.engines.escort import escort

KEPT = Ended(exit_code=0)


class FakeProgram:
    """Ends when it is told something, if it obeys."""

    def __init__(self, *, obeys: str) -> None:
        self.obeys = obeys
        self.told: list[str] = []
        self.ended: asyncio.Future[Ended] = asyncio.Future()

    async def terminate(self) -> None:
        self._tell("terminate", 143)

    async def kill(self) -> None:
        self._tell("kill", -9)

    def _tell(self, order: str, exit_code: int) -> None:
        self.told.append(order)
        if order == self.obeys:
            self.ended.set_result(Ended(exit_code=exit_code))


def seen(
    program: FakeProgram, drain: asyncio.Event, *, grace: float = 60.0
) -> asyncio.Task[Ended]:
    return asyncio.create_task(
        escort(
            program.ended,
            drain,
            terminate=program.terminate,
            kill=program.kill,
            grace=grace,
        )
    )


async def test_what_ends_by_itself_is_told_nothing() -> None:
    program = FakeProgram(obeys="")
    run = seen(program, asyncio.Event())
    program.ended.set_result(KEPT)
    assert await run == KEPT
    assert program.told == []


async def test_a_drain_terminates_and_waits_for_the_end() -> None:
    program = FakeProgram(obeys="terminate")
    drain = asyncio.Event()
    run = seen(program, drain)
    await asyncio.sleep(0)
    drain.set()
    assert (await run).exit_code == 143
    assert program.told == ["terminate"]


async def test_what_does_not_drain_in_time_is_killed() -> None:
    program = FakeProgram(obeys="kill")
    drain = asyncio.Event()
    drain.set()
    assert (await seen(program, drain, grace=0.0)).exit_code == -9
    assert program.told == ["kill"]


async def test_cancelling_kills_and_waits_for_the_end() -> None:
    program = FakeProgram(obeys="kill")
    run = seen(program, asyncio.Event())
    await asyncio.sleep(0)
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    assert program.told == ["kill"]


async def test_an_error_of_the_engine_is_raised() -> None:
    program = FakeProgram(obeys="")
    program.ended.set_exception(OSError("no"))
    with pytest.raises(OSError, match="no"):
        await seen(program, asyncio.Event())


async def test_cancelling_what_has_ended_kills_nothing() -> None:
    program = FakeProgram(obeys="")
    run = seen(program, asyncio.Event())
    await asyncio.sleep(0)
    program.ended.set_result(KEPT)
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    assert program.told == []

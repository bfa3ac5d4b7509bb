"""What every engine must do, as a suite: subclass it and give the fixture.

A module says `class TestDaskEngine(EngineConformance)` and defines the asynchronous
fixture `engine`, which gives an open one with two workers that run `PROGRAM`.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path

import psutil
import pytest

from batcher.engines import Ended, Engine, Errand
from batcher.engines.program import LINES

PROGRAM = (str(Path(__file__).with_name("errand_program.py")),)
SOON = 60.0  # seconds that a sound engine never takes


def errand(*arguments: object) -> Errand:
    return Errand(part=1, parts=2, arguments=tuple(map(str, arguments)))


class Visit:
    """A program that stays, seen from the test."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._reader = reader
        self._writer = writer
        self.pid = self.parent = 0

    async def greeted(self) -> Visit:
        self.pid, self.parent = map(int, (await self._line()).split())
        return self

    async def told(self) -> bool:
        return await self._line() == "told"

    async def gone(self) -> None:
        """Wait until the program has died."""
        with suppress(ConnectionError):
            while await self._line():
                pass

    def let_go(self) -> None:
        self._writer.write(b"go")

    async def _line(self) -> str:
        async with asyncio.timeout(SOON):
            return (await self._reader.readline()).decode().strip()


class Host:
    """Where programs that stay say that they are there."""

    def __init__(self) -> None:
        self.visits: asyncio.Queue[Visit] = asyncio.Queue()
        self._visits: list[asyncio.StreamWriter] = []
        self._is_open = True
        self.port = 0

    def stay(self) -> Errand:
        return errand("stay", self.port)

    async def visit(self) -> Visit:
        async with asyncio.timeout(SOON):
            return await (await self.visits.get()).greeted()

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Host]:
        server = await asyncio.start_server(self._come, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            self._is_open = False
            for writer in self._visits:
                writer.close()
                with suppress(OSError):
                    await writer.wait_closed()

    async def _come(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        if not self._is_open:  # it knocked while the door was closed: it must not wait
            writer.close()
            return
        self._visits.append(writer)
        await self.visits.put(Visit(reader, writer))


class EngineConformance:
    """The contract of `Engine`, claim by claim."""

    @pytest.fixture
    async def host(self) -> AsyncIterator[Host]:
        async with Host().open() as host:
            yield host

    @pytest.fixture
    async def drain(self) -> asyncio.Event:
        return asyncio.Event()

    async def test_it_counts_its_workers(self, engine: Engine) -> None:
        assert await engine.workers() == 2

    @pytest.mark.parametrize("code", [0, 1, 3])
    async def test_the_exit_code_and_the_last_words_come_back(
        self, engine: Engine, drain: asyncio.Event, code: int
    ) -> None:
        ended = await engine.run(errand("end", code), drain)
        assert ended.exit_code == code
        assert ended.summary is not None
        assert ended.summary["exit_code"] == code
        assert ended.stderr == tuple(f"line {n}" for n in range(80))[-LINES:]

    async def test_errands_run_at_once(
        self, engine: Engine, host: Host, drain: asyncio.Event
    ) -> None:
        runs = [asyncio.create_task(engine.run(host.stay(), drain)) for _ in range(2)]
        visits = [await host.visit(), await host.visit()]
        assert visits[0].pid != visits[1].pid
        for visit in visits:
            visit.let_go()
        assert [(await run).exit_code for run in runs] == [0, 0]

    async def test_a_drain_lets_the_program_come_to_its_end(
        self, engine: Engine, host: Host, drain: asyncio.Event
    ) -> None:
        run = asyncio.create_task(engine.run(host.stay(), drain))
        visit = await host.visit()
        drain.set()
        assert await visit.told()
        visit.let_go()
        ended = await run
        assert ended.exit_code == 143
        assert ended.summary == {"told": 1, "answer": "go"}

    async def test_cancelling_tells_it_again_and_waits_for_its_end(
        self, engine: Engine, host: Host, drain: asyncio.Event
    ) -> None:
        run = asyncio.create_task(engine.run(host.stay(), drain))
        visit = await host.visit()
        drain.set()
        assert await visit.told()
        run.cancel()
        assert await visit.told()
        visit.let_go()
        with pytest.raises(asyncio.CancelledError):
            await run
        assert not psutil.pid_exists(visit.pid)

    async def test_a_program_that_is_killed_is_told_from_one_that_failed(
        self, engine: Engine, host: Host, drain: asyncio.Event
    ) -> None:
        run = asyncio.create_task(engine.run(host.stay(), drain))
        os.kill((await host.visit()).pid, signal.SIGKILL)
        assert (await run).exit_code == -signal.SIGKILL

    async def test_nothing_listens_beyond_this_machine(
        self, engine: Engine, host: Host, drain: asyncio.Event
    ) -> None:
        run = asyncio.create_task(engine.run(host.stay(), drain))
        visit = await host.visit()
        addresses = listening()
        visit.let_go()
        await run
        assert all(address.is_loopback for address in addresses)


class ClusterConformance(EngineConformance):
    """What is asked of engines whose workers are processes, which can be lost."""

    async def test_a_lost_worker_takes_its_program_along(
        self, engine: Engine, host: Host, drain: asyncio.Event
    ) -> None:
        run = asyncio.create_task(engine.run(host.stay(), drain))
        visit = await host.visit()
        os.kill(visit.parent, signal.SIGKILL)
        assert await visit.told()
        visit.let_go()
        await visit.gone()
        await self.over(run, host)

    async def test_an_errand_of_a_lost_worker_is_run_again_or_given_back(
        self, engine: Engine, host: Host, drain: asyncio.Event
    ) -> None:
        run = asyncio.create_task(engine.run(host.stay(), drain))
        visit = await host.visit()
        os.kill(visit.parent, signal.SIGKILL)
        ended = await self.over(run, host)
        assert ended.exit_code in (0, None)
        assert ended.exit_code == 0 or ended.stderr

    async def over(self, run: asyncio.Task[Ended], host: Host) -> Ended:
        """See an errand end, wherever it is run again."""
        again = asyncio.create_task(host.visit())
        await asyncio.wait({run, again}, return_when=asyncio.FIRST_COMPLETED)
        if not run.done():
            (await again).let_go()
        again.cancel()
        async with asyncio.timeout(SOON):
            return await run


def listening() -> set[IPv4Address | IPv6Address]:
    """Tell where this process and its descendants listen."""
    us = psutil.Process()
    addresses = set()
    for process in (us, *us.children(recursive=True)):
        with suppress(psutil.NoSuchProcess):  # it has just ended
            addresses |= {
                ip_address(connection.laddr.ip.removeprefix("::ffff:"))
                for connection in process.net_connections()
                if connection.status == psutil.CONN_LISTEN
            }
    return addresses

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType

import pytest

from batcher.engines import Ended, Engine, EngineError
from batcher.engines.dask import DaskEngine
from batcher.engines.dispatcher import Dispatcher, Fate, ShardOutcome
from batcher.engines.process import ProcessEngine
from batcher.engines.program import Program
from batcher.engines.ray import RayEngine
from batcher.errors import UsageError
from tests.integration.engine_conformance import (
    PROGRAM,
    SOON,
    ClusterConformance,
    EngineConformance,
    Host,
    errand,
)

LOOPBACK = ("--host", "127.0.0.1", "--dashboard-address", "127.0.0.1:0")
NOBODY = "127.0.0.1:9"
OF_WORKERS = {"A_KEY": "of-the-worker"}

# Ray reads these when it is imported, in this process as in those of its cluster: tell
# nobody, stay on loopback, and let in only who knows the word.
os.environ.update(
    RAY_USAGE_STATS_ENABLED="0",
    RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER="0",
    RAY_AUTH_MODE="token",
    RAY_AUTH_TOKEN="made-up-for-the-tests-of-engines",
)


@contextmanager
def process(
    *arguments: str,
    end: int = signal.SIGKILL,
    environment: Mapping[str, str] = MappingProxyType({}),
) -> Iterator[subprocess.Popen[str]]:
    """Run a program of a cluster; end it and all that it started."""
    child = subprocess.Popen(
        [str(Path(sys.executable).with_name(arguments[0])), *arguments[1:]],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    try:
        yield child
    finally:
        child.send_signal(end)
        with suppress(subprocess.TimeoutExpired):
            child.wait(10)
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        assert child.stdout
        child.stdout.close()


@contextmanager
def dask_worker(scheduler: str) -> Iterator[None]:
    one = (scheduler, "--nworkers", "1", "--nthreads", "1")
    with process("dask", "worker", *LOOPBACK, *one, environment=OF_WORKERS):
        yield


async def count(engine: Engine, workers: int) -> None:
    """Wait until there are so many workers."""
    async with asyncio.timeout(SOON):
        while await engine.workers() != workers:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.05)


@pytest.fixture(scope="module")
def head() -> Iterator[str]:
    """Start a Ray cluster of one node; give its address."""
    node = ("--head", "--block", "--include-dashboard", "false", "--num-cpus", "2")
    with TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        place = ("--port", "0", "--temp-dir", folder)
        with process("ray", "start", *node, *place, end=signal.SIGTERM) as child:
            assert child.stdout
            assert any("will now block forever" in line for line in child.stdout)
            yield Path(folder, "ray_current_cluster").read_text()


@contextmanager
def dask_scheduler(**environment: str) -> Iterator[str]:
    """Run a Dask scheduler; give its address."""
    with TemporaryDirectory() as folder:
        file = Path(folder, "scheduler.json")
        place = (*LOOPBACK, "--port", "0", "--scheduler-file", str(file))
        with process("dask", "scheduler", *place, environment=environment):
            yield address_in(file)


def address_in(file: Path) -> str:
    """Wait until a scheduler has written down where it is."""
    limit = time.monotonic() + SOON
    while time.monotonic() < limit:
        with suppress(OSError, ValueError):
            return str(json.loads(file.read_text())["address"])
        time.sleep(0.02)
    raise TimeoutError(file)


@pytest.fixture(scope="module")
def scheduler() -> Iterator[str]:
    """Start a Dask scheduler and two workers; give its address."""
    with (
        dask_scheduler() as address,
        dask_worker(address),
        dask_worker(address),
    ):
        yield address


class TestProcessEngine(EngineConformance):
    """Children of this process."""

    @pytest.fixture
    async def engine(self) -> AsyncIterator[Engine]:
        async with ProcessEngine(2, command=PROGRAM) as engine:
            yield engine

    async def test_a_program_that_cannot_start_comes_back_as_lost(
        self, engine: Engine, drain: asyncio.Event
    ) -> None:
        ended = await engine.run(errand("x" * 3_000_000), drain)
        assert ended.exit_code is None
        assert "cannot start the program" in ended.stderr[0]

    async def test_what_has_not_begun_does_not_begin_once_it_drains(
        self, engine: Engine, host: Host, drain: asyncio.Event
    ) -> None:
        runs = [asyncio.create_task(engine.run(host.stay(), drain)) for _ in range(3)]
        visits = [await host.visit(), await host.visit()]
        drain.set()
        for visit in visits:
            assert await visit.told()
            visit.let_go()
        assert [(await run).exit_code for run in runs] == [143] * 3
        assert host.visits.empty()


class TestProgram:
    """A child of a worker."""

    async def test_what_does_not_obey_is_killed(self) -> None:
        program = Program(PROGRAM, kill_after=0.01)
        async with Host().open() as host:
            run = asyncio.create_task(asyncio.to_thread(program.run, host.stay()))
            await host.visit()
            program.kill()
            assert (await run).exit_code == -signal.SIGKILL

    def test_a_program_without_a_summary_has_none(self) -> None:
        ended = Program(("-c", "print('no summary')")).run(errand())
        assert ended == Ended(exit_code=0)

    def test_a_program_told_to_end_before_it_began_does_not_begin(self) -> None:
        program = Program(PROGRAM)
        program.terminate()
        program.kill()
        assert program.run(errand("end", 0)) == Ended(exit_code=143)


class TestDaskEngine(ClusterConformance):
    """A scheduler and two workers, each a process of its own."""

    @pytest.fixture
    async def engine(self, scheduler: str) -> AsyncIterator[Engine]:
        async with DaskEngine(scheduler, command=PROGRAM) as engine:
            await count(engine, 2)
            yield engine

    async def test_the_environment_is_the_worker_s_own(
        self, engine: Engine, drain: asyncio.Event
    ) -> None:
        ended = await engine.run(errand("end", 0), drain)
        assert ended.summary is not None
        assert ended.summary["key"] == "of-the-worker"

    async def test_a_worker_that_joins_late_gets_work(
        self, engine: Engine, host: Host, drain: asyncio.Event, scheduler: str
    ) -> None:
        runs = [asyncio.create_task(engine.run(host.stay(), drain)) for _ in range(2)]
        visits = [await host.visit(), await host.visit()]
        with ExitStack() as stack:
            late = stack.enter_context(ExitStack())
            late.enter_context(dask_worker(scheduler))
            await count(engine, 3)
            runs.append(asyncio.create_task(engine.run(host.stay(), drain)))
            visits.append(await host.visit())
            assert len({visit.parent for visit in visits}) == 3
            for visit in visits:
                visit.let_go()
            assert [(await run).exit_code for run in runs] == [0, 0, 0]
            # In a thread: a client that cannot say meanwhile that it has its result
            # has it computed anew, elsewhere.
            await asyncio.to_thread(late.close)
            await count(engine, 2)

    async def test_a_cluster_can_be_started_here(
        self, host: Host, drain: asyncio.Event
    ) -> None:
        async with DaskEngine(workers=2, command=PROGRAM) as engine:
            await self.test_it_counts_its_workers(engine)
            await self.test_nothing_listens_beyond_this_machine(engine, host, drain)

    async def test_what_the_scheduler_gives_up_comes_back_as_lost(
        self, host: Host, drain: asyncio.Event
    ) -> None:
        with (
            dask_scheduler(DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES="0") as there,
            dask_worker(there),
        ):
            async with DaskEngine(there, command=PROGRAM) as engine:
                await count(engine, 1)
                run = asyncio.create_task(engine.run(host.stay(), drain))
                os.kill((await host.visit()).parent, signal.SIGKILL)
                ended = await run
        assert ended.exit_code is None
        assert ended.stderr[0].startswith("KilledWorker: ")

    async def test_a_scheduler_that_dies_takes_the_errand_along(
        self, host: Host, drain: asyncio.Event
    ) -> None:
        with ExitStack() as stack:
            gone = stack.enter_context(ExitStack())
            there = gone.enter_context(dask_scheduler())
            stack.enter_context(dask_worker(there))
            async with DaskEngine(there, command=PROGRAM, connect=3.0) as engine:
                await count(engine, 1)
                run = asyncio.create_task(engine.run(host.stay(), drain))
                visit = await host.visit()
                await asyncio.to_thread(gone.close)
                assert (await run).exit_code is None
                visit.let_go()
                with pytest.raises(EngineError, match="the Dask scheduler is gone"):
                    await engine.workers()

    async def test_a_scheduler_that_is_not_there_is_an_error(self) -> None:
        with pytest.raises(UsageError, match="no Dask scheduler answers at"):
            async with DaskEngine(f"tcp://{NOBODY}", connect=0.5):
                pass


class TestRayEngine(ClusterConformance):
    """A head node, run apart; its errands are processes of their own."""

    @pytest.fixture
    async def engine(self, head: str) -> AsyncIterator[Engine]:
        async with RayEngine(head, command=PROGRAM) as engine:
            await count(engine, 2)
            yield engine

    async def test_a_cluster_can_be_started_here(
        self, host: Host, drain: asyncio.Event
    ) -> None:
        async with RayEngine(workers=2, command=PROGRAM) as engine:
            await self.test_it_counts_its_workers(engine)
            await self.test_nothing_listens_beyond_this_machine(engine, host, drain)

    async def test_a_cluster_that_is_not_there_is_an_error(self) -> None:
        with pytest.raises(UsageError, match="no Ray cluster answers at"):
            async with RayEngine(NOBODY):
                pass


@pytest.mark.parametrize(
    ("module", "engine", "library"),
    [("dask", "DaskEngine", "distributed"), ("ray", "RayEngine", "ray")],
)
def test_an_extra_that_is_not_installed_is_named(
    module: str, engine: str, library: str
) -> None:
    code = f"""
import asyncio, sys
from batcher.engines.{module} import {engine}
assert {library!r} not in sys.modules
sys.modules[{library!r}] = None
asyncio.run({engine}().__aenter__())
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    words = f"pip install 'batcher[{module}]'"
    assert done.stderr.splitlines()[-1].endswith(words)


class Silence:
    """Hears and says nothing."""

    def workers(self, number: int) -> None: ...

    def shard_began(self, part: int, tries: int) -> None: ...

    def shard_ended(self, outcome: ShardOutcome, delay: float | None) -> None: ...


async def test_a_dispatcher_sees_more_shards_than_workers_through() -> None:
    async with ProcessEngine(2, command=PROGRAM) as engine:
        dispatcher = Dispatcher(
            engine, arguments=("end", "0"), parts=5, listener=Silence()
        )
        outcomes = await dispatcher.run()
    assert [it.fate for it in outcomes] == [Fate.DONE] * 5


async def test_a_dispatcher_drains_what_runs() -> None:
    async with Host().open() as host, ProcessEngine(2, command=PROGRAM) as engine:
        stay = ("stay", str(host.port))
        dispatcher = Dispatcher(engine, arguments=stay, parts=3, listener=Silence())
        run = asyncio.create_task(dispatcher.run())
        visits = [await host.visit(), await host.visit()]
        dispatcher.drain()
        for visit in visits:
            assert await visit.told()
            visit.let_go()
        outcomes = await run
    codes = [it.ended.exit_code if it.ended else None for it in outcomes]
    assert codes == [143, 143, None]

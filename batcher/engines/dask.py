"""Runs errands on the workers of a Dask cluster.

Dask runs an errand again by itself when its worker dies, on another worker and unseen
from here, until `distributed.scheduler.allowed-failures` (3) workers have died of it;
only then does it come back without an exit code. Nothing else is repeated here.
"""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import CancelledError  # Dask's; asyncio's is another
from contextlib import AsyncExitStack, suppress
from typing import TYPE_CHECKING, Self, cast
from uuid import uuid4

from batcher.engines.engine import COMMAND, Ended, EngineError, Errand
from batcher.engines.escort import escort
from batcher.engines.program import Program
from batcher.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Awaitable
    from types import TracebackType

    from distributed import Future

__all__ = ["DaskEngine"]

ANSWER = 10.0
"""Seconds that word from a worker is waited for; one that is frozen gives none."""


class DaskEngine:
    """See `Engine`; a worker is a thread of a Dask worker, best one to a process.

    Args:
        address: The scheduler's, such as `tcp://head:8786` or `tls://…`, whose
            certificates Dask's own configuration names; None starts a cluster here,
            on the loopback interface alone.
        workers: How many processes to start here; None leaves it to Dask.
        command: What a worker's Python is started with, before the arguments.
        connect: Seconds the scheduler may take to answer at first.
    """

    def __init__(
        self,
        address: str | None = None,
        *,
        workers: int | None = None,
        command: tuple[str, ...] = COMMAND,
        connect: float = 15.0,
    ) -> None:
        self._address = address
        self._connect = connect
        self._workers = workers
        self._command = command
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        try:
            import distributed  # noqa: PLC0415 - an extra
        except ImportError:
            raise UsageError(
                "--engine dask needs Dask: pip install 'batcher[dask]'"
            ) from None
        async with self._stack:
            address = self._address or await self._started()
            try:
                client = distributed.Client(  # type: ignore[no-untyped-call] # theirs
                    address,
                    asynchronous=True,
                    set_as_default=False,
                    timeout=self._connect,
                )
                self._client = await self._stack.enter_async_context(client)
            except (OSError, ValueError) as error:
                raise UsageError(
                    f"no Dask scheduler answers at {address!r}: {error}"
                ) from error
            self._stack = self._stack.pop_all()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._stack.aclose()

    async def workers(self) -> int:
        """Count the threads of the workers."""
        try:
            return sum((await self._client.nthreads()).values())
        except (OSError, ValueError) as error:
            raise EngineError(f"the Dask scheduler is gone: {error}") from error

    async def run(self, errand: Errand, drain: asyncio.Event) -> Ended:
        """Submit an errand; see `Engine.run`."""
        key = f"batcher-{errand.part}-of-{errand.parts}-{uuid4().hex}"
        future = self._client.submit(
            run_program, key, errand, self._command, key=key, pure=False
        )

        async def terminate() -> None:
            await self._tell(key, "terminate")

        async def kill() -> None:
            await self._tell(key, "kill")

        ended = asyncio.create_task(_ended(future), name=key)
        try:
            return await escort(ended, drain, terminate=terminate, kill=kill)
        finally:
            ended.cancel()
            future.release()

    async def _started(self) -> str:
        """Start a cluster of processes on this machine; give its address.

        The addresses keep every port on loopback: with no dashboard at all, Dask
        would still open one on every interface (distributed 2026.8).
        """
        from distributed import LocalCluster  # noqa: PLC0415 - an extra

        cluster = LocalCluster(  # type: ignore[no-untyped-call] # theirs
            n_workers=self._workers,
            threads_per_worker=1,
            processes=True,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
            asynchronous=True,
            silence_logs=logging.ERROR,
        )
        await self._stack.enter_async_context(cluster)
        return str(cluster.scheduler_address)

    async def _tell(self, key: str, order: str) -> None:
        """Tell the program of an errand, wherever it runs just now."""
        with suppress(OSError, ValueError, TimeoutError):
            async with asyncio.timeout(ANSWER):
                busy = await self._client.processing()
                there = [worker for worker, keys in busy.items() if key in keys]
                if there:
                    await self._client.run(
                        tell_program, key, order, workers=there, on_error="ignore"
                    )


_programs: dict[str, Program] = {}
"""What runs in this process, where it is a worker's, by the key of its errand."""


def run_program(key: str, errand: Errand, command: tuple[str, ...]) -> Ended:
    """Run an errand; on a worker."""
    try:
        return _programs.setdefault(key, Program(command)).run(errand)
    finally:
        del _programs[key]


def tell_program(key: str, order: str) -> None:
    """Tell the program of an errand, if it runs in this process; on a worker."""
    program = _programs.get(key)
    if program is not None:
        getattr(program, order)()


async def _ended(future: Future[Ended]) -> Ended:
    """Wait for an errand; what the cluster did to it is an end like any other."""
    failing: Awaitable[BaseException | None] = future.exception()  # type: ignore[no-untyped-call] # theirs
    error = await failing
    try:
        if error is None:
            return cast("Ended", await future)
    except (CancelledError, OSError) as lost:
        error = lost
    words = f"{type(error).__name__}: {error}"
    return Ended(exit_code=None, stderr=tuple(words.splitlines()))

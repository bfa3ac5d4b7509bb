"""Runs errands as child processes on this machine, without a cluster.

For a folder that one process cannot serve alone, and for rehearsing a fleet.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Self

from batcher.engines.engine import COMMAND, Ended, Errand
from batcher.engines.escort import escort
from batcher.engines.program import Program

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ["ProcessEngine"]


class ProcessEngine:
    """See `Engine`; a worker is a thread that waits for a child.

    Args:
        workers: How many errands run at once.
        command: What Python is started with, before an errand's arguments.
    """

    def __init__(self, workers: int, *, command: tuple[str, ...] = COMMAND) -> None:
        self._workers = workers
        self._command = command
        # A child dies with the thread that began it: threads of our own, which stay.
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="errand")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def workers(self) -> int:
        """Count the threads."""
        return self._workers

    async def run(self, errand: Errand, drain: asyncio.Event) -> Ended:
        """Start an errand; see `Engine.run`."""
        program = Program(self._command)
        loop = asyncio.get_running_loop()

        async def terminate() -> None:
            program.terminate()

        async def kill() -> None:
            program.kill()

        ended = loop.run_in_executor(self._threads, _run, program, errand)
        return await escort(ended, drain, terminate=terminate, kill=kill)


def _run(program: Program, errand: Errand) -> Ended:
    try:
        return program.run(errand)
    except OSError as error:
        return Ended(exit_code=None, stderr=(f"cannot start the program: {error}",))

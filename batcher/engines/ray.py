"""Runs errands on a Ray cluster: each one an actor, which Ray does not start anew.

An actor rather than a task: it can be told something while it runs. An errand whose
node or process is lost comes back without an exit code. A node that is frozen but not
dead is not given up by Ray (2.60): its errand is waited for.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

from batcher.engines.engine import COMMAND, Ended, EngineError, Errand
from batcher.engines.escort import escort
from batcher.engines.program import Program
from batcher.errors import UsageError

if TYPE_CHECKING:
    from types import ModuleType, TracebackType

    from ray import ObjectRef

__all__ = ["RayEngine"]

CPUS = 1
"""Processors that an errand reserves, though it waits for the network, mostly."""

ANSWER = 15.0
"""Seconds a cluster may take to answer at first."""

THREADS = 3
"""Calls an actor takes at once: its run, and two orders."""

_HERE = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
"""Read by Ray when it is imported: tell nobody, and listen on loopback alone."""


class RayEngine:
    """See `Engine`; a worker is a processor of a node.

    Args:
        address: `auto` inside a cluster, or `ray://head:10001`; None starts one here,
            on the loopback interface alone.
        workers: How many to make room for when one is started here; None leaves it to
            the number of processors.
        command: What a worker's Python is started with, before the arguments.
    """

    def __init__(
        self,
        address: str | None = None,
        *,
        workers: int | None = None,
        command: tuple[str, ...] = COMMAND,
    ) -> None:
        self._address = address
        self._workers = workers
        self._command = command

    async def __aenter__(self) -> Self:
        self._ray = ray = _ray(is_here=self._address is None)
        where = "here" if self._address is None else f"at {self._address!r}"
        try:
            await asyncio.to_thread(self._connect)
        except (OSError, RuntimeError, ValueError) as error:
            ray.shutdown()
            raise UsageError(f"no Ray cluster answers {where}: {error}") from error
        options = {
            "num_cpus": CPUS,
            "max_concurrency": THREADS,
            "max_restarts": 0,
        }
        self._actor = ray.remote(**options)(Program)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await asyncio.to_thread(self._ray.shutdown)

    async def workers(self) -> int:
        """Count the processors."""
        try:
            there = await asyncio.to_thread(self._ray.cluster_resources)
        except (self._ray.exceptions.RayError, OSError, RuntimeError) as error:
            raise EngineError(f"the Ray cluster is gone: {error}") from error
        return int(there.get("CPU", 0) / CPUS)

    async def run(self, errand: Errand, drain: asyncio.Event) -> Ended:
        """Submit an errand; see `Engine.run`."""
        actor = self._actor.remote(self._command)
        run = actor.run.remote(errand)

        async def terminate() -> None:
            actor.terminate.remote()

        async def kill() -> None:
            actor.kill.remote()

        ended = asyncio.create_task(self._ended(run), name=f"shard {errand.part}")
        try:
            return await escort(ended, drain, terminate=terminate, kill=kill)
        finally:
            ended.cancel()
            self._ray.kill(actor)

    def _connect(self) -> None:
        place = urlsplit(f"//{self._address}".replace("//ray://", "//"))
        if place.hostname and place.port:
            # Ray itself would try for two minutes (2.60).
            socket.create_connection((place.hostname, place.port), ANSWER).close()
        options: dict[str, object] = {}
        if self._address is None:
            options = {"num_cpus": self._workers, "include_dashboard": False}
        self._ray.init(
            self._address or "local",
            log_to_driver=False,
            logging_level=logging.ERROR,
            **options,
        )

    async def _ended(self, run: ObjectRef[Ended]) -> Ended:
        """Wait for an errand; what the cluster did to it is an end like any other."""
        try:
            return await run
        except self._ray.exceptions.RayError as error:
            words = f"{type(error).__name__}: {error}"
            return Ended(exit_code=None, stderr=tuple(words.splitlines()))


def _ray(*, is_here: bool) -> ModuleType:
    """Import Ray, which reads its settings from the environment as it is."""
    for name, value in _HERE.items() if is_here else ():
        os.environ.setdefault(name, value)
    try:
        import ray  # noqa: PLC0415 - an extra
    except ImportError:
        raise UsageError("--engine ray needs Ray: pip install 'batcher[ray]'") from None
    return ray

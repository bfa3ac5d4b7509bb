"""The words between a fleet's driver and the cluster that runs its shards.

Knows no cluster library and no image: a shard's run is the ordinary program, started
on a worker's machine with a command line, and ended by a signal.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol, Self

import msgspec

from batcher.errors import BatcherError

if TYPE_CHECKING:
    import asyncio
    from types import TracebackType

__all__ = ["COMMAND", "Ended", "Engine", "EngineError", "Errand", "errand_of"]

COMMAND = ("-m", "batcher")
"""What the Python of a worker's machine is started with, before the arguments."""


class EngineError(BatcherError):
    """The cluster is gone for good; shards that were begun may still be running."""


class Errand(msgspec.Struct, frozen=True, kw_only=True):
    """One shard's run, to be done by some worker.

    Attributes:
        part: Which shard, from 1.
        parts: How many shards there are.
        arguments: The command line without the program's name. It passes through the
            cluster's scheduler and its logs: it never holds a secret.
    """

    part: int
    parts: int
    arguments: tuple[str, ...]


class Ended(msgspec.Struct, frozen=True, kw_only=True):
    """How an errand ended.

    Attributes:
        exit_code: The program's (README, Exit codes); negative, the signal that killed
            it; None when nobody knows: the worker was lost, or could not start it.
        stderr: The last lines that the program wrote there, or why nobody knows.
        summary: What `--json` printed, if it did.
    """

    exit_code: int | None
    stderr: tuple[str, ...] = ()
    summary: Mapping[str, object] | None = None


class Engine(Protocol):
    """Runs errands on workers; an async context manager that opens the cluster.

    A worker is room for one errand. One engine serves one event loop; its methods may
    be called at once from many asyncio tasks.

    An errand whose worker was lost may be run again elsewhere by the cluster, unseen
    (Dask does), or come back without an exit code (Ray's do). Either is safe: a shard
    is fenced by its lease, and goes on from its ledger.
    """

    async def __aenter__(self) -> Self:
        """Open the cluster, or connect to it.

        Raises:
            UsageError: The extra is not installed, or nobody answers at the address.
        """
        ...

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Disconnect, and end what was started here."""
        ...

    async def workers(self) -> int:
        """Count the workers there are now; they may come and go.

        Raises:
            EngineError: The cluster is gone for good.
        """
        ...

    async def run(self, errand: Errand, drain: asyncio.Event) -> Ended:
        """Have a worker run an errand, and see it end.

        Submitted twice, it runs twice. Once `drain` is set the program is told to end
        (SIGTERM: what is in flight comes in, for it is paid for), and killed if it has
        not ended some minutes later. Cancelling tells it a second time (what is in
        flight is given up and written down as unknown), kills it soon after, and
        raises when it has ended.
        """
        ...


def errand_of(arguments: tuple[str, ...], part: int, parts: int) -> Errand:
    """Make the errand of one shard.

    Args:
        arguments: `run MANIFEST… --out URL …`, as the user would give them.
        part: Which shard, from 1.
        parts: How many shards there are.
    """
    shard = ("--shard", f"{part}/{parts}", "--wait-for-shard", "--quiet", "--json")
    return Errand(part=part, parts=parts, arguments=(*arguments, *shard))

"""The ways to the gateways: endpoints, their keys, and what holds along each.

One endpoint with one key is the common case and has one governor; several are a
rotation, with one budget for all.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from batcher.config import Endpoint, Secret
from batcher.governor import Account, Budget, Governor, Limits, Rotation
from batcher.transport import HttpTransport, Routes
from batcher.version import VERSION

if TYPE_CHECKING:
    from batcher.pricing import Price
    from batcher.sandbox import SandboxOptions


class Way(msgspec.Struct, frozen=True, kw_only=True):
    """An endpoint, and its keys by the names that the ledger knows them by."""

    endpoint: Endpoint
    keys: Mapping[str, Secret]

    def leading_to(self, sandbox_url: str) -> Way:
        """Give the way, to where the sandbox listens if that is where it leads."""
        if not self.endpoint.is_built_in:
            return self
        return replace(self, endpoint=replace(self.endpoint, base_url=sandbox_url))


@asynccontextmanager
async def with_sandbox(
    ways: tuple[Way, ...], options: SandboxOptions | None
) -> AsyncIterator[tuple[Way, ...]]:
    """Start the built-in sandbox, if a way leads there; say where it listens."""
    if not any(way.endpoint.is_built_in for way in ways):
        yield ways
        return
    # Other runs begin sooner without it.
    from batcher.sandbox import Sandbox, SandboxOptions  # noqa: PLC0415

    async with Sandbox(options or SandboxOptions()) as sandbox:
        yield tuple(way.leading_to(sandbox.base_url) for way in ways)


def open_routes(ways: tuple[Way, ...]) -> Routes:
    """Make a transport for every key of every endpoint; open it as a context."""
    return Routes(
        {
            name: HttpTransport(way.endpoint.base_url, key, agent=f"batcher/{VERSION}")
            for way in ways
            for name, key in way.keys.items()
        }
    )


def make_governor(
    ways: tuple[Way, ...],
    limits: Limits,
    *,
    budget: Budget,
    now: float,
    random: Callable[[], float],
) -> Governor | Rotation:
    """Make what decides when the next request may leave, and along which way.

    Args:
        ways: Where requests may leave; each of several keeps to its own pace, too.
        limits: What the user allows to all together.
        budget: What was spent, for all.
        now: The time.
        random: Gives numbers from 0 to 1, for all jitter.
    """
    governors = [Governor(limits, now=now, random=random, budget=budget) for _ in ways]
    if len(ways) == 1 and len(ways[0].keys) == 1:
        return governors[0]
    # Alone, what an endpoint sets is among the limits, or was beaten by the user.
    own = [way.endpoint.pace() if len(ways) > 1 else {} for way in ways]
    accounts = [
        Account(governor, tuple(way.keys), **pace)
        for governor, way, pace in zip(governors, ways, own, strict=True)
    ]
    return Rotation(accounts, limits, now=now)


def prices_by_route(ways: tuple[Way, ...]) -> dict[str, tuple[Price, ...]]:
    """Give the prices along every route."""
    return {name: way.endpoint.prices for way in ways for name in way.keys}

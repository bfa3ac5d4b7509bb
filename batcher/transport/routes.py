"""Several transports as one: each key of each endpoint is a route with a name."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from batcher.models import Failure
    from batcher.stores import Partial
    from batcher.transport.exchange import Begin
    from batcher.transport.http import HttpTransport, Received


class Routes:
    """Sends along the route it is told, by default the first; a context manager.

    Args:
        transports: By the names that the ledger knows them by; the first is the
            endpoint that the user named.
    """

    def __init__(self, transports: Mapping[str, HttpTransport]) -> None:
        self._transports = dict(transports)
        self._first = next(iter(self._transports.values()))
        self._resources = AsyncExitStack()

    async def __aenter__(self) -> Self:
        """Open every transport."""
        for transport in self._transports.values():
            await self._resources.enter_async_context(transport)
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close all connections."""
        await self._resources.aclose()

    def along(self, route: str) -> HttpTransport:
        """Give the transport of a route."""
        return self._transports.get(route, self._first)

    async def post(
        self,
        body: bytes,
        *,
        seconds: float,
        begin: Begin,
        may_leave: Callable[[], bool] = lambda: True,
    ) -> Received:
        """Send along the first route."""
        return await self._first.post(
            body, seconds=seconds, begin=begin, may_leave=may_leave
        )

    async def fetch(
        self, url: str, partial: Partial, *, seconds: float
    ) -> Failure | None:
        """Fetch along the first route."""
        return await self._first.fetch(url, partial, seconds=seconds)

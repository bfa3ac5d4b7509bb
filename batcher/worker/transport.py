"""What the life of a request asks of whoever sends it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from batcher.models import Failure
    from batcher.stores import Partial
    from batcher.transport import Begin, Received


class Transport(Protocol):
    """Sends requests and fetches images; safe to call at once from many tasks."""

    def along(self, route: str) -> Transport:
        """Give the same along one route, see `governor.Rotation`."""

    async def post(
        self,
        body: bytes,
        *,
        seconds: float,
        begin: Begin,
        may_leave: Callable[[], bool],
    ) -> Received:
        """Send one request, once; raises `StoreError` only.

        `may_leave` is asked when it is about to leave, with nothing awaited between.
        """

    async def fetch(
        self, url: str, partial: Partial, *, seconds: float
    ) -> Failure | None:
        """Fetch one image, once; raises `StoreError` only."""

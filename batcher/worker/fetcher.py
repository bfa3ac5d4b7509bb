"""Fetches the images that a reply names and does not hold."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

from batcher.models import Failure

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from batcher.models import Request
    from batcher.stores import Partial, Store
    from batcher.worker.numbering import Numbering
    from batcher.worker.terms import Terms
    from batcher.worker.transport import Transport

DOWNLOAD_SECONDS = 300.0
DOWNLOAD_TRIES = 5


class Fetcher:
    """Fetches paid images into a store.

    Args:
        store: Where they grow.
        terms: Gives the jitter between tries.
    """

    def __init__(self, store: Store, terms: Terms) -> None:
        self._store = store
        self._terms = terms

    async def fetch(
        self, request: Request, attempt: int, numbering: Numbering, *, via: Transport
    ) -> tuple[dict[int, Partial], Failure | None]:
        """Fetch images, by index; say of those that did not come the best hope.

        Args:
            request: Whose images they are.
            attempt: Which brought the URLs.
            numbering: Where each is, and what number it gets.
            via: The route they came along.
        """
        came: dict[int, Partial] = {}
        lost: Failure | None = None
        for number, url in numbering.urls.items():
            begin = partial(self._store.begin, request.id, attempt, number)
            fetched = await self._fetch_one(url, begin, via)
            if not isinstance(fetched, Failure):
                came[number] = fetched
            elif lost is None or lost.final:
                lost = fetched
        return numbering.by_index(came), lost

    async def _fetch_one(
        self, url: str, begin: Callable[[], Awaitable[Partial]], via: Transport
    ) -> Partial | Failure:
        """Fetch one image, with tries of its own."""
        tries = 0
        while True:
            image = await begin()
            try:
                failure = await via.fetch(url, image, seconds=DOWNLOAD_SECONDS)
            except BaseException:
                await image.discard()
                raise
            if failure is None:
                return image
            await image.discard()
            tries += 1
            if failure.final or tries == DOWNLOAD_TRIES:
                return failure
            await asyncio.sleep(self._terms.chance() * min(30.0, 2.0**tries))

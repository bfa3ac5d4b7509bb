"""Fetches the images that a reply names and does not hold."""

from __future__ import annotations

import asyncio
from functools import partial
from itertools import count
from typing import TYPE_CHECKING

from msgspec.structs import replace

from batcher.models import Failure
from batcher.stores import Draft
from batcher.worker.patience import is_gone, longest_delay

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping

    from batcher.models import Request
    from batcher.stores import Partial, Store
    from batcher.worker.numbering import Numbering
    from batcher.worker.terms import Terms
    from batcher.worker.transport import Transport

DOWNLOAD_SECONDS = 300.0

LOST_URL = "lost_url"
"""Warning of a kept request: it paid for an image whose URL gave none. Which one, the
indexes of those that are kept tell."""


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
        self,
        request: Request,
        attempt: int,
        numbering: Numbering,
        *,
        via: Transport,
        is_new: bool,
    ) -> tuple[dict[int, Partial], Failure | None]:
        """Fetch images, by index; say of those that did not come the best hope.

        Asks one URL after the other, and in a next round those that may give it yet:
        they are waited for together, and one that answers slowly delays the others.

        Args:
            request: Whose images they are.
            attempt: Which brought the URLs.
            numbering: Where each is, and what number it gets.
            via: The route they came along.
            is_new: The URLs have come in this run.

        Returns:
            What came, and a failure when something did not; it is `final` when all of
            that is gone for good.
        """
        came: dict[int, Partial] = {}
        lost: dict[int, Failure] = {}
        awaited = [*numbering.urls]
        for tries in count(1):
            for number in awaited:
                begin = partial(self._store.begin, request.id, attempt, number)
                fetched = await _fetch_one(numbering.urls[number], begin, via)
                if isinstance(fetched, Failure):
                    lost[number] = fetched
                else:
                    came[number] = fetched
                    lost.pop(number, None)
            delays = _delays(lost, tries, is_new=is_new)
            if not delays:
                break
            await asyncio.sleep(self._terms.chance() * max(delays.values()))
            awaited = [*delays]
        return numbering.by_index(came), _best_hope(lost.values(), is_new=is_new)


async def is_short(
    request: Request, came: Mapping[int, Partial], lost: Failure
) -> bool:
    """Tell whether a request cannot end with the images that came.

    They are too few, and either others may come yet or there are none.
    """
    drafts = [await image.finish() for image in came.values()]
    whole = sum(isinstance(draft, Draft) for draft in drafts)
    return whole < request.n and not (whole and lost.final)


async def _fetch_one(
    url: str, begin: Callable[[], Awaitable[Partial]], via: Transport
) -> Partial | Failure:
    """Fetch one image, once."""
    image = await begin()
    try:
        failure = await via.fetch(url, image, seconds=DOWNLOAD_SECONDS)
    except BaseException:
        await image.discard()
        raise
    if failure is None:
        return image
    await image.discard()
    return failure


def _delays(
    lost: Mapping[int, Failure], tries: int, *, is_new: bool
) -> dict[int, float]:
    """Give, by number, how long at most to wait for those that are asked for again."""
    delays = {
        number: longest_delay(it, tries, is_new=is_new) for number, it in lost.items()
    }
    return {number: delay for number, delay in delays.items() if delay is not None}


def _best_hope(lost: Iterable[Failure], *, is_new: bool) -> Failure | None:
    """Give the failure of what may come yet; if of none, one that is `final`."""
    judged = (replace(it, final=is_gone(it, is_new=is_new)) for it in lost)
    return min(judged, key=lambda failure: failure.final, default=None)

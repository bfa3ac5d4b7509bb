"""Takes up what an earlier run has paid for: half kept, or at its URL still."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batcher.stores import Draft
from batcher.worker.arrival import Arrival
from batcher.worker.fetcher import LOST_URL, is_short
from batcher.worker.numbering import Numbering

if TYPE_CHECKING:
    from batcher.ledger import ReplyLine, Standing
    from batcher.models import Request
    from batcher.stores import Partial, Store
    from batcher.worker.fetcher import Fetcher
    from batcher.worker.keeper import Keeper
    from batcher.worker.recorder import Recorder
    from batcher.worker.terms import Terms
    from batcher.worker.transport import Transport


class Recovery:
    """Makes good for a process that ended in the middle of a request.

    A standing does not tell the route of its attempt: prices are the first one's, and
    so is what fetches.

    Args:
        store: Where images may lie that have no name yet.
        transport: Fetches.
        fetcher: Fetches what is at URLs.
        keeper: Keeps what there is.
        record: Where it is written down.
        terms: The prices, and what is to be sent again.
    """

    def __init__(
        self,
        *,
        store: Store,
        transport: Transport,
        fetcher: Fetcher,
        keeper: Keeper,
        record: Recorder,
        terms: Terms,
    ) -> None:
        self._store = store
        self._transport = transport
        self._fetcher = fetcher
        self._keeper = keeper
        self._record = record
        self._terms = terms

    async def take_up(self, request: Request, standing: Standing) -> bool:
        """Take up what may have been paid for; true when nothing is left to do."""
        line = standing.reply
        # A frozen worker's line may come late, and be of an attempt before the last.
        is_of_last = line is not None and line.attempt >= standing.attempts
        if not is_of_last and await self._adopt(request, standing.attempts):
            return True
        if line is not None:
            return await self._complete(request, line)
        return not self._terms.choice.sends(standing)

    async def _adopt(self, request: Request, attempt: int) -> bool:
        """Keep images that came inside a reply; true when all of them are whole."""
        whole = await self._whole(request, attempt)
        if len(whole) < request.n:
            return False
        arrival = Arrival().warned("adopted")
        arrival = arrival.priced(request, self._terms.prices, len(whole))
        return await self._keeper.keep(request, whole, arrival) is None

    async def _complete(self, request: Request, line: ReplyLine) -> bool:
        """Fetch what is missing of a reply; true when nothing is left to do."""
        whole = await self._whole(request, line.attempt)
        numbering = Numbering.again(line, whole, request.n)
        came = numbering.by_index(whole)
        arrival = Arrival.again(line)
        arrival = arrival.priced(request, self._terms.prices, numbering.images)
        if came:
            arrival = arrival.warned("adopted")
        fetched, lost = await self._fetcher.fetch(
            request,
            line.attempt,
            numbering.missing(came),
            via=self._transport,
            is_new=False,
        )
        came |= fetched
        if lost is not None:
            if await is_short(request, came, lost):
                if lost.final and self._terms.choice.buy_lost_urls:
                    return False
                self._record.lose(request, lost, arrival)
                return True
            arrival = arrival.warned(LOST_URL)
        return await self._keeper.keep(request, came, arrival) is None

    async def _whole(self, request: Request, attempt: int) -> dict[int, Partial]:
        """Find the images of an attempt that are whole, by number."""
        found = await self._store.recover(request.id, attempt)
        return {
            number: image
            for number, image in found.items()
            if isinstance(await image.finish(), Draft)
        }

"""The life of one request: wait, announce, send, keep, record, or try again.

Reads top to bottom as `Worker.live`. What follows a failure is `retry`'s to say, when
to leave is the gate's, what a reply means is the transport's, what is written down the
recorder's.
"""

from __future__ import annotations

import asyncio
import contextlib
from functools import partial
from typing import TYPE_CHECKING, Protocol

from batcher.errors import StoreError
from batcher.governor import Admission, Outcome
from batcher.models import ErrorClass, Failure, Request, Status
from batcher.payload import PayloadError, payload
from batcher.pricing import cost
from batcher.retry import Decision, Next, decide, uses_attempt
from batcher.stores import Draft, Partial, Store
from batcher.worker.arrival import Arrival
from batcher.worker.keeper import Keeper, unpack
from batcher.worker.recorder import Recorder

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from decimal import Decimal

    from batcher.gate import Gate
    from batcher.ledger import Ledger, ReplyLine, Standing
    from batcher.observer import RequestObserver
    from batcher.transport import Begin, Received
    from batcher.worker.terms import Terms

DOWNLOAD_SECONDS = 300.0
DOWNLOAD_TRIES = 5

DROPPABLE = frozenset({"response_format"})
"""Fields that only say how to reply; GPT image channels of OpenAI refuse this one."""

INTERRUPTED = Failure(
    error_class=ErrorClass.AMBIGUOUS, message="interrupted before its outcome was known"
)
CUT_OFF = Outcome(failure=INTERRUPTED)
"""What becomes of an admission whose attempt was sent and then left alone."""

HELD_BACK = Failure(
    error_class=ErrorClass.LEASE, message="held back: this shard is another's by now"
)


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


class Worker:
    """Lives requests, many at once, with what they share.

    Args:
        transport: Sends and fetches.
        store: Keeps images.
        ledger: Written before each POST, and after everything that happens.
        gate: Where to wait for leave.
        terms: What is the same for all requests of the run.
        observer: Is told what happens.
    """

    def __init__(
        self,
        *,
        transport: Transport,
        store: Store,
        ledger: Ledger,
        gate: Gate,
        terms: Terms,
        observer: RequestObserver[Request],
    ) -> None:
        self._transport = transport
        self._store = store
        self._record = Recorder(ledger, terms, observer)
        self._keeper = Keeper(terms, self._record)
        self._gate = gate
        self._terms = terms
        self._unwanted: set[str] = set()

    def notes(self) -> tuple[str, ...]:
        """Say what the user should know of how it went."""
        verdict = self._record.cuts.verdict()
        return () if verdict is None else (verdict,)

    async def live(self, request: Request) -> None:
        """See one request to its end, or to where the run stops.

        Raises:
            StoreError: The ledger or the store refuses; nothing kept is lost.
        """
        standing = self._record.standing(request)
        if standing is not None and standing.is_open:
            if await self._take_up(request, standing):
                return
        elif not self._terms.choice.sends(standing):
            return
        await self._try(request)

    async def _take_up(self, request: Request, standing: Standing) -> bool:
        """Take up what may have been paid for; true when nothing is left to do."""
        if await self._adopt(request, standing):
            return True
        if standing.reply is not None:
            return await self._fetch_again(request, standing.reply)
        return not self._terms.choice.sends(standing)

    async def _try(self, request: Request) -> None:
        """Send the request until it is kept, or ended, or the run stops."""
        used = tries = 0
        worst = self._terms.worst(request)
        request = request.without(self._unwanted)
        while admission := await self._gate.enter(request.n, worst):
            failure = await self._attempt(request, admission)
            if failure is None:
                return
            if failure.parameter in DROPPABLE and failure.parameter in request.body:
                request = self._drop(request, failure, failure.parameter)
                continue
            tries += 1
            used += uses_attempt(failure)
            decision = decide(
                failure,
                self._terms.policy,
                used=used,
                tries=tries,
                random=self._terms.chance,
            )
            if not await self._follow(request, failure, decision):
                return

    def _drop(self, request: Request, failure: Failure, field: str) -> Request:
        """Send a field no more that the gateway does not take: surely not billed."""
        self._unwanted.add(field)
        self._record.retry(request, failure, 0.0)
        return request.without(self._unwanted)

    async def _follow(
        self, request: Request, failure: Failure, decision: Decision
    ) -> bool:
        """Write down what follows a failure; true when it is another attempt, now."""
        if not self._gate.is_ours():
            return False  # another has taken it up, and may have kept it meanwhile
        if decision.next is Next.LEAVE_UNKNOWN:
            self._record.unknown(request, failure)
            return False
        if decision.next is Next.END:
            arrival = Arrival(request_id=failure.request_id)
            self._record.result(request, decision.status, arrival, failure=failure)
            if failure.error_class in self._terms.stop_on:
                self._gate.close(failure)
            return False
        self._record.retry(request, failure, decision.delay)
        if decision.next is Next.STOP and not self._gate.survives:
            self._gate.close(failure)
        return await self._gate.sleep(decision.delay)

    async def _attempt(self, request: Request, admission: Admission) -> Failure | None:
        """Announce, send and keep; give the failure, or None when it has ended."""
        outcome = Outcome()
        try:
            body = await payload(request, as_data_uri=self._terms.as_data_uri)
            via = self._transport.along(admission.route)
            if not self._gate.is_ours():
                return None  # nothing was announced, so there is nothing to write
            attempt = self._record.attempt(request, admission.usd, admission.route)
            outcome = CUT_OFF
            await self._record.safe()
            if not self._gate.is_ours():
                outcome = Outcome()
                return HELD_BACK
            received = await via.post(
                body,
                seconds=self._terms.seconds(request),
                begin=lambda number: self._store.begin(request.id, attempt, number),
                may_leave=self._gate.is_ours,
            )
            failure, spent = await self._take(
                request, attempt, received, admission.route
            )
            # A field that is refused says nothing of the gateway or of other requests.
            is_dropped = failure is not None and failure.parameter in DROPPABLE
            outcome = Outcome(
                failure=None if is_dropped else failure,
                spent=spent,
                images=0 if failure else request.n,
                hint=received.hint,
            )
        except PayloadError as error:
            failure = Failure(error_class=ErrorClass.INVALID, message=str(error))
        except (StoreError, asyncio.CancelledError) as error:
            if outcome is CUT_OFF:
                self._leave_open(request, error)
            raise
        finally:
            self._gate.leave(admission, outcome)
        return failure

    def _leave_open(self, request: Request, error: BaseException) -> None:
        """Write that an attempt was left alone, unless its outcome is written."""
        standing = self._record.standing(request)
        failure = INTERRUPTED
        if isinstance(error, StoreError):
            failure = Failure(error_class=ErrorClass.STORE, message=str(error))
        if standing is not None and standing.open_usd is not None:
            with contextlib.suppress(StoreError):
                self._record.unknown(request, failure)

    async def _take(
        self, request: Request, attempt: int, received: Received, route: str
    ) -> tuple[Failure | None, Decimal | None]:
        """Make of what was received images, or a failure; say what it cost."""
        if isinstance(received.outcome, Failure):
            return received.outcome, None
        reply = received.outcome
        prices = self._terms.prices_of(route)
        spent = cost(request, prices, reply.usage, len(reply.usable))
        arrival = Arrival.of(received, reply)
        came = await unpack(reply, received.partials)
        absent = [each for each in reply.usable if each.url and each.index not in came]
        if absent:
            prompts = tuple(each.revised_prompt for each in absent)
            urls = {each.index: each.url or "" for each in absent}
            self._record.reply(request, tuple(urls.values()), prompts, arrival)
            await self._record.safe()
            first = max(received.partials, default=-1) + 1
            via = self._transport.along(route)
            fetched, lost = await self._fetch(request, attempt, urls, first, via=via)
            came |= fetched
            if lost is not None and not (came and lost.final):
                self._lose(request, lost, arrival, spent)
                return None, spent
        failure = await self._keeper.keep(request, came, arrival, spent)
        return failure, spent if failure is None else None

    async def _fetch(
        self,
        request: Request,
        attempt: int,
        urls: Mapping[int, str],
        first: int = 0,
        *,
        via: Transport | None = None,
    ) -> tuple[dict[int, Partial], Failure | None]:
        """Fetch images by their index; say of those that did not come the best hope.

        Args:
            request: Whose images they are.
            attempt: Which brought the URLs.
            urls: Where to fetch each image.
            first: Number in the store of the first one.
            via: The route they came along.
        """
        via = via or self._transport
        came: dict[int, Partial] = {}
        lost: Failure | None = None
        for number, (index, url) in enumerate(urls.items(), first):
            begin = partial(self._store.begin, request.id, attempt, number)
            fetched = await self._fetch_one(url, begin, via)
            if not isinstance(fetched, Failure):
                came[index] = fetched
            elif lost is None or lost.final:
                lost = fetched
        return came, lost

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

    async def _fetch_again(self, request: Request, line: ReplyLine) -> bool:
        """Fetch what was paid for; true when nothing is left to do."""
        arrival = Arrival.again(line)
        spent = cost(request, self._terms.prices, line.usage, len(line.urls))
        urls = dict(enumerate(line.urls))
        came, lost = await self._fetch(request, line.attempt, urls)
        if lost is None or (came and lost.final):
            return await self._keeper.keep(request, came, arrival, spent) is None
        if lost.final and self._terms.choice.buy_lost_urls:
            return False
        self._lose(request, lost, arrival, spent)
        return True

    def _lose(
        self, request: Request, lost: Failure, arrival: Arrival, spent: Decimal | None
    ) -> None:
        """Record that a paid image could not be fetched; its URL stays known."""
        if not self._gate.is_ours():
            return  # another has taken it up, and may have fetched it meanwhile
        self._record.result(request, Status.FAILED, arrival, spent=spent, failure=lost)

    async def _adopt(self, request: Request, standing: Standing) -> bool:
        """Keep images that were whole when the process died; true when all were."""
        found = await self._store.recover(request.id, standing.attempts)
        drafts = [await partial.finish() for partial in found]
        whole = {
            index: partial
            for index, (partial, draft) in enumerate(zip(found, drafts, strict=True))
            if isinstance(draft, Draft)
        }
        line = standing.reply
        if len(whole) < (request.n if line is None else len(line.urls)):
            return False
        arrival = Arrival() if line is None else Arrival.again(line)
        spent = cost(request, self._terms.prices, arrival.usage, len(whole))
        return (
            await self._keeper.keep(request, whole, arrival.warned("adopted"), spent)
            is None
        )

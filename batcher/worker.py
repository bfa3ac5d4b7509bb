"""The life of one request: wait, announce, send, keep, record, or try again.

Reads top to bottom as `Worker.live`. What follows a failure is `retry`'s to say, when
to leave is the gate's, what a reply means is the transport's.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Protocol

import msgspec

from batcher import sizes
from batcher.governor import Admission, Outcome
from batcher.images import Defect
from batcher.ledger import LedgerWriter, ReplyLine, Standing, State, event
from batcher.mismatch import mismatches
from batcher.models import ErrorClass, Failure, Image, Request, Status
from batcher.payload import PayloadError, payload
from batcher.plan import Choice
from batcher.pricing import Price, cost, quote
from batcher.retry import Next, Policy, decide, uses_attempt
from batcher.stores import Draft, Partial, Store

if TYPE_CHECKING:
    from batcher.config import Settings
    from batcher.gate import Gate
    from batcher.transport import Begin, Received, Reply

SECONDS_BASE = 360.0
SECONDS_LARGE = 600.0
"""Time limits of an attempt: 4K and high quality take minutes (gateway practice)."""

DOWNLOAD_SECONDS = 300.0
DOWNLOAD_TRIES = 5


class Transport(Protocol):
    """Sends requests and fetches images; safe to call at once from many tasks."""

    async def post(self, body: bytes, *, seconds: float, begin: Begin) -> Received:
        """Send one request, once; raises `StoreError` only."""

    async def fetch(
        self, url: str, partial: Partial, *, seconds: float
    ) -> Failure | None:
        """Fetch one image, once; raises `StoreError` only."""


class Observer(Protocol):
    """Is told what happens, as it happens; must not block or raise."""

    def attempted(self, request: Request, attempt: int) -> None:
        """An attempt was announced and is about to leave."""

    def retrying(self, request: Request, failure: Failure, delay: float) -> None:
        """An attempt failed, and another will follow."""

    def ended(self, request: Request, result: event.Result | None) -> None:
        """A request has ended; None when it was left unknown."""


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
        ledger: LedgerWriter,
        gate: Gate,
        terms: Terms,
        observer: Observer,
    ) -> None:
        self._transport = transport
        self._store = store
        self._ledger = ledger
        self._gate = gate
        self._terms = terms
        self._observer = observer

    async def live(self, request: Request) -> None:
        """See one request to its end, or to where the run stops.

        Raises:
            StoreError: The ledger or the store refuses; nothing kept is lost.
        """
        standing = self._ledger.standings.get(request.id)
        if standing is not None and await self._finish_earlier(request, standing):
            return
        if self._terms.choice.sends(_without_reply(standing)):
            await self._try(request)

    async def _finish_earlier(self, request: Request, standing: Standing) -> bool:
        """Take up what an earlier run had paid for; true when the request ended."""
        is_open = standing.state is State.UNKNOWN
        if is_open and await self._recover(request, standing):
            return True
        reply = standing.reply
        return reply is not None and await self._fetch_again(request, reply)

    async def _try(self, request: Request) -> None:
        """Send the request until it is kept, or ended, or the run stops."""
        used = tries = 0
        while True:
            price = quote(request, self._terms.prices)
            worst = price.worst if price else None
            admission = await self._gate.enter(request.n, worst)
            if admission is None:
                return
            attempt = self._next_attempt(request)
            failure = await self._attempt(request, attempt, admission)
            if failure is None:
                return
            tries += 1
            used += uses_attempt(failure)
            decision = decide(
                failure,
                self._terms.policy,
                used=used,
                tries=tries,
                random=self._terms.random,
            )
            if decision.next is Next.STOP:
                self._record_retry(request, attempt, failure, decision.delay)
                self._gate.close(failure)
                return
            if decision.next is Next.RETRY:
                self._record_retry(request, attempt, failure, decision.delay)
                if not await self._gate.sleep(decision.delay):
                    return
            elif decision.next is Next.LEAVE_UNKNOWN:
                self._record_unknown(request, attempt, failure)
                return
            else:
                self._record_failure(request, attempt, failure, decision.status)
                return

    def _next_attempt(self, request: Request) -> int:
        standing = self._ledger.standings.get(request.id)
        return standing.attempts + 1 if standing is not None else 1

    async def _attempt(
        self, request: Request, attempt: int, admission: Admission
    ) -> Failure | None:
        """Announce, send and keep; give the failure, or None when it is kept."""
        outcome = Outcome()
        try:
            body = await payload(request, as_data_uri=self._terms.as_data_uri)
            self._announce(request, attempt, admission.usd)
            outcome = _CANCELLED
            received = await self._transport.post(
                body,
                seconds=self._terms.seconds(request),
                begin=lambda number: self._store.begin(request.id, attempt, number),
            )
            failure, spent = await self._take(request, attempt, received)
            outcome = Outcome(
                failure=failure,
                spent=spent,
                images=0 if failure else request.n,
                hint=received.hint,
            )
        except PayloadError as error:
            return Failure(error_class=ErrorClass.INVALID, message=str(error))
        except asyncio.CancelledError:
            if outcome is _CANCELLED:
                self._record_unknown(request, attempt, _INTERRUPTED)
            raise
        finally:
            self._gate.leave(admission, outcome)
        return failure

    async def _take(
        self, request: Request, attempt: int, received: Received
    ) -> tuple[Failure | None, Decimal | None]:
        """Make of what was received images, or a failure; say what it cost."""
        if isinstance(received.outcome, Failure):
            return received.outcome, None
        reply = received.outcome
        partials = [
            received.partials[image.number]
            for image in reply.usable
            if image.number is not None and image.number in received.partials
        ]
        urls = tuple(image.url for image in reply.usable if image.url is not None)
        spent = cost(request, self._terms.prices, reply.usage, len(reply.usable))
        arrival = Arrival.of(received, reply, attempt)
        if urls:
            self._record_reply(request, attempt, urls, arrival)
            lost = await self._fetch(request, attempt, urls, partials)
            if lost is not None:
                self._record_lost(request, lost, arrival, spent)
                return None, spent
        failure = await self._keep(request, partials, arrival, spent)
        return failure, spent if failure is None else None

    async def _fetch(
        self,
        request: Request,
        attempt: int,
        urls: Sequence[str],
        partials: list[Partial],
    ) -> Failure | None:
        """Fetch images into `partials`, each with tries of its own."""
        for number, url in enumerate(urls, start=len(partials)):
            for tries in range(1, DOWNLOAD_TRIES + 1):
                partial = await self._store.begin(request.id, attempt, number)
                failure = await self._transport.fetch(
                    url, partial, seconds=DOWNLOAD_SECONDS
                )
                if failure is None:
                    partials.append(partial)
                    break
                await partial.discard()
                if failure.final or tries == DOWNLOAD_TRIES:
                    return failure
                await asyncio.sleep(self._terms.random() * min(30.0, 2.0**tries))
        return None

    async def _fetch_again(self, request: Request, line: ReplyLine) -> bool:
        """Fetch what an earlier run had paid for; true when the request ended."""
        partials: list[Partial] = []
        arrival = Arrival.again(line)
        spent = cost(request, self._terms.prices, line.usage, len(line.urls))
        lost = await self._fetch(request, line.attempt, line.urls, partials)
        if lost is None:
            return await self._keep(request, partials, arrival, spent) is None
        if lost.final and self._terms.choice.buy_lost_urls:
            return False
        standing = self._ledger.standings.get(request.id)
        already = standing is not None and standing.state is State.FAILED
        self._record_lost(request, lost, arrival, None if already else spent)
        return True

    async def _recover(self, request: Request, standing: Standing) -> bool:
        """Adopt images that were whole when the process died; true when all were."""
        found = await self._store.recover(request.id, standing.attempts)
        whole = [p for p in found if isinstance(await p.finish(), Draft)]
        if len(whole) < request.n:
            return False
        arrival = Arrival(attempt=standing.attempts, warnings=("adopted",))
        spent = cost(request, self._terms.prices, None, len(whole))
        return await self._keep(request, whole, arrival, spent) is None

    async def _keep(
        self,
        request: Request,
        partials: Sequence[Partial],
        arrival: Arrival,
        spent: Decimal | None,
    ) -> Failure | None:
        """Judge what came, give it its names and record it."""
        drafts: list[Draft] = []
        for partial in partials:
            draft = await partial.finish()
            if isinstance(draft, Defect):
                return await _discard(partials, ErrorClass.BAD_REPLY, draft.message)
            drafts.append(draft)
        if not drafts:
            return await _discard(partials, ErrorClass.BAD_REPLY, "no image came")
        found = mismatches(
            request,
            [draft.properties for draft in drafts],
            quality=arrival.quality,
            usage=arrival.usage,
        )
        on_mismatch = self._terms.on_mismatch
        if found and on_mismatch == "retry":
            words = f"not as asked: {', '.join(found)}"
            return await _discard(partials, ErrorClass.BAD_REPLY, words)
        images = []
        for index, (partial, draft) in enumerate(zip(partials, drafts, strict=True)):
            output = request.output
            if request.n > 1:
                output = f"{output}-{index + 1}"
            path = await partial.keep(output)
            images.append(_image(index, path, draft, arrival.revised(index)))
        self._record_kept(
            request,
            tuple(images),
            msgspec.structs.replace(arrival, warnings=(*arrival.warnings, *found)),
            spent,
            is_wanted=not found or on_mismatch == "keep",
        )
        return None

    def _announce(self, request: Request, attempt: int, worst: Decimal | None) -> None:
        reserved = msgspec.UNSET if worst is None else worst
        self._ledger.append(
            event.Attempt(
                at=event.now(),
                id=request.id,
                attempt=attempt,
                reserved_usd=reserved,
                endpoint=self._terms.endpoint,
            )
        )
        self._observer.attempted(request, attempt)

    def _record_retry(
        self, request: Request, attempt: int, failure: Failure, delay: float
    ) -> None:
        self._ledger.append(
            event.Retry(
                at=event.now(),
                id=request.id,
                attempt=attempt,
                error=event.ErrorRecord.of(failure),
                maybe_billed=failure.maybe_billed,
                delay=round(delay, 3),
                request_id=failure.request_id,
            )
        )
        self._observer.retrying(request, failure, delay)

    def _record_unknown(self, request: Request, attempt: int, failure: Failure) -> None:
        self._ledger.append(
            event.Unknown(
                at=event.now(),
                id=request.id,
                attempt=attempt,
                error=event.ErrorRecord.of(failure),
                request_id=failure.request_id,
            )
        )
        self._observer.ended(request, None)

    def _record_reply(
        self,
        request: Request,
        attempt: int,
        urls: tuple[str, ...],
        arrival: Arrival,
    ) -> None:
        self._ledger.append(
            event.Reply(
                at=event.now(),
                id=request.id,
                attempt=attempt,
                urls=urls,
                request_id=arrival.request_id,
                revised_prompts=arrival.revised_prompts,
                usage=arrival.usage,
            )
        )

    def _record_kept(
        self,
        request: Request,
        images: tuple[Image, ...],
        arrival: Arrival,
        spent: Decimal | None,
        *,
        is_wanted: bool,
    ) -> None:
        failure = Failure(
            error_class=ErrorClass.BAD_REPLY,
            message=f"not as asked: {', '.join(arrival.warnings)}",
        )
        self._record(
            request,
            Status.SUCCEEDED if is_wanted else Status.FAILED,
            arrival,
            images=images,
            spent=spent,
            failure=None if is_wanted else failure,
        )

    def _record_lost(
        self, request: Request, lost: Failure, arrival: Arrival, spent: Decimal | None
    ) -> None:
        self._record(request, Status.FAILED, arrival, spent=spent, failure=lost)

    def _record_failure(
        self, request: Request, attempt: int, failure: Failure, status: Status
    ) -> None:
        arrival = Arrival(attempt=attempt, request_id=failure.request_id)
        self._record(request, status, arrival, failure=failure)

    def _record(
        self,
        request: Request,
        status: Status,
        arrival: Arrival,
        *,
        images: tuple[Image, ...] = (),
        spent: Decimal | None = None,
        failure: Failure | None = None,
    ) -> None:
        """Write the one line that says how a request ended."""
        result = event.Result(
            at=event.now(),
            id=request.id,
            name=request.name,
            status=status,
            attempts=self._next_attempt(request) - 1,
            request=request.described(),
            vars=request.vars,
            images=images,
            usage=arrival.usage,
            cost_usd=spent,
            maybe_billed_usd=self._maybe_billed(request, failure),
            latency=arrival.latency,
            request_id=arrival.request_id,
            warnings=arrival.warnings,
            error=None if failure is None else event.ErrorRecord.of(failure),
        )
        self._ledger.append(result)
        self._observer.ended(request, result)

    def _maybe_billed(self, request: Request, failure: Failure | None) -> Decimal:
        """Sum what this request's attempts may have cost without an image."""
        standing = self._ledger.standings.get(request.id)
        if standing is None:
            return Decimal(0)
        is_open = failure is not None and failure.maybe_billed
        return standing.maybe_billed + (
            (standing.open_usd or Decimal(0)) if is_open else Decimal(0)
        )


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """What is the same for all requests of a run.

    Attributes:
        endpoint: Name of the endpoint, for the ledger.
        prices: USD per image, as the user set them.
        choice: Which ended requests are sent again.
        policy: How often a failed attempt is followed by another.
        timeout: Seconds of an attempt, None for the defaults.
        on_mismatch: What to do with an image that is not as asked.
        as_data_uri: How reference files stand on the wire.
        random: Gives numbers from 0 to 1, for the jitter.
    """

    endpoint: str
    prices: tuple[Price, ...]
    choice: Choice
    policy: Policy
    timeout: float | None = None
    on_mismatch: str = "keep"
    as_data_uri: bool = False
    random: Callable[[], float] = random.random

    @classmethod
    def of(
        cls,
        settings: Settings,
        choice: Choice,
        *,
        endpoint: str,
        prices: tuple[Price, ...],
    ) -> Terms:
        """Take from the settings what a worker needs."""
        return cls(
            endpoint=endpoint,
            prices=prices,
            choice=choice,
            policy=Policy(
                max_attempts=settings.max_attempts,
                by_class=settings.retry,
                retry_unknown=choice.retry_unknown,
                wait_for_quota=settings.wait_for_quota,
            ),
            timeout=settings.timeout,
            on_mismatch=settings.on_mismatch,
            as_data_uri=settings.references_as == "data_uri",
        )

    def seconds(self, request: Request) -> float:
        """Give the time limit of one attempt."""
        if self.timeout is not None:
            return self.timeout
        large = request.size is not None and sizes.is_large(request.size)
        return SECONDS_LARGE if large else SECONDS_BASE


class Arrival(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a reply besides its images."""

    attempt: int
    request_id: str | None = None
    revised_prompts: tuple[str | None, ...] = ()
    usage: Mapping[str, object] | None = None
    quality: str | None = None
    latency: float | None = None
    warnings: tuple[str, ...] = ()

    @classmethod
    def of(cls, received: Received, reply: Reply, attempt: int) -> Arrival:
        """Take it from a reply that has just come."""
        return cls(
            attempt=attempt,
            request_id=received.request_id,
            revised_prompts=tuple(image.revised_prompt for image in reply.usable),
            usage=reply.usage,
            quality=reply.quality,
            latency=received.latency,
        )

    @classmethod
    def again(cls, line: ReplyLine) -> Arrival:
        """Take it from the ledger's line of a reply that came in an earlier run."""
        return cls(
            attempt=line.attempt,
            request_id=line.request_id,
            revised_prompts=line.revised_prompts,
            usage=line.usage,
        )

    def revised(self, index: int) -> str | None:
        """Give the prompt as it was rewritten for one image."""
        known = index < len(self.revised_prompts)
        return self.revised_prompts[index] if known else None


_INTERRUPTED = Failure(
    error_class=ErrorClass.AMBIGUOUS, message="interrupted before the reply came"
)
_CANCELLED = Outcome(failure=_INTERRUPTED)


def _without_reply(standing: Standing | None) -> Standing | None:
    if standing is None or standing.reply is None:
        return standing
    return msgspec.structs.replace(standing, reply=None)


def _image(index: int, path: str, draft: Draft, revised: str | None) -> Image:
    return Image(
        index=index,
        path=path,
        bytes=draft.bytes,
        sha256=draft.sha256,
        format=draft.properties.format.value,
        width=draft.properties.width,
        height=draft.properties.height,
        revised_prompt=revised,
    )


async def _discard(
    partials: Sequence[Partial], error_class: ErrorClass, message: str
) -> Failure:
    for partial in partials:
        await partial.discard()
    return Failure(error_class=error_class, message=message)

"""The life of one request: wait, announce, send, keep, record, or try again.

Reads top to bottom as `Worker.live`. What follows a failure is `retry`'s to say, when
to leave is the gate's, what a reply means is the transport's, what is written down the
recorder's.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import msgspec

from batcher.errors import StoreError
from batcher.governor import Admission, Outcome
from batcher.models import ErrorClass, Failure, Request
from batcher.payload import PayloadError, payload
from batcher.retry import Decision, Next, decide, uses_attempt
from batcher.worker.arrival import Arrival
from batcher.worker.fetcher import LOST_URL, Fetcher, is_short
from batcher.worker.keeper import Keeper, unpack
from batcher.worker.numbering import Numbering
from batcher.worker.recorder import Recorder
from batcher.worker.recovery import Recovery

if TYPE_CHECKING:
    from batcher.gate import Gate
    from batcher.ledger import Ledger
    from batcher.observer import RequestObserver
    from batcher.stores import Store
    from batcher.transport import Received
    from batcher.worker.terms import Terms
    from batcher.worker.transport import Transport

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
        self._record = Recorder(ledger, terms, observer=observer, is_ours=gate.is_ours)
        self._keeper = Keeper(terms, self._record, gate.space)
        self._fetcher = Fetcher(store, terms)
        self._recovery = Recovery(
            store=store,
            transport=transport,
            fetcher=self._fetcher,
            keeper=self._keeper,
            record=self._record,
            terms=terms,
        )
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
            if await self._recovery.take_up(request, standing):
                return
        elif not self._terms.choice.sends(standing):
            return
        await self._try(request)

    async def _try(self, request: Request) -> None:
        """Send the request until it is kept, or ended, or the run stops."""
        used = tries = 0
        again = False
        worst = self._terms.worst(request)
        request = request.without(self._unwanted)
        while admission := await self._gate.enter(
            request.n, worst, request.size, again=again
        ):
            again = True
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
        is_last = decision.next is Next.STOP and not self._gate.survives
        self._record.retry(request, failure, None if is_last else decision.delay)
        if is_last:
            self._gate.close(failure)
        return await self._gate.sleep(decision.delay)

    async def _attempt(self, request: Request, admission: Admission) -> Failure | None:
        """Announce, send and keep; give the failure, or None when it has ended.

        One whose image is paid and could not be fetched has ended, too.
        """
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
            failure, arrival = await self._take(
                request, attempt, received, admission.route
            )
            outcome = _outcome(request, received, failure, arrival)
            if outcome.is_unfetched:
                return None  # that is written down; the next run asks its URLs again
        except PayloadError as error:
            failure = self._unsent(request, error)
        except (StoreError, asyncio.CancelledError) as error:
            if outcome is CUT_OFF:
                self._leave_open(request, error)
            raise
        finally:
            self._gate.leave(admission, outcome)
        return failure

    def _unsent(self, request: Request, error: PayloadError) -> Failure | None:
        """Say why a request was not sent.

        None when an attempt of an earlier run stays unknown by that: maybe billed.
        """
        failure = Failure(error_class=error.error_class, message=str(error), final=True)
        if self._is_open(request) and self._gate.is_ours():
            self._record.unknown(request, failure)
            return None
        return failure

    def _is_open(self, request: Request) -> bool:
        """Tell whether an attempt was announced whose outcome is not written."""
        standing = self._record.standing(request)
        return standing is not None and standing.open_usd is not None

    def _leave_open(self, request: Request, error: BaseException) -> None:
        """Write that an attempt was left alone, unless its outcome is written."""
        failure = INTERRUPTED
        if isinstance(error, StoreError):
            failure = Failure(error_class=ErrorClass.STORE, message=str(error))
        if self._is_open(request):
            with contextlib.suppress(StoreError):
                self._record.unknown(request, failure)

    async def _take(
        self, request: Request, attempt: int, received: Received, route: str
    ) -> tuple[Failure | None, Arrival]:
        """Make of what was received images, or a failure; say what is known of them.

        A `download` is written down already.
        """
        if isinstance(received.outcome, Failure):
            return received.outcome, Arrival()
        reply = received.outcome
        prices = self._terms.prices_of(route)
        arrival = Arrival.of(received, reply)
        arrival = arrival.priced(request, prices, len(reply.usable))
        came = await unpack(reply, received.partials)
        absent = Numbering.of(reply, came)
        if absent.urls:
            self._record.reply(request, absent, arrival)
            await self._record.safe()
            via = self._transport.along(route)
            fetched, lost = await self._fetcher.fetch(
                request, attempt, absent, via=via, is_new=True
            )
            came |= fetched
            if lost is not None:
                if await is_short(request, came, lost):
                    self._record.lose(request, lost, arrival)
                    return lost, arrival
                arrival = arrival.warned(LOST_URL)
        failure = await self._keeper.keep(request, came, arrival)
        if failure is not None:
            return _traced(failure, received), Arrival()
        return None, arrival


def _outcome(
    request: Request, received: Received, failure: Failure | None, arrival: Arrival
) -> Outcome:
    """Say what the governor is to know of a reply."""
    # A field that is refused says nothing of the gateway or of other requests.
    is_dropped = failure is not None and failure.parameter in DROPPABLE
    is_made = failure is None or failure.error_class is ErrorClass.DOWNLOAD
    return Outcome(
        failure=None if is_dropped else failure,
        spent=arrival.spent,
        maybe_billed=arrival.withheld,
        images=request.n if is_made else 0,
        hint=received.hint,
    )


def _traced(failure: Failure, received: Received) -> Failure:
    """Say which reply brought no image that can be kept, as a refund asks for."""
    return msgspec.structs.replace(
        failure,
        status=received.status,
        request_id=received.request_id,
        seconds=received.latency,
    )

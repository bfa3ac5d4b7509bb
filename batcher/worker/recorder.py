"""Writes into the ledger what becomes of requests, and tells whoever watches."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from msgspec import UNSET

from batcher.cutoff import Cuts
from batcher.ledger import event
from batcher.models import ErrorClass, Status
from batcher.pricing import rate

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from batcher.ledger import Ledger, Standing
    from batcher.models import Failure, Image, Request
    from batcher.observer import RequestObserver
    from batcher.provenance import Step
    from batcher.worker.arrival import Arrival
    from batcher.worker.numbering import Numbering
    from batcher.worker.terms import Terms

NOTHING = Decimal(0)


class Recorder:
    """Writes the lines of requests; each method one line, and only `safe` waits.

    All of them raise `StoreError` when the ledger refuses.

    Args:
        ledger: Where the lines go.
        terms: The endpoint's name and prices.
        observer: Is told of each line that matters to people.
        is_ours: Tells whether the requests are this worker's still.
    """

    def __init__(
        self,
        ledger: Ledger,
        terms: Terms,
        *,
        observer: RequestObserver[Request],
        is_ours: Callable[[], bool],
    ) -> None:
        self._ledger = ledger
        self._terms = terms
        self._observer = observer
        self._is_ours = is_ours
        self.cuts = Cuts()
        self._steps: dict[str, list[Step]] = {}  # of requests that have not ended

    def standing(self, request: Request) -> Standing | None:
        """Say where a request stands."""
        return self._ledger.standings.get(request.id)

    def attempts(self, request: Request) -> int:
        """Count the attempts of a request, in all runs."""
        standing = self.standing(request)
        return 0 if standing is None else standing.attempts

    def attempt(self, request: Request, worst: Decimal | None, route: str = "") -> int:
        """Announce an attempt before it leaves; give its number."""
        number = self.attempts(request) + 1
        self._step(
            event.Attempt(
                at=event.now(),
                id=request.id,
                name=request.name,
                attempt=number,
                reserved_usd=UNSET if worst is None else worst,
                endpoint=route or self._terms.endpoint,
            )
        )
        self._observer.attempted(request, number)
        return number

    async def safe(self) -> None:
        """Wait until the lines so far survive this process; a file's do at once."""
        await self._ledger.safe()

    def retry(self, request: Request, failure: Failure, delay: float | None) -> None:
        """Write that an attempt failed and another will follow; None: a later run's."""
        wait = None if delay is None else max(delay, failure.retry_after or 0.0)
        self._note(failure)
        self._step(
            event.Retry(
                at=event.now(),
                id=request.id,
                attempt=self.attempts(request),
                error=event.ErrorRecord.of(failure),
                maybe_billed=failure.maybe_billed,
                delay=round(wait or 0.0, 3),
                request_id=failure.request_id,
                later=wait is None or UNSET,
            )
        )
        self._observer.retrying(request, failure, wait)

    def unknown(self, request: Request, failure: Failure) -> None:
        """Write that an attempt's outcome is not known."""
        self._note(failure)
        self._ledger.append(
            event.Unknown(
                at=event.now(),
                id=request.id,
                attempt=self.attempts(request),
                error=event.ErrorRecord.of(failure),
                request_id=failure.request_id,
            )
        )
        self._steps.pop(request.id, None)
        self._observer.ended(request, None)

    def reply(self, request: Request, numbering: Numbering, arrival: Arrival) -> None:
        """Write where the images of a reply can be fetched, before they are."""
        self._ledger.append(
            event.Reply(
                at=event.now(),
                id=request.id,
                attempt=self.attempts(request),
                urls=tuple(numbering.urls.values()),
                indexes=numbering.indexes,
                request_id=arrival.request_id,
                revised_prompts=arrival.revised_prompts,
                usage=arrival.usage,
            )
        )

    def lose(self, request: Request, lost: Failure, arrival: Arrival) -> None:
        """Write that a paid image could not be fetched; its URL stays known."""
        if not self._is_ours():
            return  # another has taken it up, and may have fetched it meanwhile
        self.result(request, Status.FAILED, arrival, failure=lost)

    def result(
        self,
        request: Request,
        status: Status,
        arrival: Arrival,
        *,
        images: tuple[Image, ...] = (),
        failure: Failure | None = None,
    ) -> None:
        """Write how a request has ended."""
        self._note(failure)
        result = self.outcome(request, status, arrival, images=images, failure=failure)
        self._ledger.append(result)
        self._steps.pop(request.id, None)
        self._observer.ended(request, result)

    def history(self, request: Request) -> Sequence[Step]:
        """Give what this run has written of a request that has not ended."""
        return self._steps.get(request.id, ())

    def outcome(
        self,
        request: Request,
        status: Status,
        arrival: Arrival,
        *,
        images: tuple[Image, ...] = (),
        failure: Failure | None = None,
    ) -> event.Result:
        """Make the line that says how a request has ended."""
        return event.Result(
            at=event.now(),
            id=request.id,
            name=request.name,
            status=status,
            attempts=self.attempts(request),
            request=request.described(),
            vars=request.vars,
            images=images,
            usage=arrival.usage,
            cost_usd=arrival.spent,
            maybe_billed_usd=self._maybe_billed(request, arrival, failure),
            latency=arrival.latency,
            request_id=arrival.request_id,
            warnings=(*arrival.warnings, *(f"{f}_dropped" for f in request.dropped)),
            error=None if failure is None else event.ErrorRecord.of(failure),
        )

    def _step(self, line: Step) -> None:
        """Write a line, and hold it where the image's file is to be told of it."""
        self._ledger.append(line)
        if self._terms.embeds:
            self._steps.setdefault(line.id, []).append(line)

    def _note(self, failure: Failure | None) -> None:
        """Note when an attempt was cut off, for what that may say of a proxy."""
        if failure is not None and failure.error_class is ErrorClass.AMBIGUOUS:
            self.cuts.note(failure.seconds or 0.0)

    def _maybe_billed(
        self, request: Request, arrival: Arrival, failure: Failure | None
    ) -> Decimal | None:
        """Sum what this request's attempts may have cost without an image.

        The last one's part is added once, by the line that closes it.
        """
        standing = self.standing(request)
        usd = NOTHING if standing is None else standing.maybe_billed
        if standing is not None and standing.open_usd is not None:
            is_doubtful = failure is not None and failure.maybe_billed
            is_unknown = is_doubtful and arrival.spent is None
            usd += standing.open_usd if is_unknown else arrival.withheld or NOTHING
        is_priced = rate(request, self._terms.prices) is not None
        return usd if usd or is_priced else None

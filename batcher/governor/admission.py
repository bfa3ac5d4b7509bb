"""The values that pass between the governor and whoever asks it.

A request is let out with an `Admission`, or told to `Hold`, or the run has to `Halt`;
what became of it comes back as an `Outcome`.
"""

from __future__ import annotations

from decimal import Decimal

import msgspec

from batcher.models import ErrorClass, Failure, RateHint

__all__ = ["Admission", "Halt", "Hold", "Limits", "Outcome", "Snapshot"]


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What the user allows; all of it can be changed while a run goes on.

    Attributes:
        concurrency: Requests in flight, at most.
        ipm: Images a minute, at most.
        rpm: Requests a minute, at most.
        adaptive: Find and follow the gateway's own limits too. When off, only the
            stated limits and a `Retry-After` hold requests back.
        max_spend: USD the whole run directory may cost, what is maybe billed included.
        max_images: Images the whole run directory may hold. What is maybe billed counts
            while a run lasts; the ledger tells what it may cost, not how many it were.
        longest_wait: Seconds of rate limiting without one success before giving up.
        longest_outage: Seconds the breaker may stay open before giving up; a minute at
            most while nothing has come.
        first_invalid: Requests found invalid, with nothing else before, that stop a
            run.
        wait_for_quota: When the quota is gone, wait for it instead of stopping.

    Raises:
        ValueError: A limit that would let nothing through.
    """

    concurrency: int = 8
    ipm: float | None = None
    rpm: float | None = None
    adaptive: bool = True
    max_spend: Decimal | None = None
    max_images: int | None = None
    longest_wait: float = 1800.0
    longest_outage: float = 3600.0
    first_invalid: int = 10
    wait_for_quota: bool = False

    def __post_init__(self) -> None:
        for name in ("concurrency", "ipm", "rpm", "first_invalid"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ValueError(f"{name} is {value!r}; it must be more than 0")


class Admission(msgspec.Struct, frozen=True, kw_only=True):
    """Leave to send one request, to be settled exactly once.

    Attributes:
        number: Counted from 0 over the life of the governor.
        at: When it was given.
        images: Images the request asks for.
        usd: The most it can cost, reserved until it is settled; None if unpriced.
        others: Requests in flight when it left.
        again: Its request was sent before, in this run.
        is_probe: It is the one request that tries whether an outage is over.
        route: Which key of which endpoint it is for; "" when there is but one.
    """

    number: int
    at: float
    images: int
    usd: Decimal | None
    others: int
    again: bool = False
    is_probe: bool = False
    route: str = ""


class Hold(msgspec.Struct, frozen=True, kw_only=True):
    """Not now. Ask again at `until`, and whenever something settled or changed.

    Attributes:
        until: A time after now; None when only a settlement or a change can help.
        reason: For people, such as `paused: overloaded, next try in 30 s`.
    """

    until: float | None
    reason: str


class Halt(msgspec.Struct, frozen=True, kw_only=True):
    """Never, as things are: the run stops and stays resumable."""

    failure: Failure


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What became of an admission.

    A success has no failure and at least one image. No failure and no image means
    that it was never sent. A request cancelled after it was sent is `ambiguous`. A
    `download` was paid and made images which could not be fetched.

    Attributes:
        failure: Why it did not succeed.
        spent: USD it cost; None takes the reserved worst case for a success.
        maybe_billed: USD it may have cost; None takes the reserved worst case for a
            failure that may have been billed.
        images: Images made; those maybe billed are added from the admission.
        hint: What the reply's headers said of limits.
    """

    failure: Failure | None = None
    spent: Decimal | None = None
    maybe_billed: Decimal | None = None
    images: int = 0
    hint: RateHint | None = None

    @property
    def is_unsent(self) -> bool:
        """Tell whether nothing left the machine."""
        return self.failure is None and self.images == 0

    @property
    def is_unfetched(self) -> bool:
        """Tell whether it was paid and named a URL that gave no image."""
        failure = self.failure
        return failure is not None and failure.error_class is ErrorClass.DOWNLOAD

    @property
    def is_wasted(self) -> bool:
        """Tell whether it cost money, or may have, and no image is kept of it."""
        is_maybe_billed = self.failure is not None and self.failure.maybe_billed
        return is_maybe_billed or self.is_unfetched


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """Where the governor stands, for a panel.

    Attributes:
        in_flight: Requests admitted and not settled.
        concurrency: How many may be, as stated or as learned.
        rate: Images made a minute, over the last minute or since the start.
        limit: Images a minute in force, as stated, told or learned; None if none.
        is_learned: `limit` was found out, not stated by the user or the gateway.
        paused: Why nothing leaves at all, in one or two words.
        seconds_left: Until the next try, when that is known.
        spent: USD, with what the ledger said at the start.
        reserved: USD that what is in flight may cost at most.
        unknown: USD that may have been billed without an image; `maybe_billed_usd` to
            whoever asks, beside whom `unknown` counts requests.
        left: USD of the budget that nothing has a claim on; None without a budget.
    """

    in_flight: int
    concurrency: int
    rate: float
    limit: float | None
    is_learned: bool
    paused: str | None
    seconds_left: float | None
    spent: Decimal
    reserved: Decimal
    unknown: Decimal = msgspec.field(name="maybe_billed_usd")
    left: Decimal | None

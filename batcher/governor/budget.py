"""Keeps what a run may cost, and may make, under what the user allows.

The worst case of everything in flight is reserved before it leaves, and what may have
been billed counts as billed, so no order of events can pass the budget. Knows nothing
of prices or of time.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from batcher.governor.admission import Halt, Hold
from batcher.models import ErrorClass, Failure

if TYPE_CHECKING:
    from batcher.governor.admission import Admission, Limits, Outcome

__all__ = ["Budget"]

NOTHING = Decimal(0)
SETTLING = Hold(until=None, reason="budget: waiting for what is in flight")


class Budget:
    """The sums that a budget is made of.

    Attributes:
        spent: USD billed.
        unknown: USD maybe billed.
        reserved: USD that what is in flight may cost at most.
        images: Images kept before the run, and made or maybe billed since then.
        reserved_images: Images asked for in flight.
    """

    def __init__(
        self,
        *,
        spent: Decimal = NOTHING,
        unknown: Decimal = NOTHING,
        images: int = 0,
    ) -> None:
        self.spent = spent
        self.unknown = unknown
        self.reserved = NOTHING
        self.images = images
        self.reserved_images = 0

    def left(self, limits: Limits) -> Decimal | None:
        """Give the USD that nothing has a claim on; None without a budget."""
        if limits.max_spend is None:
            return None
        return limits.max_spend - self.spent - self.unknown - self.reserved

    def check(
        self, limits: Limits, *, images: int, usd: Decimal | None
    ) -> Hold | Halt | None:
        """Tell whether one more fits: None if so, `Hold` if it may come to fit."""
        return self.check_spend(limits, usd) or self.check_images(limits, images)

    def check_spend(self, limits: Limits, usd: Decimal | None) -> Hold | Halt | None:
        """Check the money."""
        left = self.left(limits)
        if left is None:
            return None
        if usd is None:
            return halt("the request has no price, so max_spend cannot be kept to")
        if usd <= left:
            return None
        if usd <= left + self.reserved:
            return SETTLING
        return halt(
            f"max_spend {limits.max_spend} USD: {self.spent} spent, {self.unknown} "
            f"maybe billed, and the next request may cost {usd}"
        )

    def check_images(self, limits: Limits, images: int) -> Hold | Halt | None:
        """Check the number of images."""
        if limits.max_images is None:
            return None
        if self.images + self.reserved_images + images <= limits.max_images:
            return None
        if self.images + images <= limits.max_images:
            return SETTLING
        return halt(
            f"max_images {limits.max_images}: {self.images} are made or maybe "
            f"billed, and the next request asks for {images}"
        )

    def reserve(self, admission: Admission) -> None:
        """Set the worst case of a request aside."""
        self.reserved += admission.usd or NOTHING
        self.reserved_images += admission.images

    def settle(self, admission: Admission, outcome: Outcome) -> None:
        """Put what a request came to in the place of its worst case."""
        worst = admission.usd or NOTHING
        self.reserved -= worst
        self.reserved_images -= admission.images
        is_success = outcome.failure is None and not outcome.is_unsent
        is_unknown = outcome.failure is not None and outcome.failure.maybe_billed
        self.spent += either(outcome.spent, worst if is_success else NOTHING)
        self.unknown += either(outcome.maybe_billed, worst if is_unknown else NOTHING)
        self.images += admission.images if is_unknown else outcome.images


def either(stated: Decimal | None, otherwise: Decimal) -> Decimal:
    """Give what was stated or, where nothing was, the other."""
    return otherwise if stated is None else stated


def halt(message: str) -> Halt:
    """Say that the budget ends the run."""
    return Halt(failure=Failure(error_class=ErrorClass.SPEND, message=message))

"""A budget that may still grow, because the fleet's purse is not empty yet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batcher.governor.admission import Halt, Hold
from batcher.governor.budget import NOTHING, Budget, halt

if TYPE_CHECKING:
    from collections.abc import Callable
    from decimal import Decimal

    from batcher.governor.admission import Limits

__all__ = ["Allowance"]

REFILLING = Hold(until=None, reason="budget: waiting for a part of the fleet's")


class Allowance(Budget):
    """One shard's budget; its sums are those of the shard's requests alone.

    Args:
        want: Is told that a request of so many USD does not fit; says whether more may
            come. Called on every such question, so it must cost nothing.
        spent: USD billed for the shard's requests.
        unknown: USD maybe billed for them.
        images: Images made of them, or maybe billed.
    """

    def __init__(
        self,
        want: Callable[[Decimal], bool],
        *,
        spent: Decimal = NOTHING,
        unknown: Decimal = NOTHING,
        images: int = 0,
    ) -> None:
        super().__init__(spent=spent, unknown=unknown, images=images)
        self._want = want

    @property
    def used(self) -> Decimal:
        """Give the USD that something has a claim on."""
        return self.spent + self.unknown + self.reserved

    def check_spend(self, limits: Limits, usd: Decimal | None) -> Hold | Halt | None:
        """Check the money; wait where the purse may have more."""
        verdict = super().check_spend(limits, usd)
        if verdict is None or usd is None:
            return verdict
        if self._want(usd):
            return REFILLING
        if isinstance(verdict, Hold):
            return verdict
        return halt(
            f"max_spend of the whole fleet: its workers have claimed all of it, and "
            f"the next request may cost {usd}"
        )

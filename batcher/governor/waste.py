"""Counts what is paid, or may be, and leaves no image kept.

No single reply tells that all of them are paid for nothing: after `bad_reply` and
`ambiguous` the request is tried again, after `download` its URL is asked again by the
next run, and the next request leaves in any case. So attempts are counted that came to
one of these three since the last image was kept:

| such attempts in a row           | then                                         |
|----------------------------------|----------------------------------------------|
| fewer than `MOST`                | the run goes on                              |
| `MOST`                           | a minute's pause, then one more attempt      |
| and that attempt is wasted, too  | the run stops                                |

The pause is for what passes by itself, such as a proxy's 502 while the gateway behind
it is started anew. An attempt that costs nothing, such as a refusal, counts as neither;
in the pause another follows it, a minute later. So what is wasted in a row until
the stop is at most `MOST`, what else is in flight when that is reached, and the one
more: `MOST` and the concurrency, however many requests are left. Each account of a
`Rotation` counts for itself, and each run anew.

A `download` may yet be made good by the next run, alone or with images of the same
reply that did come. It counts all the same: nothing is gained by buying hundreds more
before anybody has looked.

Knows nothing of time; see `Breaker` for the pause.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from batcher.governor.budget import NOTHING, either
from batcher.plural import counted

if TYPE_CHECKING:
    from decimal import Decimal

    from batcher.governor.admission import Outcome
    from batcher.models import Failure

__all__ = ["Waste"]

MOST: Final = 125
"""25 requests of 5 attempts, the default of `max_attempts`: that many may all fail."""

PAUSE = 60.0
"""Seconds before one more attempt, which may cost as much as those before it."""


class Waste:
    """What was sent since the last image was kept, and paid for nothing, as it seems.

    Attributes:
        attempts: How many.
        unfetched: Those of them that named a URL which gave no image.
        usd: What they cost, or may have cost.
    """

    def __init__(self) -> None:
        self.clear()

    @property
    def is_enough(self) -> bool:
        """Tell whether no more should leave before one of them is kept."""
        return self.attempts >= MOST

    def clear(self) -> None:
        """Count anew: an image is kept."""
        self.attempts = 0
        self.unfetched = 0
        self.usd = NOTHING

    def add(self, outcome: Outcome, worst: Decimal | None) -> None:
        """Count an attempt, which may have cost `worst` where it does not say."""
        self.attempts += 1
        self.unfetched += outcome.is_unfetched
        otherwise = NOTHING if outcome.is_unfetched else worst or NOTHING
        self.usd += either(outcome.maybe_billed, otherwise) + (outcome.spent or NOTHING)

    def told(self, last: Failure) -> Failure:
        """Give the failure to stop for, as the last of many."""
        attempts = counted(self.attempts, "attempt")
        price = f"up to {self.usd:,.2f} USD" if self.usd else "an unknown sum"
        dead = f"{self.unfetched} named a URL that gave no image; "
        message = (
            f"{attempts} in a row ended without a kept image and cost {price};"
            f" {dead if self.unfetched else ''}look at what the gateway replies before"
            f" going on, the last was: {last.message}"
        )
        return replace(last, message=message)

"""Counts what is paid, or may be, and brings no image.

No single reply tells that all of them are paid for nothing (`bad_reply`, `ambiguous`):
each is followed by another attempt, and the last one by the next request. So requests
are counted that ended so, their attempts used up or left unknown, since an image came:

| ended so in a row, `Limits.fruitless` | then                                         |
|---------------------------------------|----------------------------------------------|
| fewer than 25                         | the run goes on, and ends with its failures  |
| 25                                    | half a minute's pause, then one more attempt |
| 25, and that attempt is wasted, too   | the run stops                                |

The pause is for what passes by itself, such as a proxy's 502 while the gateway behind
it is started anew. What is wasted until the stop is at most `max_attempts` of those 25
and of what else is live, and that one attempt: fewer than 300 at the defaults, however
many requests are left. A refusal that costs nothing counts as neither.

Knows nothing of time; see `Breaker` for the pause.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from msgspec.structs import replace

from batcher.plural import counted

if TYPE_CHECKING:
    from batcher.models import Failure

__all__ = ["Waste"]

NOTHING = Decimal(0)


class Waste:
    """What was sent since the last image came, and may have been billed.

    Attributes:
        requests: Those that ended so.
        attempts: Those of requests that go on included.
        usd: What the attempts may have cost.
    """

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Count anew: an image came."""
        self.requests = 0
        self.attempts = 0
        self.usd = NOTHING

    def add(self, usd: Decimal) -> None:
        """Count an attempt that was maybe billed."""
        self.attempts += 1
        self.usd += usd

    def told(self, last: Failure) -> Failure:
        """Give the failure to stop for, as the last of many."""
        requests = counted(self.requests, "request")
        price = f"{self.usd:,.2f} USD" if self.usd else "an unknown sum"
        message = (
            f"{requests} in a row ended without an image, and"
            f" {counted(self.attempts, 'attempt')} may have cost {price}; look at what"
            f" the gateway replies before going on, the last was: {last.message}"
        )
        return replace(last, message=message)

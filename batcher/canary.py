"""The canary: a few requests go first, and somebody says whether the others follow.

Knows nothing of terminals; whoever runs it brings the question.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Protocol, TypeVar

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

CANARY = "canary"
"""What a summary says stopped a run that is no more than its canary: its class."""

_Any = TypeVar("_Any")


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """What came of the canary.

    Attributes:
        requests: So many went first.
        kept: Those of them that are kept.
        errors: The others that ended, by class.
        warnings: The kept ones that are not as asked, by warning code.
        usd: What the run has cost by then; None when nothing has a price.
        seconds: How long it took.
    """

    requests: int
    kept: int
    errors: Mapping[str, int]
    warnings: Mapping[str, int]
    usd: Decimal | None
    seconds: float


class Canary(Protocol):
    """How many go first, and who is asked then.

    Attributes:
        requests: So many are sent, of those that there is something to do for.
    """

    requests: int

    async def objection(self, found: Found) -> str | None:
        """Say why the others should not follow; None when they should.

        Is cancelled when the run is interrupted meanwhile.
        """


def first(requests: Iterable[_Any | None], number: int) -> Iterator[_Any | None]:
    """Walk the first so many that are not None; the others are left in `requests`."""
    for request in requests:
        yield request
        number -= request is not None
        if number == 0:
            return

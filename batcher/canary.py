"""The canary: a few requests go first, and somebody says whether the others follow.

Knows nothing of terminals; whoever runs it brings the question.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from batcher.models import Summary

CANARY = "canary"
"""What a summary says stopped a run that is no more than its canary: its class."""

_Any = TypeVar("_Any")


class Canary(Protocol):
    """How many go first, and who is asked then.

    Attributes:
        requests: So many are sent, of those that there is something to do for.
    """

    requests: int

    async def objection(self, before: Summary, now: Summary) -> str | None:
        """Say why the others should not follow; None when they should.

        Is cancelled when the run is interrupted meanwhile.

        Args:
            before: What the run directory held when the run began.
            now: What it holds after the canary.
        """


def first(requests: Iterable[_Any | None], number: int) -> Iterator[_Any | None]:
    """Walk the first so many that are not None; the others are left in `requests`."""
    for request in requests:
        yield request
        number -= request is not None
        if number == 0:
            return

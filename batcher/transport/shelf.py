"""Keeps connections that have answered, until they may carry another request.

What a gateway does to a connection right after its reply, such as close it or reply
once more, would look like the outcome of the next request. So a connection rests first,
and what comes meanwhile shows that it is of no more use. The time is a parameter.

A request that finds all of them resting opens another, even where requests follow one
another. To wait would save a handshake at a far gateway and cost time at a near one,
little of the seconds that an image takes either way; and a new one is the safest.
"""

from __future__ import annotations

from bisect import bisect_right
from operator import itemgetter
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from batcher.transport.connection import Connection

REST_SECONDS: Final = 0.012
"""How long a connection rests: longer than what ends it takes to follow its reply, and
so short that thousands of replies a second need a few dozen more connections."""

IDLE_SECONDS: Final = 4.0
"""How long a connection is kept for reuse: less than servers keep theirs, since a
request on a connection that the server has just closed looks like a lost reply."""

MOST_KEPT: Final = 128
"""Of one origin: more than rest at a time at thousands of replies a second."""

_since: Final = itemgetter(0)


class Shelf:
    """The connections to one origin that nobody uses, the longest kept first.

    Args:
        rest_seconds: How long each is left alone.
        idle_seconds: How long each is kept.
    """

    def __init__(self, *, rest_seconds: float, idle_seconds: float) -> None:
        self._rest_seconds = rest_seconds
        self._idle_seconds = idle_seconds
        self._kept: list[tuple[float, Connection]] = []

    def __len__(self) -> int:
        """Count those that are kept."""
        return len(self._kept)

    def put(self, now: float, connection: Connection) -> None:
        """Keep one, if it is fit for another request; the times must not fall."""
        if not connection.is_quiet:
            connection.abort()
            return
        self._kept.append((now, connection))
        if len(self._kept) > MOST_KEPT:
            self._kept.pop(0)[1].abort()

    def take(self, now: float) -> Connection | None:
        """Give the last that has rested and is fit for another request, if any is."""
        while rested := bisect_right(self._kept, now - self._rest_seconds, key=_since):
            since, connection = self._kept.pop(rested - 1)
            if since > now - self._idle_seconds and connection.is_quiet:
                return connection
            connection.abort()
        return None

    def clear(self, now: float) -> None:
        """Close those that are kept for too long."""
        old = bisect_right(self._kept, now - self._idle_seconds, key=_since)
        for _, connection in self._kept[:old]:
            connection.abort()
        del self._kept[:old]

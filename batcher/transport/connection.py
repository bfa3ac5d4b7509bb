"""Carries bytes over one connection, in order. Knows nothing of HTTP.

The loop receives straight into large buffers, the rooms, that are used again and again
by all connections of a pool, the last one first, as it is still in the processor's
cache. What came is read where it lies; the peer has to wait while too much of it does.
"""

from __future__ import annotations

import asyncio
import mmap
import socket
from collections import deque
from typing import TYPE_CHECKING, Final, cast

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOM: Final = 256 << 10
"""Bytes of a room: fewer need more turns of the loop, more no longer fit a cache."""

MOST_ROOMS: Final = 2
"""How many a connection fills before its peer has to wait."""

_NOTHING: Final = memoryview(b"")
_LONGEST_JOINED: Final = 64 << 10
_KEEPALIVE: Final = (("TCP_KEEPIDLE", 30), ("TCP_KEEPINTVL", 15), ("TCP_KEEPCNT", 4))


class Connection(asyncio.BufferedProtocol):
    """One connection, for one task at a time.

    Args:
        rooms: Those that are free. Between `get_buffer` and `buffer_updated` the loop
            does nothing else, so that connections need not set one aside.
    """

    def __init__(self, rooms: list[memoryview]) -> None:
        self._rooms = rooms
        self._arrived: deque[tuple[memoryview, int]] = deque()
        self._given: memoryview | None = None  # the room that is being read
        self._waiter: asyncio.Future[None] | None = None
        self._is_over = False
        self._error: Exception | None = None

    @property
    def is_quiet(self) -> bool:
        """Tell whether it is open, all was sent, and nothing unasked has come."""
        return not (
            self._is_over
            or self._arrived
            or self._transport.is_closing()
            or self._transport.get_write_buffer_size()
        )

    def send(self, pieces: Sequence[bytes]) -> None:
        """Send bytes as soon as the peer takes them."""
        if sum(map(len, pieces)) <= _LONGEST_JOINED:
            pieces = (b"".join(pieces),)
        for piece in pieces:
            self._transport.write(piece)

    async def receive(self) -> memoryview:
        """Give what came next, to be read before the next call; at the end nothing.

        Raises:
            OSError: The connection broke; what had come before is given first.
        """
        self.leave_room()
        while not self._arrived and not self._is_over:
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        if self._arrived:
            self._given, size = self._arrived.popleft()
            return self._given[:size]
        if self._error is not None:
            raise self._error
        return _NOTHING

    def abort(self) -> None:
        """Close it at once."""
        self.leave_room()
        self._rooms += (room for room, _ in self._arrived)
        self._arrived.clear()
        self._is_over = True
        self._transport.abort()

    def leave_room(self) -> None:
        """Be done with what was received."""
        if self._given is not None:
            self._rooms.append(self._given)
            self._given = None
            self._transport.resume_reading()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Make its socket notice a dead peer during minutes of silence."""
        self._transport = cast("asyncio.Transport", transport)
        made: socket.socket = transport.get_extra_info("socket")
        made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in _KEEPALIVE:
            option = getattr(socket, name, None)
            if option is not None:
                made.setsockopt(socket.IPPROTO_TCP, option, value)

    def get_buffer(self, sizehint: int) -> memoryview:
        """Say where to receive."""
        del sizehint
        if not self._rooms:
            # Pages of it that nothing is received into take no memory.
            self._rooms.append(memoryview(mmap.mmap(-1, ROOM)))
        return self._rooms[-1]

    def buffer_updated(self, nbytes: int) -> None:
        """Keep what was received."""
        self._arrived.append((self._rooms.pop(), nbytes))
        if len(self._arrived) >= MOST_ROOMS:
            self._transport.pause_reading()
        self._wake()

    def eof_received(self) -> None:
        """Note that the peer has ended; the transport closes itself."""
        self._is_over = True
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        """Note that there will be no more."""
        self._is_over = True
        self._error = exc
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

"""Opens connections, and keeps them for a moment: one call each, as HTTP/1.1 has it."""

from __future__ import annotations

import asyncio
import os
import re
import ssl
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Final, Self

from batcher.transport.address import is_address
from batcher.transport.coding import Unpacker
from batcher.transport.connection import Connection
from batcher.transport.response import Piece, ResponseParser
from batcher.transport.shelf import IDLE_SECONDS, REST_SECONDS, Shelf

if TYPE_CHECKING:
    from batcher.transport.url import Origin

CONNECT_SECONDS: Final = 30.0
_NEXT_FAMILY_SECONDS: Final = 0.25  # RFC 8305 §8

_CALL_FAILED: Final = re.compile(r"\[Errno (\d+)\] Connect call failed \([^)]*\)")
_SEVERAL: Final = "Multiple exceptions: "
"""How asyncio says which addresses failed (`asyncio/base_events.py`)."""

_NUMBER: Final = re.compile(r"\[Errno -?\d+\] ")

Find = Callable[[str, int], Awaitable[Sequence[str]]]
"""Gives the addresses of a host, in the order to try them, or raises `OSError`."""


class ConnectError(OSError):
    """There is no connection, so nothing was sent."""


class HeldBackError(OSError):
    """Nothing was sent: when there was a connection, it was not wanted any more."""


class Pool:
    """Connections to any number of origins; an async context manager.

    Args:
        find: Finds the addresses of a host; by default the system does.
        tls: Whom to trust; by default whom the system trusts.
        rest_seconds: How long a connection is left alone after a reply.
        idle_seconds: How long an unused connection is kept.
    """

    def __init__(
        self,
        *,
        find: Find | None = None,
        tls: ssl.SSLContext | None = None,
        rest_seconds: float = REST_SECONDS,
        idle_seconds: float = IDLE_SECONDS,
    ) -> None:
        self._find = find
        self._tls = tls
        self._idle_seconds = idle_seconds
        self._rooms: list[memoryview] = []
        self._shelves: defaultdict[Origin, Shelf]
        self._shelves = defaultdict(
            lambda: Shelf(rest_seconds=rest_seconds, idle_seconds=idle_seconds)
        )
        self._sweep: asyncio.TimerHandle | None = None

    async def __aenter__(self) -> Self:
        """Open nothing: connections are made when needed."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close what is idle."""
        await self.close()

    async def close(self) -> None:
        """Close what is idle."""
        if self._sweep is not None:
            self._sweep.cancel()
        self._clear(now=float("inf"))
        await asyncio.sleep(0)  # sockets close in the loop's next turn

    def call(
        self,
        origin: Origin,
        request: Sequence[bytes],
        may_leave: Callable[[], bool] = lambda: True,
    ) -> Call:
        """Give what sends a request once it is entered."""
        return Call(self, origin, request, may_leave)

    async def take(self, origin: Origin) -> Connection:
        """Give a connection on which nothing has been sent, or nothing is under way.

        Raises:
            OSError: There is none.
        """
        kept = self._shelves[origin].take(asyncio.get_running_loop().time())
        return kept or await self._open(origin)

    def give_back(self, origin: Origin, connection: Connection) -> None:
        """Keep a connection for the next call, if it is fit for one."""
        connection.leave_room()
        loop = asyncio.get_running_loop()
        self._shelves[origin].put(loop.time(), connection)
        if self._sweep is None:
            self._sweep = loop.call_later(self._idle_seconds, self._sweep_idle)

    async def _open(self, origin: Origin) -> Connection:
        hosts: Sequence[str] = (origin.host,)
        if self._find is not None:
            hosts = await self._find(origin.host, origin.port)
        seconds = CONNECT_SECONDS / len(hosts)
        for host in hosts:
            try:
                async with asyncio.timeout(seconds):
                    return await self._connect(host, origin)
            except OSError as error:
                if host == hosts[-1]:
                    where = f"{origin.host}:{origin.port}"
                    why = reason(error, seconds)
                    raise ConnectError(f"no connection to {where}: {why}") from error
        raise AssertionError  # there is a last host

    async def _connect(self, host: str, origin: Origin) -> Connection:
        if origin.is_tls and self._tls is None:
            self._tls = ssl.create_default_context()
            self._tls.set_alpn_protocols(("http/1.1",))
        _, connection = await asyncio.get_running_loop().create_connection(
            lambda: Connection(self._rooms),
            host,
            origin.port,
            ssl=self._tls if origin.is_tls else None,
            server_hostname=origin.host if origin.is_tls else None,
            happy_eyeballs_delay=None if is_address(host) else _NEXT_FAMILY_SECONDS,
        )
        if not connection.is_quiet:
            connection.abort()
            raise ConnectionError(
                "closed by the peer, or spoken to, before the request"
            )
        return connection

    def _sweep_idle(self) -> None:
        loop = asyncio.get_running_loop()
        self._clear(now=loop.time())
        self._sweep = None
        if any(self._shelves.values()):
            self._sweep = loop.call_later(self._idle_seconds, self._sweep_idle)

    def _clear(self, *, now: float) -> None:
        for shelf in self._shelves.values():
            shelf.clear(now)


class Call:
    """One request and its reply; entered when the reply's head has come.

    Attributes:
        is_sent: Some of the request may have left this machine.
    """

    def __init__(
        self,
        pool: Pool,
        origin: Origin,
        request: Sequence[bytes],
        may_leave: Callable[[], bool],
    ) -> None:
        self.is_sent = False
        self._may_leave = may_leave
        self._pool = pool
        self._origin = origin
        self._request = request
        self._parser = ResponseParser()
        self._pieces: Sequence[Piece] = ()

    @property
    def status(self) -> int:
        """The HTTP status."""
        assert self._parser.status is not None  # noqa: S101 - it was entered
        return self._parser.status

    @property
    def headers(self) -> Mapping[str, str]:
        """The reply's headers by lower-case names."""
        return self._parser.headers

    async def __aenter__(self) -> Self:
        """Send the request, once, and wait for the head.

        Raises:
            ConnectError: There is no connection.
            HeldBackError: It may not leave any more.
            OSError: The connection broke, or what came is no reply.
        """
        self._connection = await self._pool.take(self._origin)
        # Nothing is awaited between the answer and the bytes.
        if not self._may_leave():
            self._connection.abort()
            raise HeldBackError("held back: this shard is another's by now")
        self.is_sent = True
        try:
            self._connection.send(self._request)
            while self._parser.status is None:
                await self._receive()
        except BaseException:
            self._connection.abort()
            raise
        self._unpacker = Unpacker(self.headers.get("content-encoding", ""))
        return self

    async def __aexit__(self, *_: object) -> None:
        """Let go of the connection; it is used again only after a whole reply."""
        if self._parser.is_whole and self._parser.is_reusable:
            self._pool.give_back(self._origin, self._connection)
        else:
            self._connection.abort()

    async def read(self) -> Iterable[Piece] | None:
        """Give the next pieces of the body, or None at its end.

        Raises:
            OSError: The connection broke, or the reply is cut off or no HTTP.
        """
        while not self._pieces and not self._parser.is_whole:
            await self._receive()
        if not self._pieces:
            return None
        pieces, self._pieces = self._pieces, ()
        return self._unpacker.unpack(pieces)

    async def _receive(self) -> None:
        received = await self._connection.receive()
        if received:
            self._pieces = self._parser.feed(received)
        else:
            self._parser.end()


def reason(error: OSError, seconds: float) -> str:
    """Say why there is no connection, without the address, which others name.

    Args:
        error: What opening one ended with.
        seconds: How long it was given.
    """
    text = _CALL_FAILED.sub(lambda failed: os.strerror(int(failed[1])), str(error))
    text = _NUMBER.sub("", text)
    if text.startswith(_SEVERAL):  # one for each address of a name, mostly the same
        text = ", ".join(dict.fromkeys(text.removeprefix(_SEVERAL).split(", ")))
    if text:
        return text
    if isinstance(error, TimeoutError):
        return f"not within {seconds:g} s"
    return f"closed during the handshake ({type(error).__name__})"

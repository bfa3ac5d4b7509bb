"""Puts a reply on a connection, whole or the way bad networks do.

Every way has the same form, so that a fault can name one. None returns before its
bytes are handed to the system; what the client then makes of them is its own affair.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from contextlib import suppress
from typing import TYPE_CHECKING, TypeAlias

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from batcher.sandbox.reply import Reply

Delivery: TypeAlias = "Callable[[web.Request, Reply], Awaitable[web.StreamResponse]]"

DRIBBLES, DRIBBLE_PAUSE = 10, 0.05
"""Parts of a slow body, and the seconds before each."""

LOOK = 0.2
"""Seconds between two looks whether a hanging client has left."""


async def whole(http: web.Request, reply: Reply) -> web.StreamResponse:
    """Send it all."""
    del http
    response = web.Response(status=reply.status, body=reply.body, headers=reply.headers)
    response.content_type = reply.content_type
    return response


async def hang(http: web.Request, reply: Reply) -> web.StreamResponse:
    """Send nothing, until the client leaves or the sandbox stops."""
    # aiohttp tells a handler of a lost connection only by cancelling it, which would
    # stop the drawings of all the others that leave early.
    while http.transport is not None:  # noqa: ASYNC110 - there is no event, see above
        await asyncio.sleep(LOOK)
    return await whole(http, reply)


async def drop(http: web.Request, reply: Reply) -> web.StreamResponse:
    """Close the connection in good order, without a byte."""
    if http.transport is not None:
        http.transport.close()
    return await whole(http, reply)


async def reset(http: web.Request, reply: Reply) -> web.StreamResponse:
    """Reset the connection (RST), without a byte."""
    if http.transport is not None:
        connection = http.transport.get_extra_info("socket")
        no_linger = struct.pack("ii", 1, 0)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, no_linger)
        http.transport.abort()
    return await whole(http, reply)


async def truncate(http: web.Request, reply: Reply) -> web.StreamResponse:
    """Promise the whole length, send half of it, close."""
    response = await send(http, reply, [reply.body[: len(reply.body) // 2]])
    if http.transport is not None:
        http.transport.close()
    return response


async def dribble(http: web.Request, reply: Reply) -> web.StreamResponse:
    """Send it in small parts, slowly."""
    size = len(reply.body) // DRIBBLES + 1
    parts = [reply.body[at : at + size] for at in range(0, len(reply.body), size)]
    return await send(http, reply, parts, pause=DRIBBLE_PAUSE)


async def inform(http: web.Request, reply: Reply) -> web.StreamResponse:
    """Send two interim `102 Processing` replies first (RFC 2518, §10.1)."""
    if http.transport is not None:
        http.transport.write(b"HTTP/1.1 102 Processing\r\n\r\n" * 2)
    return await whole(http, reply)


async def send(
    http: web.Request, reply: Reply, parts: Sequence[bytes], *, pause: float = 0
) -> web.StreamResponse:
    """Send the head with the length of the whole body, then parts of the body."""
    response = web.StreamResponse(status=reply.status, headers=reply.headers)
    response.content_type = reply.content_type
    response.content_length = len(reply.body)
    with suppress(ConnectionError):  # the client has left, which is its right
        await response.prepare(http)
        for part in parts:
            await asyncio.sleep(pause)
            await response.write(part)
    return response

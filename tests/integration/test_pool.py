"""Calls over real connections, against servers that follow a script."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import ssl
import struct
from collections import defaultdict
from itertools import count

import pytest

from batcher.transport.connection import ROOM
from batcher.transport.pool import Call, ConnectError, HeldBackError, Pool, reason
from batcher.transport.response import BrokenReplyError
from batcher.transport.url import read_url, request_head
from tests.integration.odd_server import AUTHORITY, read_request, talking

REPLY = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
REFUSAL = b"HTTP/1.1 413 No\r\nContent-Length: 9\r\n\r\ntoo large"
UPLOAD = bytes(20 << 20)


def call(pool: Pool, origin: str, body: bytes = b"") -> Call:
    url = read_url(f"{origin}/x")
    head = request_head("POST", url, {"Content-Length": str(len(body))})
    return pool.call(url.origin, (head, body))


async def read(entered: Call) -> bytes:
    body = bytearray()
    while (pieces := await entered.read()) is not None:
        for piece in pieces:
            body += piece
    return bytes(body)


async def said(pool: Pool, origin: str, body: bytes = b"") -> tuple[int, bytes]:
    async with asyncio.timeout(10), call(pool, origin, body) as entered:
        return entered.status, await read(entered)


async def unfit(pool: Pool) -> None:
    """Wait until no idle connection is fit for another call."""
    kept = [each for shelf in pool._shelves.values() for _, each in shelf._kept]
    async with asyncio.timeout(10):
        while any(each.is_quiet for each in kept):  # noqa: ASYNC110 - the kernel's clock
            await asyncio.sleep(0)


class Script:
    """Answers every request with the same bytes; counts connections and requests."""

    def __init__(self, reply: bytes = REPLY) -> None:
        self.reply = reply
        self.connections = 0
        self.heads: list[bytes] = []
        self.ended = asyncio.Semaphore(0)

    async def __call__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.connections += 1
        try:
            while True:
                self.heads.append(await read_request(reader))
                writer.write(self.reply)
                await writer.drain()
        finally:
            self.ended.release()


async def test_one_connection_serves_one_call_after_the_other() -> None:
    script = Script()
    async with talking(script) as origin, Pool(rest_seconds=0) as pool:
        for _ in range(3):
            assert await said(pool, origin) == (200, b"hello")
    assert (script.connections, len(script.heads)) == (1, 3)


@pytest.mark.parametrize("more", [b"", REPLY], ids=["its end", "a second reply"])
async def test_what_follows_a_reply_is_not_the_outcome_of_the_next_call(
    more: bytes,
) -> None:
    numbers = count(1)
    arrived: defaultdict[int, asyncio.Event] = defaultdict(asyncio.Event)

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        number = next(numbers)
        arrived[number].set()
        writer.write(REPLY.replace(b"hello", b"%05d" % number))
        await arrived[number + 1].wait()  # the moment at which it does most harm
        writer.write(more)

    async with talking(talk) as origin, Pool(rest_seconds=3600) as pool:
        for number in range(1, 31):
            assert await said(pool, origin) == (200, b"%05d" % number)
        arrived[31].set()


async def test_a_connection_closed_after_its_rest_loses_no_call() -> None:
    connections = 0

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await read_request(reader)
        writer.write(REPLY)

    async with talking(talk) as origin, Pool(rest_seconds=0) as pool:
        for _ in range(30):
            assert await said(pool, origin) == (200, b"hello")
            await unfit(pool)
    assert connections == 30


async def test_calls_at_once_have_a_connection_each() -> None:
    script = Script()
    async with talking(script) as origin, Pool() as pool:
        found = await asyncio.gather(*(said(pool, origin) for _ in range(5)))
    assert found == [(200, b"hello")] * 5
    assert script.connections == 5


async def test_a_connection_is_not_kept_for_long() -> None:
    script = Script()
    async with talking(script) as origin, Pool(rest_seconds=0, idle_seconds=0) as pool:
        for _ in range(2):
            await said(pool, origin)
            await script.ended.acquire()
    assert script.connections == 2


async def test_a_closed_pool_has_closed_its_connections() -> None:
    script = Script()
    async with talking(script) as origin:
        async with Pool() as pool:
            await said(pool, origin)
        await script.ended.acquire()


@pytest.mark.parametrize(
    "reply",
    [
        REPLY + b"HTTP/1.1 200 OK\r\n",
        REPLY.replace(b"OK\r\n", b"OK\r\nConnection: close\r\n"),
        REPLY.replace(b"1.1", b"1.0"),
        REPLY.replace(b"h: 5", b"h: 5, 5"),
        REPLY.replace(b"OK\r\n", b"OK\r\nContent-Length: 5\r\n"),
        REPLY.replace(b"OK\r\n", b"OK\r\nTransfer-Encoding: chunked\r\n").replace(
            b"hello", b"5\r\nhello\r\n0\r\n\r\n"
        ),
    ],
    ids=["junk", "close", "1.0", "a list of lengths", "two lengths", "framed twice"],
)
async def test_a_connection_that_is_not_fit_for_it_serves_no_second_call(
    reply: bytes,
) -> None:
    script = Script(reply)
    async with talking(script) as origin, Pool(rest_seconds=0) as pool:
        for _ in range(2):
            assert await said(pool, origin) == (200, b"hello")
    assert script.connections == 2


async def test_what_comes_unasked_ends_an_idle_connection() -> None:
    go_on, noticed = asyncio.Event(), asyncio.Event()
    connections = 0

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await read_request(reader)
        writer.write(REPLY)
        await go_on.wait()
        writer.write(b"HTTP/1.1 408 Request Timeout\r\n\r\n")
        await writer.drain()
        noticed.set()
        await reader.read()

    async with talking(talk) as origin, Pool(rest_seconds=0) as pool:
        assert await said(pool, origin) == (200, b"hello")
        go_on.set()
        await noticed.wait()
        await unfit(pool)
        assert await said(pool, origin) == (200, b"hello")
    assert connections == 2


async def test_a_reply_that_comes_before_the_whole_request_was_sent_is_read() -> None:
    done = asyncio.Event()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(REFUSAL)
        await done.wait()
        while await reader.read(1 << 20):  # reset, or its end: not reused
            pass

    async with talking(talk) as origin, Pool() as pool:
        assert await said(pool, origin, UPLOAD) == (413, b"too large")
        done.set()


async def test_a_reply_before_a_reset_is_read() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(REFUSAL)
        writer.close()  # with much of the request unread, which resets

    async with talking(talk) as origin, Pool() as pool:
        for _ in range(20):
            assert await said(pool, origin, UPLOAD) == (413, b"too large")


def reset(writer: asyncio.StreamWriter) -> None:
    sock: socket.socket = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def test_what_came_before_a_reset_is_given_before_the_error() -> None:
    had = asyncio.Event()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(REPLY[:-2])
        await had.wait()
        reset(writer)

    async with talking(talk) as origin, Pool() as pool, call(pool, origin) as entered:
        (piece,) = await entered.read() or ()
        assert bytes(piece) == b"hel"
        had.set()
        with pytest.raises(ConnectionResetError):
            await entered.read()


async def test_a_server_that_has_ended_its_half_is_understood() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\n\r\nhello")
        writer.write_eof()
        await reader.read()

    async with talking(talk) as origin, Pool() as pool:
        assert await said(pool, origin) == (200, b"hello")


async def test_a_reply_that_comes_byte_by_byte_is_read() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        for place in range(len(REPLY)):
            writer.write(REPLY[place : place + 1])
            await asyncio.sleep(0)

    async with talking(talk) as origin, Pool() as pool:
        assert await said(pool, origin) == (200, b"hello")


async def test_a_connection_closed_without_a_reply_may_have_been_sent_on() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        del writer

    async with talking(talk) as origin, Pool() as pool:
        entered = call(pool, origin)
        with pytest.raises(BrokenReplyError, match="without a reply"):
            await entered.__aenter__()
    assert entered.is_sent


async def test_who_is_not_there_was_sent_nothing() -> None:
    async with talking(Script()) as origin:
        pass
    async with Pool() as pool:
        entered = call(pool, origin)
        with pytest.raises(ConnectError, match="no connection to"):
            await entered.__aenter__()
    assert not entered.is_sent


@pytest.mark.parametrize(
    "hosts", [["127.0.0.1"], ["localhost"]], ids=["an address", "a name"]
)
async def test_a_refusal_is_said_once_and_without_the_address(hosts: list[str]) -> None:
    async def find(_host: str, _port: int) -> list[str]:
        return hosts

    async with talking(Script()) as origin:
        pass
    port = origin.rpartition(":")[2]
    async with Pool(find=find) as pool:
        with pytest.raises(ConnectError) as caught:
            await said(pool, f"http://images.invalid:{port}")
    refused = os.strerror(errno.ECONNREFUSED)
    assert str(caught.value) == f"no connection to images.invalid:{port}: {refused}"


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (socket.gaierror(socket.EAI_NONAME, "unknown name"), "unknown name"),
        (
            OSError(
                f"Multiple exceptions: [Errno {errno.ENETUNREACH}] no way, "
                f"[Errno {errno.ECONNREFUSED}] Connect call failed ('::1', 80, 0, 0), "
                f"[Errno {errno.ECONNREFUSED}] Connect call failed ('127.0.0.1', 80)"
            ),
            f"no way, {os.strerror(errno.ECONNREFUSED)}",
        ),
        (TimeoutError(), "not within 30 s"),
        (
            TimeoutError(errno.ETIMEDOUT, "Connect call failed ('192.0.2.1', 80)"),
            os.strerror(errno.ETIMEDOUT),
        ),
        (
            ConnectionResetError(),
            "closed during the handshake (ConnectionResetError)",
        ),
        (ssl.SSLError(1, "[SSL] wrong version number"), "[SSL] wrong version number"),
    ],
    ids=["name", "several", "timeout", "system's timeout", "silent", "tls"],
)
def test_why_there_is_no_connection_is_said_in_words(error: OSError, why: str) -> None:
    assert reason(error, 30.0) == why


async def test_a_handshake_that_is_cut_off_is_no_timeout() -> None:
    async def hang_up(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        await reader.read(1)
        writer.close()

    async with talking(hang_up) as origin, Pool() as pool:
        secure = origin.replace("http:", "https:")
        with pytest.raises(ConnectError, match=r"closed during the handshake \(Conn"):
            await said(pool, secure)


async def test_what_a_handshake_waits_for_in_vain_is_a_timeout() -> None:
    over = asyncio.Event()

    async def say_nothing(
        _reader: asyncio.StreamReader, _writer: asyncio.StreamWriter
    ) -> None:
        await over.wait()

    async def find(_host: str, _port: int) -> list[str]:
        return ["127.0.0.1"] * 1000  # each has its share of the time

    async with talking(say_nothing) as origin, Pool(find=find) as pool:
        with pytest.raises(ConnectError, match=r"not within 0\.03 s"):
            await said(pool, origin.replace("http:", "https:"))
        over.set()


async def test_a_cancelled_call_closes_its_connection() -> None:
    arrived = asyncio.Event()
    ended = asyncio.Event()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(REPLY[:-2])
        arrived.set()
        try:
            assert not await reader.read()
        finally:
            ended.set()

    async with talking(talk) as origin, Pool() as pool:
        waiting = asyncio.ensure_future(said(pool, origin))
        await arrived.wait()
        waiting.cancel()
        await asyncio.wait([waiting])
        assert waiting.cancelled()
        await ended.wait()


async def test_a_server_waits_for_a_reader_that_is_behind() -> None:
    size = 64 << 20
    sent = 0
    stuck = asyncio.Event()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        while sent < size:
            writer.write(bytes(1 << 20))
            sent += 1 << 20
            try:
                async with asyncio.timeout(0.3):
                    await writer.drain()
            except TimeoutError:
                stuck.set()
                await writer.drain()

    async with talking(talk) as origin, Pool() as pool, call(pool, origin) as entered:
        first = b"".join(await entered.read() or ())
        await stuck.wait()
        assert sent < size // 2
        assert len(first) + len(await read(entered)) == size


@pytest.mark.parametrize("size", [0, 1, ROOM - 1, ROOM, 5 << 20])
@pytest.mark.parametrize("is_tls", [False, True], ids=["plain", "tls"])
async def test_a_body_of_any_size_arrives_as_it_was(size: int, is_tls: bool) -> None:
    body = bytes(range(256)) * (size // 256 + 1)
    body = body[:size]
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size
    script = Script(head + body)
    trusting = ssl.create_default_context()
    AUTHORITY.configure_trust(trusting)
    eager = Pool(tls=trusting, rest_seconds=0)
    async with talking(script, is_tls=is_tls) as origin, eager as pool:
        for _ in range(2):
            assert await said(pool, origin, body) == (200, body)
    assert script.connections == 1


async def test_what_may_not_leave_any_more_is_not_sent() -> None:
    script = Script()
    async with talking(script) as origin, Pool() as pool:
        url = read_url(f"{origin}/x")
        held = pool.call(url.origin, (b"POST",), lambda: False)
        with pytest.raises(HeldBackError):
            await held.__aenter__()
    assert not held.is_sent
    assert script.heads == []


async def test_a_certificate_nobody_vouches_for_is_sent_nothing() -> None:
    script = Script()
    async with talking(script, is_tls=True) as origin, Pool() as pool:
        entered = call(pool, origin)
        with pytest.raises(ConnectError, match="certificate"):
            await entered.__aenter__()
    assert not entered.is_sent
    assert script.heads == []


async def test_a_certificate_of_another_host_is_sent_nothing() -> None:
    script = Script()
    trusting = ssl.create_default_context()
    AUTHORITY.configure_trust(trusting)
    async with talking(script, is_tls=True) as origin, Pool(tls=trusting) as pool:
        elsewhere = origin.replace("localhost", "127.0.0.1")
        with pytest.raises(ConnectError, match="certificate"):
            await said(pool, elsewhere)
    assert script.heads == []


async def test_a_connection_leads_to_an_address_that_was_found_and_no_other() -> None:
    script = Script()
    asked: list[str] = []

    async def find(host: str, port: int) -> list[str]:
        asked.append(f"{host}:{port}")
        return ["127.0.0.2", "127.0.0.1"]  # nobody listens at the first

    async with talking(script) as origin, Pool(find=find) as pool:
        port = origin.rpartition(":")[2]
        named = f"http://images.invalid:{port}"
        assert await said(pool, named) == (200, b"hello")
    assert asked == [f"images.invalid:{port}"]
    assert f"Host: images.invalid:{port}".encode() in script.heads[0]


async def test_what_the_finder_refuses_is_not_connected_to() -> None:
    async def find(host: str, port: int) -> list[str]:
        raise PermissionError(f"{host}:{port}")

    script = Script()
    async with talking(script) as origin, Pool(find=find) as pool:
        with pytest.raises(PermissionError):
            await said(pool, origin)
    assert script.connections == 0

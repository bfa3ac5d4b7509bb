"""The HTTP boundary, against the sandbox and against servers that misbehave."""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
import socket
import ssl
import zlib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from batcher.config import Secret
from batcher.errors import StoreError
from batcher.images import Document
from batcher.models import ErrorClass, Failure
from batcher.sandbox import Sandbox, SandboxOptions
from batcher.stores import Draft, LocalStore, Partial
from batcher.transport import HttpTransport, Received, Reply
from batcher.transport.http import FAILURES
from batcher.transport.pool import ConnectError, HeldBackError
from batcher.transport.response import BrokenReplyError
from batcher.transport.url import UrlError
from tests.integration.odd_server import read_request, serving, talking
from tests.integration.store_conformance import ID, png
from tests.integration.test_pool import unfit

KEY = "sk-a-key-that-nobody-else-may-see"
BODY = json.dumps({"model": "gpt-image-2-pro", "prompt": "a fox", "size": "64x64"})
PICTURE = base64.b64encode(png(filler=40_000)).decode()
REPLY = json.dumps({"created": 1, "data": [{"b64_json": PICTURE}]}).encode()
HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
)


class Begin:
    """Begins partial images in a store, and remembers them."""

    def __init__(self, store: LocalStore) -> None:
        self._store = store
        self.whole = asyncio.Event()

    async def __call__(self, number: int) -> Partial:
        if number:
            self.whole.set()
        return await self._store.begin(ID, 1, number)


@pytest.fixture
def begin(tmp_path: Path) -> Begin:
    return Begin(LocalStore(tmp_path))


@asynccontextmanager
async def transport(base_url: str, key: str = KEY) -> AsyncIterator[HttpTransport]:
    async with HttpTransport(base_url, Secret(key), agent="batcher/test") as opened:
        yield opened


@asynccontextmanager
async def rehearsal() -> AsyncIterator[HttpTransport]:
    async with (
        Sandbox(SandboxOptions(key=KEY)) as sandbox,
        transport(sandbox.base_url) as opened,
    ):
        yield opened


async def posted(
    origin: str, begin: Begin, *, seconds: float = 10.0, body: str = BODY
) -> Received:
    async with transport(f"{origin}/v1") as opened:
        return await opened.post(body.encode(), seconds=seconds, begin=begin)


def failure(received: Received) -> Failure:
    assert isinstance(received.outcome, Failure), received.outcome
    return received.outcome


async def drafts(received: Received) -> list[Draft]:
    found = [await each.finish() for each in received.partials.values()]
    return [draft for draft in found if isinstance(draft, Draft)]


def subclasses(kind: type[BaseException]) -> Iterator[type[BaseException]]:
    yield kind
    for each in kind.__subclasses__():
        yield from subclasses(each)


def test_every_exception_of_the_network_has_a_class() -> None:
    rows: dict[type[BaseException], str] = {
        UrlError: "config",
        ConnectError: "connect",
        HeldBackError: "lease",
    }
    for each in [*subclasses(UrlError), *subclasses(OSError)]:
        row = next(found for kind, found in FAILURES if issubclass(each, kind))
        assert row == rows.get(each, "ambiguous"), each


@pytest.mark.parametrize(
    "kind",
    [TimeoutError, ssl.SSLError, BrokenPipeError, socket.gaierror, BrokenReplyError],
)
def test_every_error_of_the_system_is_among_them(kind: type[BaseException]) -> None:
    assert kind in set(subclasses(OSError))


async def test_an_image_inside_a_reply_is_written_while_it_comes(begin: Begin) -> None:
    async with rehearsal() as opened:
        received = await opened.post(BODY.encode(), seconds=10, begin=begin)
    assert isinstance(received.outcome, Reply)
    assert received.request_id
    assert received.latency > 0
    assert [draft.properties.width for draft in await drafts(received)] == [64]


@pytest.mark.parametrize(
    ("fault", "error_class"),
    [
        ("auth", "auth"),
        ("quota", "quota"),
        ("moderation", "moderation"),
        ("rate_limited", "rate_limited"),
        ("overloaded", "overloaded"),
        ("server", "server"),
        ("html_502", "ambiguous"),
        ("html_504", "ambiguous"),
        ("cloudflare_524", "ambiguous"),
        ("reset", "ambiguous"),
        ("drop", "ambiguous"),
        ("hang", "ambiguous"),
        ("truncate", "ambiguous"),
        ("not_json", "ambiguous"),
        ("redirected", "config"),
        ("empty_data", "bad_reply"),
        ("empty_strings", "bad_reply"),
    ],
)
async def test_what_a_gateway_does_has_a_class(
    begin: Begin, fault: str, error_class: str
) -> None:
    body = BODY.replace("a fox", f"sandbox:{fault}")
    seconds = 0.5 if fault == "hang" else 10
    async with rehearsal() as opened:
        received = await opened.post(body.encode(), seconds=seconds, begin=begin)
    assert failure(received).error_class == error_class
    assert received.partials == {}


async def test_a_failed_post_leaves_no_partial_file(
    begin: Begin, tmp_path: Path
) -> None:
    body = BODY.replace("a fox", "sandbox:truncate").replace("64x64", "640x640")
    async with rehearsal() as opened:
        await opened.post(body.encode(), seconds=10, begin=begin)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []  # noqa: ASYNC240 - a test


async def test_nobody_there_is_never_sent(begin: Begin) -> None:
    async with serving(_never) as origin:
        pass
    assert failure(await posted(origin, begin)).error_class is ErrorClass.CONNECT


async def test_a_host_without_an_address_is_never_sent(begin: Begin) -> None:
    received = await posted("http://gateway.invalid", begin)
    assert failure(received).error_class is ErrorClass.CONNECT


async def test_a_peer_that_speaks_no_tls_is_never_sent(begin: Begin) -> None:
    async with serving(_never) as origin:
        received = await posted(origin.replace("http:", "https:"), begin)
    assert failure(received).error_class is ErrorClass.CONNECT


async def _never(http: web.Request) -> web.StreamResponse:
    raise AssertionError(http.path)


@pytest.mark.parametrize(
    "noise", [b"\x16\x03\x01", b"SSH-2.0-x\r\n", b"HTTP/9 zero\r\n"]
)
async def test_a_peer_that_speaks_no_http_is_ambiguous(
    begin: Begin, noise: bytes
) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(noise + b"\r\n\r\n")
        await writer.drain()

    async with talking(talk) as origin:
        received = await posted(origin, begin)
    assert failure(received).error_class is ErrorClass.AMBIGUOUS


async def test_an_image_that_was_whole_before_the_cut_is_kept(begin: Begin) -> None:
    text = json.dumps({"data": [{"b64_json": PICTURE}], "usage": {"total_tokens": 7}})

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(HEAD % len(text) + text[:-20].encode())
        await writer.drain()

    async with talking(talk) as origin:
        received = await posted(origin, begin)
    assert isinstance(received.outcome, Reply)
    assert not received.outcome.complete
    assert len(await drafts(received)) == 1


async def test_a_reply_that_comes_too_slowly_is_ambiguous(begin: Begin) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(HEAD % len(REPLY) + REPLY[:9000])
        await reader.read()

    async with talking(talk) as origin:
        received = await posted(origin, begin, seconds=1.0)
    found = failure(received)
    assert found.error_class is ErrorClass.AMBIGUOUS
    assert found.message == "no reply within 1 s"
    assert found.status == 200


async def test_a_connection_the_server_closed_is_not_used_again(begin: Begin) -> None:
    requests: list[bytes] = []
    closed = asyncio.Semaphore(0)

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        requests.append(await read_request(reader))
        writer.write(HEAD % len(REPLY) + REPLY)
        writer.close()
        await writer.wait_closed()
        closed.release()

    async with talking(talk) as origin, transport(f"{origin}/v1") as opened:
        for _ in range(3):
            received = await opened.post(BODY.encode(), seconds=10, begin=begin)
            assert isinstance(received.outcome, Reply)
            await closed.acquire()
            await unfit(opened._pool)
    assert len(requests) == 3


async def test_a_lost_post_is_not_sent_a_second_time_by_the_library(
    begin: Begin,
) -> None:
    requests: list[bytes] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        requests.append(await read_request(reader))
        if len(requests) == 1:
            writer.write(HEAD % len(REPLY) + REPLY)
            await reader.read()

    async with talking(talk) as origin, transport(f"{origin}/v1") as opened:
        first = await opened.post(BODY.encode(), seconds=10, begin=begin)
        second = await opened.post(BODY.encode(), seconds=10, begin=begin)
    assert isinstance(first.outcome, Reply)
    assert failure(second).error_class is ErrorClass.AMBIGUOUS
    assert len(requests) == 2


async def test_an_address_that_held_the_key_is_fetched_by_who_has_the_key(
    begin: Begin,
) -> None:
    asked: list[str] = []

    async def handler(http: web.Request) -> web.StreamResponse:
        if http.method == "POST":
            url = f"http://{http.host}/{KEY}.png?key={KEY}"
            return web.json_response({"data": [{"url": url}]})
        asked.append(http.path_qs)
        return web.Response(body=base64.b64decode(PICTURE))

    async with serving(handler) as origin:
        received = await posted(origin, begin)
        assert isinstance(received.outcome, Reply)
        url = received.outcome.images[0].url
        assert url is not None
        assert KEY not in url
        async with transport(f"{origin}/v1") as later:
            assert await later.fetch(url, await begin(0), seconds=10) is None
    assert asked == [f"/{KEY}.png?key={KEY}"]


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_the_key_does_not_follow_a_redirect(begin: Begin, status: int) -> None:
    seen: list[str] = []

    async def elsewhere(http: web.Request) -> web.StreamResponse:
        seen.append(http.headers.get("Authorization", ""))
        return web.Response()

    async with serving(elsewhere) as other:

        async def handler(http: web.Request) -> web.StreamResponse:
            assert http.headers["Authorization"] == f"Bearer {KEY}"
            return web.Response(status=status, headers={"Location": f"{other}/v1"})

        async with serving(handler) as origin:
            received = await posted(origin, begin)
    assert failure(received).error_class is ErrorClass.CONFIG
    assert seen == []


async def test_a_gateway_that_echoes_the_key_does_not_get_it_into_a_message(
    begin: Begin,
) -> None:
    async def handler(http: web.Request) -> web.StreamResponse:
        words = f"Incorrect API key: {http.headers['Authorization']}"
        error = {"message": words, "code": KEY, "type": "invalid_request_error"}
        return web.json_response({"error": error}, status=401)

    async with serving(handler) as origin:
        found = failure(await posted(origin, begin))
    assert found.error_class is ErrorClass.AUTH
    assert KEY not in repr(found)


async def test_the_request_is_sent_as_documented(begin: Begin) -> None:
    seen: list[web.Request] = []

    async def handler(http: web.Request) -> web.StreamResponse:
        seen.append(http)
        assert await http.text() == BODY
        return web.Response(body=REPLY, content_type="application/json")

    async with serving(handler) as origin:
        await posted(origin, begin)
    (http,) = seen
    assert (http.method, http.path) == ("POST", "/v1/images/generations")
    assert http.headers["Content-Type"] == "application/json"
    assert http.headers["Accept-Encoding"] == "identity"
    assert http.headers["User-Agent"] == "batcher/test"
    assert "Cookie" not in http.headers


async def test_no_cookie_is_kept(begin: Begin) -> None:
    cookies: list[str | None] = []

    async def handler(http: web.Request) -> web.StreamResponse:
        cookies.append(http.headers.get("Cookie"))
        headers = {"Set-Cookie": "session=1; Path=/"}
        return web.Response(
            body=REPLY, content_type="application/json", headers=headers
        )

    async with serving(handler) as origin, transport(f"{origin}/v1") as opened:
        for _ in range(2):
            await opened.post(BODY.encode(), seconds=10, begin=begin)
    assert cookies == [None, None]


async def test_an_endless_error_page_is_not_read_to_its_end(begin: Begin) -> None:
    async def handler(http: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(status=500)
        await response.prepare(http)
        for _ in range(1000):
            await response.write(bytes(100_000))
        return response

    async with serving(handler) as origin:
        received = await posted(origin, begin)
    assert failure(received).error_class is ErrorClass.SERVER


@pytest.mark.parametrize(
    ("status", "error_class"),
    [(401, "auth"), (413, "invalid"), (429, "rate_limited"), (503, "overloaded")],
)
async def test_a_refusal_whose_body_is_cut_is_still_a_refusal(
    begin: Begin, status: int, error_class: str
) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        head = b"HTTP/1.1 %d No\r\nContent-Length: 90\r\n\r\n" % status
        writer.write(head + b'{"error": {"message": "so')
        await writer.drain()

    async with talking(talk) as origin:
        received = await posted(origin, begin)
    assert failure(received).error_class == error_class


async def test_a_cancelled_post_leaves_a_whole_image_to_be_found(
    begin: Begin, tmp_path: Path
) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        begun = REPLY[:-2] + b', {"b64_json": "' + PICTURE[:3000].encode()
        writer.write(HEAD % (2 * len(REPLY)) + begun)
        await reader.read()

    async with talking(talk) as origin:
        post = asyncio.create_task(posted(origin, begin))
        await begin.whole.wait()
        post.cancel()
        await asyncio.wait([post])
    found = await LocalStore(tmp_path).recover(ID, 1)
    assert [type(await each.finish()) for each in found.values()] == [Draft]


@pytest.mark.parametrize(
    ("coding", "packed"),
    [
        ("gzip", gzip.compress(REPLY)),
        ("gzip", gzip.compress(REPLY[:999]) + gzip.compress(REPLY[999:])),
        ("deflate", zlib.compress(REPLY)),
    ],
)
async def test_a_reply_that_was_packed_unasked_is_unpacked(
    begin: Begin, coding: str, packed: bytes
) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        head = HEAD % len(packed)
        writer.write(
            head[:-2] + f"Content-Encoding: {coding}\r\n\r\n".encode() + packed
        )
        await writer.drain()

    async with talking(talk) as origin:
        received = await posted(origin, begin)
    assert isinstance(received.outcome, Reply)
    assert len(await drafts(received)) == 1


@pytest.mark.parametrize(
    "framing",
    [
        b"Transfer-Encoding: chunked\r\nContent-Length: 7\r\n",
        b"Content-Length: %d, %d\r\n" % (len(REPLY), len(REPLY)),
        b"Content-Length: %d\r\n" % len(REPLY) * 2,
    ],
    ids=["chunked and a length", "a list of lengths", "two lengths"],
)
async def test_a_reply_that_is_framed_twice_is_kept(
    begin: Begin, framing: bytes
) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        body = REPLY
        if framing.startswith(b"Transfer"):
            body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(REPLY), REPLY)
        writer.write(b"HTTP/1.1 200 OK\r\n" + framing + b"\r\n" + body)
        await reader.read()

    async with talking(talk) as origin:
        received = await posted(origin, begin)
    assert isinstance(received.outcome, Reply)
    assert len(await drafts(received)) == 1


async def test_a_reply_in_an_unknown_coding_is_ambiguous(begin: Begin) -> None:
    async def handler(http: web.Request) -> web.StreamResponse:
        del http
        return web.Response(body=b"\x8b\x05", headers={"Content-Encoding": "br"})

    async with serving(handler) as origin:
        received = await posted(origin, begin)
    assert failure(received).error_class is ErrorClass.AMBIGUOUS


@pytest.mark.parametrize("base_url", ["http://a..b/v1", "http://gate way/\r\n"])
async def test_an_address_that_cannot_be_is_a_mistake_of_the_configuration(
    begin: Begin, base_url: str
) -> None:
    assert failure(await posted(base_url, begin)).error_class is ErrorClass.CONFIG


async def test_a_refusal_in_the_middle_of_a_large_request_is_heard(
    begin: Begin,
) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 429 Slow down\r\nRetry-After: 7\r\n\r\n")
        writer.close()

    async with talking(talk) as origin:
        received = await posted(origin, begin, body="x" * (20 << 20))
    found = failure(received)
    assert found.error_class is ErrorClass.RATE_LIMITED
    assert found.retry_after == 7


class Full:
    """A store whose disk is full."""

    async def write(self, data: bytes) -> None:
        raise StoreError(f"no room for {len(data)} bytes")

    async def finish(self) -> Draft:
        raise AssertionError

    async def embed(self, document: Document) -> Draft:
        raise AssertionError(document)

    async def keep(self, output: str) -> str:
        raise AssertionError(output)

    async def discard(self) -> None:
        self.is_discarded = True


async def test_a_full_disk_ends_the_post_and_discards_the_image() -> None:
    full = Full()

    async def begin(number: int) -> Partial:
        assert number == 0
        return full

    async with rehearsal() as opened:
        with pytest.raises(StoreError, match="no room"):
            await opened.post(BODY.encode(), seconds=10, begin=begin)
    assert full.is_discarded

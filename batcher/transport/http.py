"""Sends requests and fetches images over HTTP, with aiohttp.

The only place that holds a key. Every foreign exception becomes a `Failure` here, and
nothing is tried twice: what follows a failure is decided above.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from types import SimpleNamespace
from typing import TYPE_CHECKING, Self

import aiohttp
import msgspec

from batcher.models import ErrorClass, Failure, RateHint
from batcher.stores import Draft, Partial
from batcher.transport.document import read_document
from batcher.transport.download import Downloader
from batcher.transport.errorbody import ErrorBody, read_error
from batcher.transport.failure import classify
from batcher.transport.hint import rate_hint, request_id
from batcher.transport.message import clean
from batcher.transport.parser import (
    ImageData,
    ImageEnded,
    ReplyLimitError,
    ReplyParser,
)
from batcher.transport.reply import Reply, interpret

if TYPE_CHECKING:
    from batcher.config import Secret

CONNECT_SECONDS = 30.0
IDLE_SECONDS = 4.0
"""How long a connection is kept for reuse: less than servers keep theirs, since a
request on a connection that the server has just closed looks like a lost reply."""

LARGEST_ERROR = 1 << 20
READ_SIZE = 256 << 10

FAILURES: tuple[tuple[type[BaseException], ErrorClass], ...] = (
    (aiohttp.InvalidURL, ErrorClass.CONFIG),
    (aiohttp.ClientConnectorError, ErrorClass.CONNECT),
    (aiohttp.ConnectionTimeoutError, ErrorClass.CONNECT),
    (aiohttp.ServerFingerprintMismatch, ErrorClass.CONNECT),
    (aiohttp.ClientError, ErrorClass.AMBIGUOUS),
    (TimeoutError, ErrorClass.AMBIGUOUS),
    (OSError, ErrorClass.AMBIGUOUS),
)
"""What each foreign exception means once the request may have been sent; the first
row that fits counts. Before it was sent, all of them are `connect`."""

Begin = Callable[[int], Awaitable[Partial]]
"""Starts keeping the image of a number."""


class Received(msgspec.Struct, frozen=True, kw_only=True):
    """What a POST brought.

    Attributes:
        outcome: The reply, or why there is none.
        partials: The images that came inside it, by their numbers, written in full.
        request_id: The gateway's id of this attempt.
        hint: What the headers say of limits.
        latency: Seconds from the request's leaving to its reply's end.
    """

    outcome: Reply | Failure
    partials: Mapping[int, Partial] = {}
    request_id: str | None = None
    hint: RateHint | None = None
    latency: float = 0.0


class HttpTransport:
    """A connection to one endpoint; an async context manager.

    Args:
        base_url: Up to and with `/v1`.
        key: What authorises; it goes to this host and nowhere else.
        agent: Name and version for the `User-Agent` header.
    """

    def __init__(self, base_url: str, key: Secret, *, agent: str) -> None:
        self._base_url = base_url
        self._key = key
        self._agent = agent
        self._resources = AsyncExitStack()

    async def __aenter__(self) -> Self:
        """Open the sessions; connections are made when needed."""
        trace = aiohttp.TraceConfig()
        trace.on_request_headers_sent.append(_note_sent)
        self._session = await self._resources.enter_async_context(
            aiohttp.ClientSession(
                connector=connector(),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(sock_connect=CONNECT_SECONDS),
                trace_configs=[trace],
                read_bufsize=READ_SIZE,
                headers={
                    "Accept": "application/json",
                    "Accept-Encoding": "identity",
                    "Accept-Language": "en",
                    "User-Agent": self._agent,
                },
            )
        )
        self._downloader = await self._resources.enter_async_context(
            Downloader(self._base_url, agent=self._agent, socket_factory=_socket)
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close all connections."""
        await self._resources.aclose()

    async def post(self, body: bytes, *, seconds: float, begin: Begin) -> Received:
        """Send one request and take in its reply.

        Args:
            body: The request as JSON.
            seconds: Time limit for all of it.
            begin: Starts keeping an image that comes inside the reply.

        Raises:
            StoreError: An image could not be written.
        """
        started = time.monotonic()
        exchange = _Exchange(begin)
        context = SimpleNamespace(sent=False)
        try:
            async with (
                asyncio.timeout(seconds),
                self._session.post(
                    f"{self._base_url}/images/generations",
                    data=body,
                    headers={
                        "Authorization": f"Bearer {self._key.reveal()}",
                        "Content-Type": "application/json",
                    },
                    allow_redirects=False,
                    trace_request_ctx=context,
                ) as response,
            ):
                exchange.status = response.status
                exchange.headers = response.headers
                await exchange.read(response)
        except (aiohttp.ClientError, OSError) as error:
            exchange.error = self._failure(error, is_sent=context.sent, limit=seconds)
        except BaseException:
            await exchange.abandon()
            raise
        outcome = exchange.outcome(secrets=(self._key.reveal(),))
        latency = round(time.monotonic() - started, 3)
        if isinstance(outcome, Failure):
            await exchange.discard()
            outcome = msgspec.structs.replace(outcome, seconds=latency)
        return Received(
            outcome=outcome,
            partials=exchange.partials,
            request_id=request_id(exchange.headers),
            hint=rate_hint(exchange.headers),
            latency=latency,
        )

    def along(self, route: str) -> HttpTransport:
        """Give itself: there is one route, see `Routes`."""
        del route
        return self

    async def fetch(
        self, url: str, partial: Partial, *, seconds: float
    ) -> Failure | None:
        """Fetch a paid image, without the key; see `Downloader.fetch`."""
        return await self._downloader.fetch(url, partial, seconds=seconds)

    def _failure(self, error: BaseException, *, is_sent: bool, limit: float) -> Failure:
        error_class = next(kind for known, kind in FAILURES if isinstance(error, known))
        if not is_sent and error_class is ErrorClass.AMBIGUOUS:
            error_class = ErrorClass.CONNECT
        words = str(error) or type(error).__name__
        if isinstance(error, TimeoutError) and not isinstance(
            error, aiohttp.ClientError
        ):
            words = f"no reply within {limit:g} s"
        words = clean(words, secrets=(self._key.reveal(),))
        return Failure(error_class=error_class, message=words)


class _Exchange:
    """What has come of one POST so far."""

    def __init__(self, begin: Begin) -> None:
        self.status: int | None = None
        self.headers: Mapping[str, str] = {}
        self.partials: dict[int, Partial] = {}
        self.error: Failure | None = None
        self._begin = begin
        self._whole: set[int] = set()
        self._parser: ReplyParser | None = None
        self._error_body = b""

    async def read(self, response: aiohttp.ClientResponse) -> None:
        """Take in the body: images into their partials, the rest into memory."""
        if not 200 <= response.status < 300:
            async for chunk in response.content.iter_any():
                self._error_body += chunk
                if len(self._error_body) > LARGEST_ERROR:
                    break
            return
        self._parser = ReplyParser()
        try:
            # As they came: `iter_any` would copy what waits into one piece.
            async for chunk, _ in response.content.iter_chunks():
                await self._take(self._parser, chunk)
        except ReplyLimitError as error:
            self.error = Failure(error_class=ErrorClass.AMBIGUOUS, message=str(error))

    async def _take(self, parser: ReplyParser, chunk: bytes) -> None:
        for event in parser.feed(chunk):
            if isinstance(event, ImageData):
                partial = self.partials.get(event.number)
                if partial is None:
                    partial = await self._begin(event.number)
                    self.partials[event.number] = partial
                await partial.write(event.data)
            elif isinstance(event, ImageEnded) and event.number in self.partials:
                draft = await self.partials[event.number].finish()
                if isinstance(draft, Draft):
                    self._whole.add(event.number)

    def outcome(self, *, secrets: tuple[str, ...]) -> Reply | Failure:
        """Say what it all means."""
        parsed = self._parsed()
        if isinstance(parsed, Reply) and (parsed.usable or self.error is None):
            if not parsed.usable:
                return self._unusable(parsed)
            return parsed
        if self.error is not None and not self._is_refused():
            return self._with_headers(self.error)
        if isinstance(parsed, Reply):
            return self._unusable(parsed)
        return classify(
            self.status,
            parsed or ErrorBody(message=""),
            self.headers,
            now=time.time(),
            secrets=secrets,
        )

    def _is_refused(self) -> bool:
        """Tell whether the status says enough, though the body was cut."""
        return self.status is not None and not 200 <= self.status < 300

    def _parsed(self) -> Reply | ErrorBody | None:
        if self._parser is not None:
            return interpret(self._parser.finish())
        if self.status is None:
            return None
        return read_error(read_document(self._error_body))

    def _unusable(self, reply: Reply) -> Failure:
        """Say why a reply brings no image."""
        if not reply.complete:
            return self._with_headers(
                Failure(
                    error_class=ErrorClass.AMBIGUOUS, message="the reply was cut off"
                )
            )
        defects = [image.defect for image in reply.images if image.defect]
        message = f"no image in the reply: {defects[0] if defects else 'data is empty'}"
        failure = Failure(error_class=ErrorClass.BAD_REPLY, message=clean(message))
        return self._with_headers(failure)

    def _with_headers(self, failure: Failure) -> Failure:
        return msgspec.structs.replace(
            failure, status=self.status, request_id=request_id(self.headers)
        )

    async def abandon(self) -> None:
        """Forget the images that are not whole; a later run finds the others."""
        for number, partial in self.partials.items():
            if number not in self._whole:
                await partial.discard()

    async def discard(self) -> None:
        """Forget the images that had begun to come."""
        for partial in self.partials.values():
            await partial.discard()
        self.partials.clear()


def connector() -> aiohttp.TCPConnector:
    """Make what opens connections: no limit of its own, short reuse, live sockets."""
    return aiohttp.TCPConnector(
        limit=0, keepalive_timeout=IDLE_SECONDS, socket_factory=_socket
    )


async def _note_sent(
    session: aiohttp.ClientSession,
    context: SimpleNamespace,
    parameters: aiohttp.TraceRequestHeadersSentParams,
) -> None:
    del session, parameters
    context.trace_request_ctx.sent = True


def _socket(address: tuple[object, ...]) -> socket.socket:
    """Make a socket that notices a dead peer during minutes of silence."""
    family, kind, protocol = address[:3]
    made = socket.socket(family, kind, protocol)  # type: ignore[arg-type]  # aiohttp types it loosely
    made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (
        ("TCP_KEEPIDLE", 30),
        ("TCP_KEEPINTVL", 15),
        ("TCP_KEEPCNT", 4),
    ):
        option = getattr(socket, name, None)
        if option is not None:
            made.setsockopt(socket.IPPROTO_TCP, option, value)
    return made

"""Sends requests and fetches images over HTTP, with connections of its own.

The only place that holds a key. Every foreign exception becomes a `Failure` here, and
nothing is tried twice: what follows a failure is decided above.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from functools import cached_property
from typing import TYPE_CHECKING, Self

import msgspec

from batcher.models import ErrorClass, Failure, RateHint
from batcher.stores import Partial
from batcher.transport.download import Downloader
from batcher.transport.exchange import Begin, Exchange
from batcher.transport.hint import rate_hint, request_id
from batcher.transport.pool import Call, ConnectError, HeldBackError, Pool
from batcher.transport.redaction import Redaction
from batcher.transport.reply import Reply
from batcher.transport.url import Origin, UrlError, read_url, request_head, with_length

if TYPE_CHECKING:
    from collections.abc import Callable

    from batcher.config import Secret

FAILURES: tuple[tuple[type[BaseException], ErrorClass], ...] = (
    (UrlError, ErrorClass.CONFIG),
    (HeldBackError, ErrorClass.LEASE),
    (ConnectError, ErrorClass.CONNECT),
    (OSError, ErrorClass.AMBIGUOUS),
)
"""What each exception of the network means once the request may have been sent; the
first row that fits counts. Before it was sent, what is ambiguous is `connect`."""


class Received(msgspec.Struct, frozen=True, kw_only=True):
    """What a POST brought.

    Attributes:
        outcome: The reply, or why there is none.
        partials: The images that came inside it, by their numbers, written in full.
        status: The HTTP status, when there was one.
        request_id: The gateway's id of this attempt.
        hint: What the headers say of limits.
        latency: Seconds from the request's leaving to its reply's end.
    """

    outcome: Reply | Failure
    partials: Mapping[int, Partial] = {}
    status: int | None = None
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
        self._redaction = Redaction(base_url, key)
        self._resources = AsyncExitStack()

    async def __aenter__(self) -> Self:
        """Open the pools; connections are made when needed."""
        self._pool = await self._resources.enter_async_context(Pool())
        self._downloader = await self._resources.enter_async_context(
            Downloader(self._base_url, self._redaction, agent=self._agent)
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close all connections."""
        await self._resources.aclose()

    async def post(
        self,
        body: bytes,
        *,
        seconds: float,
        begin: Begin,
        may_leave: Callable[[], bool] = lambda: True,
    ) -> Received:
        """Send one request and take in its reply.

        Args:
            body: The request as JSON.
            seconds: Time limit for all of it.
            begin: Starts keeping an image that comes inside the reply.
            may_leave: Asked once there is a connection, right before the bytes leave.

        Raises:
            StoreError: An image could not be written.
        """
        started = time.monotonic()
        exchange = Exchange(begin, self._redaction)
        call: Call | None = None
        try:
            call = self._call(body, may_leave)
            async with asyncio.timeout(seconds), call:
                await exchange.read(call)
        except (OSError, UrlError) as error:
            is_sent = call is not None and call.is_sent
            exchange.error = self._failure(error, is_sent=is_sent, limit=seconds)
        except BaseException:
            await exchange.abandon()
            raise
        outcome = exchange.outcome()
        latency = round(time.monotonic() - started, 3)
        if isinstance(outcome, Failure):
            await exchange.discard()
            outcome = msgspec.structs.replace(outcome, seconds=latency)
            outcome = self._redaction.failure(outcome)
        else:
            outcome = self._redaction.reply(outcome.resolved(self._address))
        attempt_id = request_id(exchange.headers)
        return Received(
            outcome=outcome,
            partials=exchange.partials,
            status=exchange.status,
            request_id=attempt_id and self._redaction.text(attempt_id),
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
        failure = await self._downloader.fetch(url, partial, seconds=seconds)
        return failure and self._redaction.failure(failure)

    def _call(self, body: bytes, may_leave: Callable[[], bool]) -> Call:
        origin, head = self._opening
        request = (with_length(head, len(body)), body)
        return self._pool.call(origin, request, may_leave)

    @property
    def _address(self) -> str:
        """Where requests go; config lets no user and no password into it."""
        return f"{self._base_url}/images/generations"

    @cached_property
    def _opening(self) -> tuple[Origin, bytes]:
        """Whom to connect to, and what every request begins with."""
        url = read_url(self._address)
        headers = {
            "Accept": "application/json",
            "Accept-Encoding": "identity",
            "Accept-Language": "en",
            "User-Agent": self._agent,
            "Authorization": f"Bearer {self._key.reveal()}",
            "Content-Type": "application/json",
        }
        return url.origin, request_head("POST", url, headers)

    def _failure(self, error: Exception, *, is_sent: bool, limit: float) -> Failure:
        error_class = next(kind for known, kind in FAILURES if isinstance(error, known))
        if not is_sent and error_class is ErrorClass.AMBIGUOUS:
            error_class = ErrorClass.CONNECT
        words = str(error) or type(error).__name__
        if words == TimeoutError.__name__:
            words = f"no reply within {limit:g} s"
        return Failure(error_class=error_class, message=words)

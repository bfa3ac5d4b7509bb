"""Fetches images from the URLs of a reply: without the key, and not from just anywhere.

Only http and https, redirects checked one by one, and no address inside this
machine or its network unless the endpoint itself is there: a reply cannot make this
program talk to the services around it.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from typing import TYPE_CHECKING, Self
from urllib.parse import urljoin, urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver
from yarl import URL

from batcher.images import Defect
from batcher.models import ErrorClass, Failure
from batcher.transport.message import clean

if TYPE_CHECKING:
    from collections.abc import Callable

    from batcher.stores import Partial

LARGEST_IMAGE = 256 << 20
MOST_REDIRECTS = 5
GONE = frozenset({401, 403, 404, 410, 451})
"""Statuses of a URL that has expired or never was, as stores of objects answer."""


class AddressError(OSError):
    """A host is where no image may be fetched from."""


class Downloader:
    """Fetches images; an async context manager.

    Args:
        base_url: The endpoint's, whose own network may be fetched from.
        agent: Name and version for the `User-Agent` header.
        socket_factory: Makes the sockets.
    """

    def __init__(
        self,
        base_url: str,
        *,
        agent: str,
        socket_factory: Callable[[tuple[object, ...]], socket.socket],
    ) -> None:
        self._base_url = base_url
        self._agent = agent
        self._socket_factory = socket_factory
        self._guard = _Guard(urlsplit(base_url).hostname or "")

    async def __aenter__(self) -> Self:
        """Open the session."""
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=0,
                resolver=self._guard,
                socket_factory=self._socket_factory,
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=30, sock_read=60),
            headers={"Accept": "image/*", "User-Agent": self._agent},
            read_bufsize=256 << 10,
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close all connections."""
        await self._session.close()

    async def fetch(
        self, url: str, partial: Partial, *, seconds: float
    ) -> Failure | None:
        """Fetch one image into `partial`, once.

        Returns:
            None when it is whole; else why not, `final` when its URL is gone for good.

        Raises:
            StoreError: The image could not be written.
        """
        try:
            async with asyncio.timeout(seconds):
                return await self._follow(url, partial)
        except AddressError as error:
            return _failure(str(error), final=True)
        except (aiohttp.ClientError, OSError, ValueError) as error:
            cause = error.__cause__ or error.__context__
            if isinstance(cause, AddressError):
                return _failure(str(cause), final=True)
            return _failure(str(error) or type(error).__name__)

    async def _follow(self, url: str, partial: Partial) -> Failure | None:
        for _ in range(MOST_REDIRECTS + 1):
            parts = urlsplit(url)
            if parts.scheme not in ("http", "https") or not parts.hostname:
                return _failure(f"will not fetch from {url[:80]!r}", final=True)
            await self._guard.check_literal(parts.hostname)
            # As it came: a signature may be over the very spelling of the URL.
            address = URL(url, encoded=url.isascii())
            async with self._session.get(address, allow_redirects=False) as response:
                location = response.headers.get("Location")
                if response.status in (301, 302, 303, 307, 308) and location:
                    url = urljoin(url, location)
                    continue
                return await self._read(response, partial)
        return _failure(f"redirected more than {MOST_REDIRECTS} times")

    async def _read(
        self, response: aiohttp.ClientResponse, partial: Partial
    ) -> Failure | None:
        if response.status != 200:
            message = f"HTTP {response.status}"
            if response.status in GONE:
                message += ": the URL has expired or never was"
            return _failure(
                message, status=response.status, final=response.status in GONE
            )
        size = 0
        async for chunk, _ in response.content.iter_chunks():
            size += len(chunk)
            if size > LARGEST_IMAGE:
                message = f"is larger than {LARGEST_IMAGE >> 20} MiB"
                return _failure(message, final=True)
            await partial.write(chunk)
        draft = await partial.finish()
        return _failure(draft.message) if isinstance(draft, Defect) else None


class _Guard(AbstractResolver):
    """Resolves names, and refuses addresses the endpoint gives no reason to visit."""

    def __init__(self, endpoint_host: str) -> None:
        self._endpoint_host = endpoint_host
        self._resolver = ThreadedResolver()
        self._allowed: frozenset[str] | None = None

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Resolve a name, each of its addresses checked."""
        found = await self._resolver.resolve(host, port, family)
        for result in found:
            await self._check(host, result["host"])
        return found

    async def close(self) -> None:
        """Close the resolver beneath."""
        await self._resolver.close()

    async def check_literal(self, host: str) -> None:
        """Check a host that is an address, which no resolver sees."""
        try:
            address = str(ipaddress.ip_address(host.partition("%")[0]))
        except ValueError:
            return
        await self._check(host, address)

    async def _check(self, host: str, address: str) -> None:
        reach = _reach(address)
        if reach == "global":
            return
        if self._allowed is None:
            self._allowed = await self._endpoint_reaches()
        if reach not in self._allowed:
            raise AddressError(f"will not fetch from {host!r}: a {reach} address")

    async def _endpoint_reaches(self) -> frozenset[str]:
        """Tell what kinds of addresses the endpoint itself has."""
        try:
            found = await self._resolver.resolve(self._endpoint_host, 0)
        except OSError:
            return frozenset()
        return frozenset(_reach(result["host"]) for result in found)


def _reach(address: str) -> str:
    """Name how far an address reaches."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    mapped = getattr(ip, "ipv4_mapped", None)
    ip = mapped or ip
    for name in ("loopback", "link_local", "multicast", "unspecified"):
        if getattr(ip, f"is_{name}"):
            return name
    return "global" if ip.is_global else "private"


def _failure(
    message: str, *, status: int | None = None, final: bool = False
) -> Failure:
    return Failure(
        error_class=ErrorClass.DOWNLOAD,
        message=clean(message),
        status=status,
        final=final,
    )

"""Fetches images from the URLs of a reply: without the key, and not from just anywhere.

Only http and https, redirects checked one by one, and only from where a `Resolver`
lets.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Self
from urllib.parse import urljoin, urlsplit

from batcher.images import Defect
from batcher.models import ErrorClass, Failure
from batcher.transport.address import AddressError, Resolver
from batcher.transport.message import clean
from batcher.transport.pool import Call, Pool
from batcher.transport.url import Url, UrlError, read_url, request_head

if TYPE_CHECKING:
    from batcher.stores import Partial
    from batcher.transport.redaction import Redaction

LARGEST_IMAGE = 256 << 20
MOST_REDIRECTS = 5
SILENT_SECONDS = 60.0
"""How long nothing may come: an image that is drawn need not be waited for."""

GONE_STATUSES = frozenset({410, 451})
"""Statuses of a URL that says itself that it will give nothing any more (RFC 9110
§15.5.11, RFC 7725)."""

ABSENT_STATUSES = frozenset({401, 403, 404})
"""Statuses of a URL that has expired, or is not there yet, as stores of objects answer;
what follows is `worker.patience`'s to say."""


class Downloader:
    """Fetches images; an async context manager.

    Args:
        base_url: The endpoint's, whose own network may be fetched from.
        redaction: Puts the key where an address had it, if that is the endpoint's.
        agent: Name and version for the `User-Agent` header.
    """

    def __init__(self, base_url: str, redaction: Redaction, *, agent: str) -> None:
        self._agent = agent
        self._redaction = redaction
        self._pool = Pool(find=Resolver(urlsplit(base_url).hostname or "").find)

    async def __aenter__(self) -> Self:
        """Open nothing: connections are made when needed."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close all connections."""
        await self._pool.close()

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
        except (OSError, ValueError) as error:
            return _failure(str(error) or type(error).__name__)

    async def _follow(self, url: str, partial: Partial) -> Failure | None:
        for _ in range(MOST_REDIRECTS + 1):
            try:
                parts = read_url(self._redaction.opened(url))
            except UrlError:
                return _failure(f"will not fetch from {url[:80]!r}", final=True)
            async with asyncio.timeout(None) as silence:
                _expect(silence)
                async with self._call(parts) as call:
                    location = call.headers.get("location")
                    if call.status in (301, 302, 303, 307, 308) and location:
                        url = self._redaction.address(urljoin(url, location))
                        continue
                    return await _read(call, partial, silence)
        return _failure(f"redirected more than {MOST_REDIRECTS} times")

    def _call(self, url: Url) -> Call:
        headers = {
            "Accept": "image/*",
            "Accept-Encoding": "identity",
            "User-Agent": self._agent,
        }
        if url.credentials is not None:
            headers["Authorization"] = url.credentials
        return self._pool.call(url.origin, (request_head("GET", url, headers),))


async def _read(
    call: Call, partial: Partial, silence: asyncio.Timeout
) -> Failure | None:
    if call.status != 200:
        is_gone = call.status in GONE_STATUSES
        message = f"HTTP {call.status}"
        if is_gone or call.status in ABSENT_STATUSES:
            message += ": the URL has expired" + ("" if is_gone else ", or is too new")
        return _failure(message, status=call.status, final=is_gone)
    size = 0
    while (pieces := await call.read()) is not None:
        silence.reschedule(None)  # the disk may take its time
        for piece in pieces:
            size += len(piece)
            if size > LARGEST_IMAGE:
                message = f"is larger than {LARGEST_IMAGE >> 20} MiB"
                return _failure(message, final=True)
            await partial.write(bytes(piece))
        _expect(silence)
    draft = await partial.finish()
    return _failure(draft.message) if isinstance(draft, Defect) else None


def _expect(silence: asyncio.Timeout) -> None:
    """Begin to wait for what comes next."""
    silence.reschedule(asyncio.get_running_loop().time() + SILENT_SECONDS)


def _failure(
    message: str, *, status: int | None = None, final: bool = False
) -> Failure:
    return Failure(
        error_class=ErrorClass.DOWNLOAD,
        message=clean(message),
        status=status,
        final=final,
    )

"""Lets in who opened a printed address, and says what browsers may do with an answer.

A key stands in an address once: opening it gives a cookie and leads to an address
without it, so that no key is on screen, in a bookmark or in a `Referer`. Browsers send
a cookie to every port of a host (RFC 6265 §8.5); its path, which is random too, keeps
it from other servers on this machine.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from aiohttp import web

from batcher.watch.key import Keys, Right

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

COOKIE = "batcher"
HOSTS = frozenset({"127.0.0.1", "localhost"})
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self';"
        " img-src 'self' data:; connect-src 'self'; base-uri 'none';"
        " form-action 'none'; frame-ancestors 'none';"
        " require-trusted-types-for 'script'; trusted-types 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class Guard:
    """Stands before every answer of one page.

    Attributes:
        keys: What opens it.
        root: Path of the page, random.
    """

    def __init__(self) -> None:
        self.keys = Keys()
        self.root = f"/{secrets.token_urlsafe(12)}/"

    def address(self, port: int, key: str) -> str:
        """Give the address to open with a key."""
        return f"http://127.0.0.1:{port}/open/{key}"

    def right(self, request: web.Request) -> Right | None:
        """Say what whoever asks may do."""
        return self.keys.right(request.cookies.get(COOKIE, ""))

    async def open(self, request: web.Request) -> web.StreamResponse:
        """Exchange a key for a cookie."""
        key = request.match_info["key"]
        if self.keys.right(key) is None:
            raise web.HTTPForbidden(text="this address is of another watch, or wrong")
        answer = web.Response(status=303, headers={"Location": self.root})
        answer.set_cookie(COOKIE, key, path=self.root, httponly=True, samesite="Strict")
        return answer

    @web.middleware
    async def check(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Turn away who has no key, and who comes by another name or place.

        A page elsewhere can have its own name lead here (DNS rebinding), and can post
        here; it cannot choose the `Host` and `Origin` that a browser then sends.
        """
        if request.host.partition(":")[0].lower() not in HOSTS:
            raise web.HTTPForbidden(text="this page is for this machine alone")
        origin = request.headers.get("Origin", "")
        if request.method == "POST" and origin != f"http://{request.host}":
            raise web.HTTPForbidden(text="this comes from another page")
        is_opening = request.match_info.handler == self.open
        if not is_opening and self.right(request) is None:
            words = "open the address that batcher printed; if you did, reload"
            raise web.HTTPUnauthorized(text=words)
        return await handler(request)

    async def dress(self, _: web.Request, answer: web.StreamResponse) -> None:
        """Put the headers on an answer that every one carries."""
        answer.headers.update(HEADERS)

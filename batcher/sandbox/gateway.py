"""The endpoints of the sandbox, over HTTP.

A client that leaves changes nothing of what happens to its POST: the images are drawn
and billed, as at the real gateways (§2.5).
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from aiohttp import web
from msgspec.structs import replace

from batcher.sandbox.delivery import whole
from batcher.sandbox.faults import HONEST, Fetch
from batcher.sandbox.faults.download import EXPIRED, MISSING
from batcher.sandbox.journal import described
from batcher.sandbox.link import read_name
from batcher.sandbox.reply import Document, RefusalError, Reply, encode, error
from batcher.sandbox.shop import PLAYED, Sale, Shop, Visit, paint, read
from batcher.sandbox.tally import Tally

if TYPE_CHECKING:
    from batcher.sandbox.journal import Journal

MODELS = ("gpt-image-2-pro", "gpt-image-2", "gpt-image-1.5", "gpt-image-1-mini")

LARGEST_BODY = 128 * 2**20
"""Bytes of a POST: new-api's default (§2.1)."""

LONG_BODY = 2**16
"""Bytes from which a body is read in a thread."""

FILES = 10_000
"""Files whose fetches are counted."""


class Gateway:
    """The endpoints.

    Args:
        shop: Where orders go.
        journal: Where to write.
        key: The only key let in; None lets everybody in.
    """

    def __init__(self, shop: Shop, journal: Journal, key: str | None) -> None:
        self.shop = shop
        self.journal = journal
        self.key = key
        self.fetches = Tally(FILES)

    def application(self) -> web.Application:
        """Make the web application."""
        app = web.Application()
        app.router.add_post("/v1/images/generations", self.generate)
        app.router.add_get("/v1/models", self.models)
        app.router.add_get("/api/usage/token{slash:/?}", self.usage)
        app.router.add_get("/files/{name}", self.file)
        app.router.add_get("/files/moved/{name}", self.file)
        app.router.add_get("/sandbox/journal", self.read_journal)
        app.router.add_route("*", "/{path:.*}", self.unknown)
        return app

    async def generate(self, http: web.Request) -> web.StreamResponse:
        """Answer a POST; its lines are in the journal before its reply leaves."""
        started = time.monotonic()
        try:
            document, visit = await self.receive(http)
        except ConnectionError:  # it left before it had asked: not a POST
            return await whole(http, Reply(status=400))
        self.journal.posts += 1
        number = self.journal.posts
        fault = visit.fault if isinstance(visit, Visit) else HONEST
        post = {"number": number, **described(document), "fault": fault.name or None}
        self.journal.write("post", post)
        if isinstance(visit, Visit):
            outcome = await self.shop.serve(visit)
        else:
            outcome = Sale(reply=visit)
        self.end(number, outcome, time.monotonic() - started)
        return await fault.deliver(http, self.signed(outcome.reply))

    async def receive(self, http: web.Request) -> tuple[Document, Visit | Reply]:
        """Read a POST and let it in, or say why not."""
        body = await read_body(http)
        if body is None:
            code = "read_request_body_failed"
            return {}, error(413, "request body too large", code=code)
        if not self.has_key(http):
            return {}, error(401, "Invalid token")
        work = partial(read, body)
        document, order = (
            work() if len(body) < LONG_BODY else await self.shop.aside(work)
        )
        if isinstance(order, Reply):
            return document, order
        try:
            origin = f"{http.scheme}://{http.host}"
            return document, self.shop.admit(document, order, origin)
        except RefusalError as refused:
            return document, refused.reply

    def end(self, number: int, outcome: Sale, seconds: float) -> None:
        """Enter how a POST ended."""
        self.journal.images += outcome.drawn
        self.journal.billed += outcome.billed
        self.journal.billed_micros += outcome.micros
        line = {
            "number": number,
            "status": outcome.reply.status,
            "billed": outcome.billed > 0,
            "images": outcome.drawn,
            "seconds": round(seconds, 3),
        }
        self.journal.write("end", line)

    async def file(self, http: web.Request) -> web.StreamResponse:
        """Hand out a file that a reply's URL points to."""
        name = http.match_info["name"]
        link = read_name(name, self.shop.secret)
        fault = PLAYED[link.fault] if link else HONEST
        if link is None:
            reply = MISSING
        elif time.time() * 1000 > link.ends:
            reply = EXPIRED
        else:
            content = await self.shop.aside(partial(paint, link.picture, fault))
            moved = http.path.startswith("/files/moved/")
            fetch = Fetch(name=name, count=self.fetches.count(name), moved=moved)
            plain = Reply(body=content, content_type="image/png", middlebox=True)
            reply = fault.fetch(plain, fetch)
        self.journal.downloads += 1
        self.look_for_key(http)
        self.journal.write("download", {"name": name, "status": reply.status})
        return await fault.hand_out(http, reply)

    async def models(self, http: web.Request) -> web.StreamResponse:
        """List the models that the key may use."""
        if not self.has_key(http):
            return await whole(http, self.signed(error(401, "Invalid token")))
        models = [
            {
                "id": name,
                "object": "model",
                "created": 1776000000,
                "owned_by": "sandbox",
            }
            for name in MODELS
        ]
        body = encode({"object": "list", "data": models, "success": True})
        return await whole(http, self.signed(Reply(body=body)))

    async def usage(self, http: web.Request) -> web.StreamResponse:
        """Tell the key's balance, in new-api's other envelope (§1.1)."""
        if self.has_key(http):
            quota = self.shop.wallet.quota()
            reply = Reply(body=encode({"code": True, "message": "ok", "data": quota}))
        else:
            given = "Authorization" in http.headers
            message = "Invalid Bearer token" if given else "No Authorization header"
            body = encode({"success": False, "message": message})
            reply = Reply(status=401, body=body)
        return await whole(http, self.signed(reply))

    async def read_journal(self, http: web.Request) -> web.StreamResponse:
        """Show the latest lines of the journal."""
        body, kind = self.journal.text(), "application/x-ndjson"
        return await whole(http, Reply(body=body, content_type=kind))

    async def unknown(self, http: web.Request) -> web.StreamResponse:
        """Refuse what the gateway does not have (§2.3)."""
        self.look_for_key(http)
        if http.path.startswith("/v1/images/"):
            code = "api_not_implemented"
            reply = error(501, "API not implemented", code=code)
        else:
            message = f"Invalid URL ({http.method} {http.path})"
            reply = error(404, message, kind="invalid_request_error")
        return await whole(http, self.signed(reply))

    def has_key(self, http: web.Request) -> bool:
        """Tell whether a call carries the right key."""
        given = http.headers.get("Authorization")
        return self.key is None or given == f"Bearer {self.key}"

    def look_for_key(self, http: web.Request) -> None:
        """Count a key that was sent where it has no business."""
        self.journal.keys_seen += "Authorization" in http.headers

    def signed(self, reply: Reply) -> Reply:
        """Add the request id, as the gateway does to all it says (§2.1)."""
        if reply.middlebox:
            return reply
        now = datetime.now(UTC).strftime("%Y%m%d%H%M%S%f")
        request_id = f"{now}{self.journal.posts:08d}"
        headers = {**reply.headers, "X-Oneapi-Request-Id": request_id}
        return replace(reply, headers=headers)


async def read_body(http: web.Request) -> bytes | None:
    """Read a POST's body; None when it is too long.

    `http.read` would keep it until the reply has left: at a long latency that is the
    reference images of every request in flight.
    """
    body = bytearray()
    async for part in http.content.iter_any():
        body += part
        if len(body) > LARGEST_BODY:
            return None
    return bytes(body)

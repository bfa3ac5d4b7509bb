"""What is served at which path: the report's page, its data as it is now, images."""

from __future__ import annotations

import asyncio
from pathlib import PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import quote

import msgspec
from aiohttp import web

from batcher.errors import UsageError
from batcher.remote import parse_command
from batcher.reports.asset import PAGE, read_assets
from batcher.reports.script import data_script
from batcher.watch.key import Right
from batcher.watch.stream import Stream

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Executor

    from batcher.models import Image
    from batcher.remote import Command
    from batcher.reports.entry import Entry
    from batcher.watch.feed import Feed
    from batcher.watch.guard import Guard
    from batcher.watch.picture import Wall
    from batcher.watch.pulse import Pulse

COMMANDS = frozenset({"pause", "resume", "concurrency"})
"""What the page may tell the run; `batcher ctl` can do more."""

KINDS = {".html": "text/html", ".js": "text/javascript", ".css": "text/css"}
"""Of the page's files. What `mimetypes` says of them, a machine may have changed."""

FORMATS = frozenset({"png", "jpeg", "webp", "gif"})
"""What the ledger may call an image; anything else is not shown as one."""

LONGEST_BODY = 1024


class Order(msgspec.Struct, frozen=True):
    """What a page posts."""

    name: str
    value: str | None = None


class Site:
    """The page of one run directory.

    Args:
        guard: Says who may ask.
        feed: The requests.
        pulse: The run as a whole.
        wall: The kept files.
        threads: Draw the thumbnails.
    """

    def __init__(
        self, guard: Guard, feed: Feed, *, pulse: Pulse, wall: Wall, threads: Executor
    ) -> None:
        self._guard = guard
        self._feed = feed
        self._pulse = pulse
        self._wall = wall
        self._threads = threads
        self._assets = read_assets()

    def application(self) -> web.Application:
        """Put the paths together."""
        app = web.Application(
            middlewares=[self._guard.check], client_max_size=LONGEST_BODY
        )
        app.on_response_prepare.append(self._guard.dress)
        root = self._guard.root
        app.router.add_get("/open/{key}", self._guard.open)
        app.router.add_get(root + "data.js", self.data)
        app.router.add_get(root + "events", self.events)
        app.router.add_get(root + "image/{id}/{number:[0-9]{1,4}}", self.image)
        app.router.add_get(root + "thumb/{id}/{number:[0-9]{1,4}}", self.thumbnail)
        app.router.add_post(root + "control", self.control)
        app.router.add_get(root + "{path:.*}", self.asset)
        return app

    async def asset(self, request: web.Request) -> web.StreamResponse:
        """Serve a file of the page."""
        path = request.match_info["path"] or PAGE
        if path not in self._assets:
            raise web.HTTPNotFound
        kind = KINDS[PurePosixPath(path).suffix]
        return web.Response(body=self._assets[path], content_type=kind, charset="utf-8")

    async def data(self, request: web.Request) -> web.StreamResponse:
        """Serve the requests as they are, and the cursor to go on from."""
        may_control = self._guard.right(request) is Right.CONTROL
        await self._pulse.ask()
        live = {"cursor": self._feed.cursor, "may_control": may_control}
        answer = web.StreamResponse(headers={"Content-Type": "text/javascript"})
        answer.charset = "utf-8"
        await answer.prepare(request)
        for piece in data_script({**self._pulse.header(), "live": live}, self._all()):
            await answer.write(piece)
        return answer

    def _all(self) -> Iterator[Entry]:
        for id_ in self._feed.ids():
            entry = self._feed.entry(id_)
            if entry is not None:
                yield entry

    async def events(self, request: web.Request) -> web.StreamResponse:
        """Tell the page what changes from now on."""
        after = request.headers.get("Last-Event-ID") or request.query.get("after", "")
        return await Stream(self._feed, self._pulse, after).send(request)

    async def image(self, request: web.Request) -> web.StreamResponse:
        """Serve a kept file."""
        image = self._named(request)
        path = self._wall.find(image)
        if path is None:
            raise web.HTTPNotFound
        headers = {
            "Content-Type": _type(image.format),
            "Content-Disposition": f"inline; filename*=UTF-8''{quote(path.name)}",
        }
        return web.FileResponse(path, headers=headers)

    async def thumbnail(self, request: web.Request) -> web.StreamResponse:
        """Serve a kept file's thumbnail, made now if there is none."""
        image = self._named(request)
        loop = asyncio.get_running_loop()
        path = await loop.run_in_executor(self._threads, self._wall.thumbnail, image)
        if path is None:
            raise web.HTTPNotFound
        return web.FileResponse(path, headers={"Content-Type": "image/webp"})

    def _named(self, request: web.Request) -> Image:
        words = request.match_info
        image = self._feed.image(words["id"], int(words["number"]))
        if image is None:
            raise web.HTTPNotFound
        return image

    async def control(self, request: web.Request) -> web.StreamResponse:
        """Carry out a command."""
        if self._guard.right(request) is not Right.CONTROL:
            raise web.HTTPForbidden(text="this address is to look, not to control")
        try:
            await self._pulse.tell(_command(await request.read()))
        except (UsageError, msgspec.DecodeError) as error:
            raise web.HTTPBadRequest(text=str(error)) from error
        return web.Response(status=204)


def _type(format_: str) -> str:
    return f"image/{format_}" if format_ in FORMATS else "application/octet-stream"


def _command(body: bytes) -> Command:
    """Read what a page posts."""
    order = msgspec.json.decode(body, type=Order)
    if order.name not in COMMANDS:
        raise UsageError(f"expected one of {', '.join(sorted(COMMANDS))}")
    return parse_command(order.name, order.value)

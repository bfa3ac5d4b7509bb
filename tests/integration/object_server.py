"""Object stores on loopback: a faithful one, and some that are not."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from urllib.request import Request, urlopen

from aiohttp import web

_FAITHFUL = """
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server
app = DomainDispatcherApplication(create_backend_app)
server = make_server("127.0.0.1", 0, app, threaded=True)
print(server.port, flush=True)
server.serve_forever()
"""
_META = "x-amz-meta-"

Answer = Callable[[web.Request, bytes], web.Response]


@contextmanager
def faithful_server() -> Iterator[str]:
    """Run an S3 server as a process of its own; give its origin."""
    with subprocess.Popen(
        [sys.executable, "-c", _FAITHFUL],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.kill()


def asked(method: str, url: str) -> str:
    """Ask a server without a signature, which the faithful one does not mind."""
    with urlopen(Request(url, method=method), timeout=30) as response:  # a loopback URL
        return str(response.read(), "utf-8")


class OddServer:
    """Keeps objects; how it errs is told by the bucket's name.

    Attributes:
        requests: How many came, by method.
    """

    def __init__(self) -> None:
        self.requests: Counter[str] = Counter()
        self._objects: dict[str, tuple[bytes, dict[str, str]]] = {}
        self._odd: dict[str, Answer] = {
            "careless": self._keep,
            "denied": lambda *_: error(403, "AccessDenied"),
            "stranger": lambda *_: error(403, "InvalidAccessKeyId"),
            "expired": lambda *_: error(401, "ExpiredToken"),
            "moved": lambda *_: web.Response(status=307),
            "busy": lambda *_: error(503, "SlowDown"),
            "conflict": self._conflict,
            "contested": lambda *_: error(409, "ConditionalRequestConflict"),
            "forgetful": self._forget_reply,
            "short": self._cut,
        }

    async def answer(self, http: web.Request) -> web.Response:
        """Answer one request."""
        body = await http.read()
        self.requests[http.method] += 1
        bucket = http.path.split("/")[1]
        if http.method == "PUT" and (odd := self._odd.get(bucket)):
            return odd(http, body)
        return self._answer(http, body)

    def _answer(self, http: web.Request, body: bytes) -> web.Response:
        if http.method == "PUT":
            if "If-None-Match" in http.headers and http.path in self._objects:
                return error(412, "PreconditionFailed")
            return self._keep(http, body)
        if http.method == "POST":  # the only one that is sent here: remove many
            return self._remove(http, body)
        if "list-type" in http.query:  # nobody looks for more than that there is none
            return web.Response(text="<ListBucketResult></ListBucketResult>")
        if http.path not in self._objects:
            return error(404, "NoSuchKey")
        content, meta = self._objects[http.path]
        head = meta | {"Last-Modified": "Sun, 22 Nov 2026 15:00:00 GMT", "ETag": '"e"'}
        return web.Response(body=content, headers=head)

    def _remove(self, http: web.Request, body: bytes) -> web.Response:
        if "/singular" in http.path:
            return error(404, "NoSuchKey")
        names = re.findall(r"<Key>(.*?)</Key>", body.decode())
        for name in names:
            self._objects.pop(f"{http.path}/{name}", None)
        gone = "".join(f"<Deleted><Key>{each}</Key></Deleted>" for each in names)
        return web.Response(text=f"<DeleteResult>{gone}</DeleteResult>")

    def _keep(self, http: web.Request, body: bytes) -> web.Response:
        head = {key: value for key, value in http.headers.items() if _META in key}
        self._objects[http.path] = (body, head)
        return web.Response(headers={"ETag": '"e"'})

    def _conflict(self, http: web.Request, body: bytes) -> web.Response:
        """Refuse the first, whom nobody is in the way of."""
        if self.requests["PUT"] == 1:
            return error(409, "ConditionalRequestConflict")
        return self._answer(http, body)

    def _forget_reply(self, http: web.Request, body: bytes) -> web.Response:
        """Do the first, and say that it failed."""
        done = self._answer(http, body)
        return error(500, "InternalError") if self.requests["PUT"] == 1 else done

    def _cut(self, http: web.Request, body: bytes) -> web.Response:
        return self._keep(http, body[:-1])


@contextmanager
def odd_server() -> Iterator[tuple[str, OddServer]]:
    """Serve in a thread, for callers that block; give the origin and the server."""
    server, loop, started = OddServer(), asyncio.new_event_loop(), threading.Event()
    origins: list[str] = []
    ended = asyncio.Event()

    async def serve() -> None:
        app = web.Application(client_max_size=1 << 30)
        app.router.add_route("*", "/{path:.*}", server.answer)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        origins.append(f"http://127.0.0.1:{runner.addresses[0][1]}")
        started.set()
        await ended.wait()
        await runner.cleanup()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    started.wait()
    try:
        yield origins[0], server
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join()
        loop.close()


def error(status: int, code: str) -> web.Response:
    """Refuse as S3 does, with what a client must not repeat."""
    text = (
        f"<Error><Code>{code}</Code><Message>so it is</Message>"
        "<StringToSign>made-up-signature</StringToSign></Error>"
    )
    return web.Response(status=status, text=text)

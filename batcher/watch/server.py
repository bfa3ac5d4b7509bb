"""Runs the page's server, in a thread and a loop of its own.

So nothing that a page does, and no error here, is felt by a run in the same process.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, suppress
from typing import TYPE_CHECKING, Self

from aiohttp import web

from batcher.errors import UsageError
from batcher.watch.feed import Feed
from batcher.watch.guard import Guard
from batcher.watch.picture import Wall
from batcher.watch.pulse import Pulse
from batcher.watch.site import Site
from batcher.watch.stream import TICK

if TYPE_CHECKING:
    from pathlib import Path

HOST = "127.0.0.1"

PATIENCE = 2.0
"""Seconds that open pages may take to hear the last."""

_log = logging.getLogger(__name__)


class Watch:
    """A run directory's page, served while the `with` block lasts.

    Args:
        folder: The run directory; its ledger need not be there yet.
        port: Where to listen, on loopback; 0 for a free one.

    Attributes:
        look: The address to open, to look.
        control: The address to open, to pause, resume and pace the run besides.
    """

    look: str
    control: str

    def __init__(self, folder: Path, port: int = 0) -> None:
        self._folder = folder
        self._port = port
        self._guard = Guard()
        self._stop = asyncio.Event()
        self._ended = threading.Event()

    def __enter__(self) -> Self:
        """Listen, and begin to serve; raises `UsageError` where the port is taken."""
        self._listener = _listen(self._port)
        self._loop = asyncio.new_event_loop()
        port = self._listener.getsockname()[1]
        self.look = self._guard.address(port, self._guard.keys.look)
        self.control = self._guard.address(port, self._guard.keys.control)
        threading.Thread(target=self._run, name="watch", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        """Tell open pages the last, and end."""
        with suppress(RuntimeError):  # its loop has ended already, by an error
            self._loop.call_soon_threadsafe(self._stop.set)
        self._ended.wait(2 * PATIENCE)

    def wait(self) -> None:
        """Block until the server ends, which it does by itself only by an error."""
        self._ended.wait()  # unlike `join`, it can be waited for again after Ctrl-C

    def _run(self) -> None:
        try:
            with self._listener, asyncio.Runner(loop_factory=lambda: self._loop) as own:
                own.run(self._serve())
        except Exception as error:  # noqa: BLE001 - a page never harms the run it shows
            _log.warning("the page cannot be shown any more: %r", error)
        finally:
            self._ended.set()

    async def _serve(self) -> None:
        async with AsyncExitStack() as stack:
            wall = Wall(self._folder)
            feed = stack.enter_context(Feed(self._folder, wall.hang))
            pulse = Pulse(self._folder, feed)
            threads = ThreadPoolExecutor(max(1, (os.cpu_count() or 1) // 2))
            stack.callback(threads.shutdown, wait=False, cancel_futures=True)
            site = Site(self._guard, feed, pulse=pulse, wall=wall, threads=threads)
            runner = web.AppRunner(
                site.application(), access_log=None, shutdown_timeout=PATIENCE
            )
            await runner.setup()
            stack.push_async_callback(runner.cleanup)
            await web.SockSite(runner, self._listener).start()
            async with asyncio.TaskGroup() as group:
                asking = group.create_task(pulse.keep_asking(), name="pulse")
                await _follow(feed, self._stop)
                asking.cancel()
            pulse.is_over = True


async def _follow(feed: Feed, stop: asyncio.Event) -> None:
    """Take in what the ledger gains, and at the end what it gained last."""
    while not stop.is_set() or feed.advance():
        if feed.advance():
            await asyncio.sleep(0)
        else:
            await _sleep(stop)


async def _sleep(stop: asyncio.Event) -> None:
    try:
        async with asyncio.timeout(TICK):
            await stop.wait()
    except TimeoutError:
        return


def _listen(port: int) -> socket.socket:
    try:
        return socket.create_server((HOST, port))
    except OSError as error:
        words = f"cannot listen on port {port}: {os.strerror(error.errno or 0)}"
        raise UsageError(f"{words}; name another port, or none for a free one") from (
            error
        )

"""Runs the gateway on loopback: inside the caller's event loop, or alone."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from aiohttp import web

from batcher.sandbox.gateway import Gateway
from batcher.sandbox.journal import Journal
from batcher.sandbox.options import SandboxOptions
from batcher.sandbox.shop import Shop

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Self

HOST = "127.0.0.1"

THREADS = 2
"""Drawing holds the interpreter but for the compression: more threads gain nothing."""

PATIENCE = 0.05
"""Seconds that requests in flight may go on when the sandbox stops."""

BACKLOG = 1024
"""Connections that may wait to be accepted, as when a large run starts."""


class Sandbox:
    """A gateway that runs while the `async with` block does.

    Args:
        options: How to behave; by default, well.

    Attributes:
        port: The port it listens on.
        journal: What it was asked and what it charged; it can be read afterwards.

    Raises:
        OSError: The port is taken, or the journal's file cannot be written.
    """

    port: int
    journal: Journal

    def __init__(self, options: SandboxOptions | None = None) -> None:
        self.options = options or SandboxOptions()
        self.stack = AsyncExitStack()

    @property
    def base_url(self) -> str:
        """What a client is given as its base URL."""
        return f"http://{HOST}:{self.port}/v1"

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            self.journal = Journal(self.options.journal)
            stack.callback(self.journal.close)
            threads = ThreadPoolExecutor(THREADS, thread_name_prefix="sandbox")
            stack.callback(threads.shutdown, wait=False, cancel_futures=True)
            shop = Shop(self.options, threads)
            app = Gateway(shop, self.journal, self.options.key).application()
            runner = web.AppRunner(app, access_log=None, shutdown_timeout=PATIENCE)
            stack.push_async_callback(runner.cleanup)
            await runner.setup()
            site = web.TCPSite(runner, HOST, self.options.port, backlog=BACKLOG)
            await site.start()
            self.port = runner.addresses[0][1]
            self.stack = stack.pop_all()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stack.aclose()


async def serve(options: SandboxOptions, ready: Callable[[str], None]) -> None:
    """Run a sandbox alone, until cancelled.

    Args:
        options: How to behave.
        ready: Called with the base URL once it listens.
    """
    async with Sandbox(options) as sandbox:
        ready(sandbox.base_url)
        await asyncio.Event().wait()

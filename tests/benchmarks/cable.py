"""A network that a benchmark can cut: each worker's connections go through here.

Says what POSTs a worker sent, and when, whatever becomes of them.
"""

from __future__ import annotations

import asyncio
import re
import threading
import time
from contextlib import suppress
from functools import partial

_PROMPT = re.compile(rb'"prompt":\s*"[^"]*number (\d+)"')


class Exchange:
    """A thread in which all cables lie."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()

    def lay(self, gateway: int, store: int | None) -> Cable:
        """Lay a cable to a gateway's port and a store's."""
        cable = Cable(self.loop)
        for port in filter(None, (gateway, store)):
            opening = cable.open(port, is_heard=port == gateway)
            cable.ports.append(
                asyncio.run_coroutine_threadsafe(opening, self.loop).result()
            )
        return cable

    def stop(self) -> None:
        """End all of them."""
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()


class Cable:
    """One worker's way to the gateway and to the store.

    Attributes:
        ports: Where it begins: to the gateway, and perhaps to the store.
        posts: What was asked for by POST, each with its time (`time.monotonic`).
        most: POSTs out at once, at most.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.ports: list[int] = []
        self.posts: list[tuple[float, int]] = []
        self.most = 0
        self._loop = loop
        self._out: set[object] = set()
        self._ends: set[asyncio.StreamWriter] = set()
        self._passing = asyncio.Event()
        self._passing.set()
        self._is_cut = False

    async def open(self, port: int, *, is_heard: bool) -> int:
        """Lead from a new port to this one."""
        carry = partial(self._carry, port, is_heard)
        server = await asyncio.start_server(carry, "127.0.0.1", 0)
        return int(server.sockets[0].getsockname()[1])

    def cut(self) -> None:
        """Reset what is open, and refuse what comes."""
        self._loop.call_soon_threadsafe(self._cut)

    def clog(self) -> None:
        """Let nothing through; it is late, not lost."""
        self._loop.call_soon_threadsafe(self._passing.clear)

    def mend(self) -> None:
        """Let everything through again."""
        self._loop.call_soon_threadsafe(self._mend)

    def _cut(self) -> None:
        self._is_cut = True
        for end in self._ends:
            end.transport.abort()

    def _mend(self) -> None:
        self._is_cut = False
        self._passing.set()

    async def _carry(
        self,
        port: int,
        is_heard: bool,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        if self._is_cut:
            writer.transport.abort()
            return
        there, back = await asyncio.open_connection("127.0.0.1", port)
        ends = {writer, back}
        self._ends |= ends
        try:
            await asyncio.gather(
                self._pump(reader, back, writer if is_heard else None),
                self._pump(there, writer, None, back=writer),
            )
        finally:
            self._ends -= ends
            self._out.discard(writer)

    async def _pump(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        heard: object | None,
        *,
        back: object | None = None,
    ) -> None:
        with suppress(OSError):
            while data := await reader.read(1 << 16):
                if heard is not None:
                    self._listen(data, heard)
                self._out.discard(back)
                await self._passing.wait()
                writer.write(data)
                await writer.drain()
        self._out.discard(heard or back)
        writer.close()

    def _listen(self, data: bytes, connection: object) -> None:
        for prompt in _PROMPT.findall(data):
            self.posts.append((time.monotonic(), int(prompt)))
            self._out.add(connection)
            self.most = max(self.most, len(self._out))

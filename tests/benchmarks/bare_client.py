"""The least that Python can do: receive, decode with SIMD Base64, write.

Knows this benchmark's server and nothing else. Run it with
`python -m tests.benchmarks.bare_client BASE_URL FOLDER IMAGES AT_ONCE`; it prints the
seconds it took, its start left out.
"""

from __future__ import annotations

import asyncio
import os
import re
import sys
import time
from collections.abc import Iterator
from typing import cast
from urllib.parse import urlsplit

import pybase64

ROOM = 256 << 10
LENGTH = re.compile(rb"Content-Length: (\d+)")
OPENING = re.compile(rb'"b64_json":"')
TAIL = b'"}]}'
ADDRESS = re.compile(rb'"url":"([^"]+)"')


class BareClient(asyncio.BufferedProtocol):
    """One connection, which generates one image after the other."""

    def __init__(self, folder: str, numbers: Iterator[int]) -> None:
        self.folder, self.numbers = folder, numbers
        self.room = bytearray(ROOM)
        self.filled = 0
        self.left: int | None = None  # of the body; None before its head was read
        self.tail = 0  # of the body, what follows the image
        self.file = -1
        self.done = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.post()

    def post(self) -> None:
        """Ask for the next image, if there is one."""
        number = next(self.numbers, None)
        if number is None:
            self.transport.close()
            self.done.set_result(None)
            return
        name = f"{self.folder}/{number}.png"
        self.file = os.open(name, os.O_WRONLY | os.O_CREAT, 0o644)
        body = b'{"model":"gpt-image-2-pro","prompt":"picture %d"}' % number
        self.transport.write(
            b"POST /v1/images/generations HTTP/1.1\r\nHost: bare\r\n"
            b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
            % (len(body), body)
        )

    def get_buffer(self, sizehint: int) -> memoryview:
        del sizehint
        return memoryview(self.room)[self.filled :]

    def buffer_updated(self, nbytes: int) -> None:
        data = memoryview(self.room)[: self.filled + nbytes]
        self.filled += nbytes
        if self.left is None:
            data = self.begin(bytes(data))
        if self.left is not None:
            self.take(data, self.left)

    def begin(self, received: bytes) -> memoryview:
        """Read the head and what stands before the image; give what follows."""
        start = received.find(b"\r\n\r\n") + 4
        length = LENGTH.search(received)
        address = ADDRESS.search(received)
        opening = OPENING.search(received)
        if address is not None:
            self.filled = 0
            path = urlsplit(address[1]).path
            self.transport.write(b"GET %b HTTP/1.1\r\nHost: bare\r\n\r\n" % path)
        elif length is not None and (opening or b"image/png" in received):
            end = start + int(length[1])
            start = opening.end() if opening else start
            self.left = end - start
            self.tail = len(TAIL) if opening else 0
        return memoryview(received)[start:]

    def take(self, data: memoryview, left: int) -> None:
        """Write what has come, except for digits that make no whole bytes yet."""
        ready = min(len(data), left - self.tail)
        if self.tail:
            ready -= ready % 4
            os.write(self.file, pybase64.b64decode(data[:ready], validate=True))
        else:
            os.write(self.file, data[:ready])
        rest = bytes(data[ready:])
        self.filled, self.left = len(rest), left - ready
        self.room[: self.filled] = rest
        if self.left == self.tail == self.filled:
            os.close(self.file)
            self.filled, self.left = 0, None
            self.post()


async def main(base_url: str, folder: str, images: int, at_once: int) -> None:
    """Generate over so many connections, and print how long it took."""
    parts = urlsplit(base_url)
    host, port = str(parts.hostname), int(parts.port or 80)
    loop = asyncio.get_running_loop()
    numbers = iter(range(images))
    started = time.perf_counter()
    clients = [BareClient(folder, numbers) for _ in range(at_once)]
    for client in clients:
        await loop.create_connection(
            lambda client=client: client,  # type: ignore[misc]  # a lambda's default has no type
            host,
            port,
        )
    for client in clients:
        await client.done
    print(time.perf_counter() - started)


if __name__ == "__main__":
    url, out, *counts = sys.argv[1:]
    asyncio.run(main(url, out, *map(int, counts)))

"""Answers every request at once with the same prebuilt bytes: nothing to wait for.

Run it with `python -m tests.benchmarks.bare_server WIDTH HEIGHT BYTES b64|url`; it
prints its base URL, and lives until it is terminated. A POST is answered with the
image in the reply, or with its address; a GET with the image.
"""

from __future__ import annotations

import asyncio
import re
import sys
from base64 import b64encode
from typing import cast

from tests.benchmarks.picture import picture

PIECE = 1 << 20  # bytes handed to the transport at once, so that it copies few
LENGTH = re.compile(rb"content-length:\s*(\d+)", re.IGNORECASE)


class BareServer(asyncio.Protocol):
    """One kept-alive connection; one request at a time."""

    def __init__(self, post: bytes, get: bytes) -> None:
        self.post, self.get = post, get
        self.received = b""
        self.left = memoryview(b"")
        self.is_full = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.WriteTransport", transport)
        self.transport.set_write_buffer_limits(high=0)

    def data_received(self, data: bytes) -> None:
        self.received += data
        end = self.received.find(b"\r\n\r\n")
        if end < 0:
            return
        length = LENGTH.search(self.received, 0, end)
        size = end + 4 + (int(length[1]) if length else 0)
        if len(self.received) < size:
            return
        is_post = self.received.startswith(b"POST")
        self.received = self.received[size:]
        self.left = memoryview(self.post if is_post else self.get)
        self.pour()

    def pause_writing(self) -> None:
        self.is_full = True

    def resume_writing(self) -> None:
        self.is_full = False
        self.pour()

    def pour(self) -> None:
        """Write until the socket is full."""
        while self.left and not self.is_full:
            piece, self.left = self.left[:PIECE], self.left[PIECE:]
            self.transport.write(piece)


def framed(kind: str, body: bytes) -> bytes:
    """Put a body behind the head of a reply."""
    head = f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}"
    return f"{head}\r\nConnection: keep-alive\r\n\r\n".encode() + body


async def main(width: int, height: int, weight: int, kind: str) -> None:
    """Serve on loopback until the process is terminated."""
    image = picture(width, height, weight)
    get, post = framed("image/png", image), b""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: BareServer(post, get), "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    entry = b'"b64_json":"%b"' % b64encode(image)
    if kind == "url":
        entry = b'"url":"http://%b:%d/image.png"' % (host.encode(), port)
    post = framed("application/json", b'{"created":1,"data":[{%b}]}' % entry)
    print(f"http://{host}:{port}/v1", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    width_, height_, weight_, kind_ = sys.argv[1:]
    asyncio.run(main(int(width_), int(height_), int(weight_), kind_))

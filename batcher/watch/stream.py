"""Tells one open page what changed, as server-sent events (HTML standard, §9.2).

A page is told at most four times a second, or at once what is left over from the last
time, and only when it has taken that; what happens meanwhile waits in the feed, as the
latest of each request.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

from aiohttp import web

from batcher.json_text import to_json

if TYPE_CHECKING:
    from batcher.watch.feed import Feed
    from batcher.watch.pulse import Pulse

TICK = 0.25
"""Seconds between what a page is told."""

MOST_BYTES = 1 << 18
"""After which the rest of what changed waits for the next event."""

HEARTBEAT = 15.0
"""Seconds of silence after which a comment is sent, to find out who has gone."""

HEADERS = {"Content-Type": "text/event-stream; charset=utf-8"}
GREETING = b"retry: 1000\n\n"
FAREWELL = b"event: end\ndata: {}\n\n"
RELOAD = b"event: reload\ndata: {}\n\n"


class Stream:
    """One open page.

    Args:
        feed: What it is told from.
        pulse: How the run as a whole goes.
        cursor: What it has seen.
    """

    def __init__(self, feed: Feed, pulse: Pulse, cursor: str) -> None:
        self._feed = feed
        self._pulse = pulse
        self._cursor = cursor
        self._is_behind = False
        self._seen = -1  # the number of the last telling of the run

    async def send(self, request: web.Request) -> web.StreamResponse:
        """Tell the page what changes, until it goes or the watch ends."""
        answer = web.StreamResponse(headers=HEADERS)
        await answer.prepare(request)
        with suppress(ConnectionError):
            await answer.write(GREETING)
            await self._tell(answer)
        return answer

    async def _tell(self, answer: web.StreamResponse) -> None:
        silence = 0.0
        with self._pulse.watched():
            while True:
                is_last = self._pulse.is_over
                news = self._news()
                if news:
                    await answer.write(news)
                if news == RELOAD or (is_last and not news):
                    break
                silence = 0.0 if news else silence + TICK
                if silence >= HEARTBEAT:
                    await answer.write(b": still here\n\n")
                    silence = 0.0
                await asyncio.sleep(0 if is_last or self._is_behind else TICK)
        if is_last:
            await answer.write(FAREWELL)

    def _news(self) -> bytes:
        """Write the next events; none when there is nothing new."""
        new = self._feed.since(self._cursor)
        if new is None:
            return RELOAD
        entries = self._requests(new)
        number, told = self._pulse.told()
        if number == self._seen:
            return entries
        self._seen = number
        return entries + b"event: run\ndata: " + told + b"\n\n"

    def _requests(self, new: list[tuple[str, int]]) -> bytes:
        """Write an event of changed requests, the cursor after them as its id."""
        pieces: list[bytes] = []
        size = 0
        for id_, offset in new:
            pieces.append(to_json(self._feed.entry(id_)))
            size += len(pieces[-1])
            if size >= MOST_BYTES:
                self._cursor = self._feed.cursor_after(offset)
                break
        else:
            self._cursor = self._feed.cursor
        self._is_behind = size >= MOST_BYTES
        if not pieces:
            return b""
        data = b",".join(pieces)
        number = self._cursor.encode()
        return b"id: " + number + b"\nevent: requests\ndata: [" + data + b"]\n\n"

"""Takes in what comes of one POST: images into their partials, the rest into memory.

Knows of a reply's status, headers and body; not how they travelled.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

import msgspec

from batcher.errors import StoreError
from batcher.models import ErrorClass, Failure
from batcher.stores import Draft, Partial
from batcher.transport.document import read_document
from batcher.transport.errorbody import ErrorBody, read_error
from batcher.transport.failure import classify
from batcher.transport.hint import request_id
from batcher.transport.message import clean
from batcher.transport.parser import (
    ImageData,
    ImageEnded,
    ReplyLimitError,
    ReplyParser,
)
from batcher.transport.reply import Reply, interpret

if TYPE_CHECKING:
    from batcher.transport.parser import Event
    from batcher.transport.pool import Call
    from batcher.transport.redaction import Redaction
    from batcher.transport.response import Piece

LARGEST_ERROR = 1 << 20

GRACE = 10.0
"""Seconds that a POST which is given up has for what had come of it."""

Begin = Callable[[int], Awaitable[Partial]]
"""Starts keeping the image of a number."""


class Exchange:
    """What has come of one POST so far.

    Args:
        begin: Starts keeping an image.
        redaction: Takes the key out of what the gateway says.
        grace: Seconds that a silent store is waited for once the POST is given up.
    """

    def __init__(
        self, begin: Begin, redaction: Redaction, *, grace: float = GRACE
    ) -> None:
        self.status: int | None = None
        self.headers: Mapping[str, str] = {}
        self.partials: dict[int, Partial] = {}
        self.error: Failure | None = None
        self._begin = begin
        self._redaction = redaction
        self._grace = grace
        self._pieces: Iterator[Piece] = iter(())
        self._events: deque[Event] = deque()
        self._ended: set[int] = set()
        self._parser: ReplyParser | None = None
        self._error_body = b""

    async def read(self, call: Call) -> None:
        """Take in the reply to a call that was entered."""
        self.status = call.status
        self.headers = self._redaction.headers(call.headers)
        if not 200 <= call.status < 300:
            while (pieces := await call.read()) is not None:
                self._error_body += b"".join(pieces)
                if len(self._error_body) > LARGEST_ERROR:
                    break
            return
        self._parser = ReplyParser()
        try:
            while (pieces := await call.read()) is not None:
                self._pieces = iter(pieces)
                await self._take(self._parser)
        except ReplyLimitError as error:
            self.error = Failure(error_class=ErrorClass.AMBIGUOUS, message=str(error))
        except asyncio.CancelledError:
            # Who is interrupted in the middle of one image may have others in hand.
            # Neither they nor a fault of theirs may hold up or hide the interruption.
            with suppress(StoreError, ReplyLimitError, OSError):
                async with asyncio.timeout(self._grace):
                    await self._take(self._parser)
            raise

    async def _take(self, parser: ReplyParser) -> None:
        """Take in what was read; when interrupted, go on by calling it again."""
        await self._take_events()
        for piece in self._pieces:
            self._events.extend(parser.feed(piece))
            await self._take_events()

    async def _take_events(self) -> None:
        """Take in what the parser gave."""
        while self._events:
            event = self._events.popleft()
            if isinstance(event, ImageData):
                partial = self.partials.get(event.number)
                if partial is None:
                    partial = await self._begin(event.number)
                    self.partials[event.number] = partial
                await partial.write(event.data)
            elif isinstance(event, ImageEnded) and event.defect is None:
                self._ended.add(event.number)
                if event.number in self.partials:
                    await self.partials[event.number].finish()

    def outcome(self) -> Reply | Failure:
        """Say what it all means."""
        parsed = self._parsed()
        if isinstance(parsed, Reply) and (parsed.usable or self.error is None):
            if not parsed.usable:
                return self._unusable(parsed)
            return parsed
        if self.error is not None and not self._is_refused():
            return self._with_headers(self.error)
        if isinstance(parsed, Reply):
            return self._unusable(parsed)
        error = self._redaction.error(parsed or ErrorBody(message=""))
        return classify(self.status, error, self.headers, now=time.time())

    def _is_refused(self) -> bool:
        """Tell whether the status says enough, though the body was cut."""
        return self.status is not None and not 200 <= self.status < 300

    def _parsed(self) -> Reply | ErrorBody | None:
        if self._parser is not None:
            return interpret(self._parser.finish())
        if self.status is None:
            return None
        return read_error(read_document(self._error_body))

    def _unusable(self, reply: Reply) -> Failure:
        """Say why a reply brings no image."""
        if not reply.complete:
            return self._with_headers(
                Failure(
                    error_class=ErrorClass.AMBIGUOUS, message="the reply was cut off"
                )
            )
        defects = [image.defect for image in reply.images if image.defect]
        message = f"no image in the reply: {defects[0] if defects else 'data is empty'}"
        failure = Failure(error_class=ErrorClass.BAD_REPLY, message=clean(message))
        return self._with_headers(failure)

    def _with_headers(self, failure: Failure) -> Failure:
        return msgspec.structs.replace(
            failure, status=self.status, request_id=request_id(self.headers)
        )

    async def abandon(self) -> None:
        """Forget the images that are not whole; a later run finds the others.

        One that a silent store leaves no time for is judged when it is recovered.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(self._grace):
                for number, partial in self.partials.items():
                    if number not in self._ended or await _is_defective(partial):
                        await partial.discard()

    async def discard(self) -> None:
        """Forget the images that had begun to come."""
        for partial in self.partials.values():
            await partial.discard()
        self.partials.clear()


async def _is_defective(partial: Partial) -> bool:
    """Tell whether an image that came to its end is none; in doubt it may be one."""
    with suppress(StoreError):
        return not isinstance(await partial.finish(), Draft)
    return False

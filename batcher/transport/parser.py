r"""Splits the body of a reply, as it arrives, into image bytes and all the rest.

Never holds an image: each string that carries one is decoded while it passes and
leaves a placeholder, so that the rest is a small JSON text. Knows nothing of sockets,
files or what the rest means; `document` reads it and `reply` interprets it.

Why a pattern is enough to find the images: in valid JSON a quote inside a string is
always written `\"`, so a `"url": "` after a brace, a comma or a blank is a field and
never part of a prompt. A field that carries an image loses its text, so the
placeholder `data:N` cannot be met by chance: a text that starts with `data:` is gone.
"""

from __future__ import annotations

import re
from typing import Final, TypeAlias

import msgspec

from batcher.errors import BatcherError
from batcher.transport.base64stream import Base64Stream
from batcher.transport.document import Document, read_document

IMAGE_KEYS: Final = ("b64_json", "b64", "image_base64", "base64")
"""Fields whose text is Base64 unless it is a web address."""

LOCATION_KEYS: Final = ("url", "image_url", "image")
"""Fields whose text is an address unless it is a `data:` URI or starts like Base64."""

_MAGIC: Final = rb"iVBORw0KGgo|\\?/9j\\?/|UklGR|R0lGOD"  # PNG, JPEG, WebP, GIF
_BLANKS: Final = rb"(?:\s|\\[nrt]){0,8}"  # inside a string, where they may be escaped
_OPENING: Final = re.compile(
    rb'[{,\s]"(?:(?:%(images)b)"\s{0,64}:\s{0,64}"(?!%(blanks)b(?i:https?:)|")'
    rb'|(?:%(locations)b)"\s{0,64}:\s{0,64}"(?=%(blanks)b(?:(?i:data:)|%(magic)b)))'
    rb'((?:%(blanks)b(?i:data:)[^,"]{0,200},)?)'
    % {
        b"images": "|".join(IMAGE_KEYS).encode(),
        b"locations": "|".join(LOCATION_KEYS).encode(),
        b"blanks": _BLANKS,
        b"magic": _MAGIC,
    }
)
_REACH: Final = 512  # more than _OPENING can match
_BACKSLASH: Final = ord("\\")


class ReplyLimits(msgspec.Struct, frozen=True, kw_only=True):
    """What a reply may weigh, in bytes.

    Attributes:
        reply: The body as it arrives.
        image: One decoded image.
        rest: The body without its images, the only part that is held in memory.
    """

    reply: int = 1 << 30
    image: int = 256 << 20
    rest: int = 8 << 20


class ReplyLimitError(BatcherError):
    """The reply is larger than its `ReplyLimits` allow; read no more of it."""


class ImageStarted(msgspec.Struct, frozen=True, kw_only=True):
    """An image's text begins; images are numbered from 0 in the order of the body."""

    number: int


class ImageData(msgspec.Struct, frozen=True, kw_only=True):
    """The next decoded bytes of an image, never empty."""

    number: int
    data: bytes


class ImageEnded(msgspec.Struct, frozen=True, kw_only=True):
    """An image's text is over.

    Attributes:
        number: As in `ImageStarted`.
        size: Bytes decoded.
        defect: Why the bytes are not the image, or None.
    """

    number: int
    size: int
    defect: str | None = None


Event: TypeAlias = ImageStarted | ImageData | ImageEnded


class ReplyParser:
    """A push parser for one body, of whatever status and content type.

    Feed it the body in pieces of any size, act on the events, then `finish`.
    """

    def __init__(self, *, limits: ReplyLimits | None = None) -> None:
        self._limits = limits or ReplyLimits()
        self._received = 0
        self._held = b""  # not looked at in full yet: a field may begin here
        self._rest = bytearray()
        self._image: Base64Stream | None = None  # None between images
        self._size = 0
        self._defects: list[str | None] = []  # of the images that ended

    def feed(self, chunk: bytes | memoryview) -> list[Event]:
        """Give what `chunk` completes, in order.

        Raises:
            ReplyLimitError: The body, an image or the rest passes its limit. What
                arrived before can still be finished.
        """
        self._received += len(chunk)
        _check("reply", self._received, self._limits.reply)
        if self._image is not None and not self._held:
            decoded = self._image.feed_plain(chunk)
            if decoded is not None:  # no quote in it, and not even looked for
                return [self._grow(data) for data in decoded]
        text = b"".join((self._held, chunk)) if self._held else bytes(chunk)
        self._held = b""
        events: list[Event] = []
        position = 0
        while position < len(text):
            if self._image is None:
                position = self._pass_rest(text, position, events)
            else:
                position = self._pass_image(text, position, events, self._image)
        return events

    def finish(self) -> Document:
        """Give the rest of the body, parsed; an image that is not over is cut off."""
        self._rest += self._held
        self._held = b""
        defects = list(self._defects)
        if self._image is not None:
            defects.append("cut off")
        return read_document(bytes(self._rest), defects=tuple(defects))

    def _pass_rest(self, text: bytes, position: int, events: list[Event]) -> int:
        """Keep text up to the next image, and give where to go on."""
        opening = _OPENING.search(text, position)
        if opening is None:
            return self._hold(text, position, max(position, len(text) - _REACH))
        is_near_end = len(text) - opening.start() < _REACH
        if is_near_end and text.find(b'"', opening.end()) < 0:
            return self._hold(text, position, opening.start())
        self._keep(text, position, opening.start(1))
        number = len(self._defects)
        self._rest += b"data:%d" % number
        self._image = Base64Stream()
        self._size = 0
        events.append(ImageStarted(number=number))
        return opening.end()

    def _hold(self, text: bytes, start: int, end: int) -> int:
        """Keep text up to `end`, where a field may begin that is not here in full."""
        self._keep(text, start, end)
        self._held = text[end:]
        return len(text)

    def _keep(self, text: bytes, start: int, end: int) -> None:
        _check("rest", len(self._rest) + end - start, self._limits.rest)
        self._rest += memoryview(text)[start:end]

    def _pass_image(
        self, text: bytes, position: int, events: list[Event], image: Base64Stream
    ) -> int:
        """Decode text up to the closing quote, and give the quote's position."""
        quote = _closing_quote(text, position)
        end = len(text) if quote is None else quote
        if quote is None and _is_escaped(text, end, position):
            end -= 1  # the backslash may belong to a quote that is yet to come
            self._held = text[end:]
        data = image.feed(memoryview(text)[position:end])
        if quote is not None:
            data += image.end()
        if data:
            events.append(self._grow(data))
        if quote is None:
            return len(text)
        number = len(self._defects)
        ended = ImageEnded(number=number, size=self._size, defect=image.defect)
        events.append(ended)
        self._defects.append(image.defect)
        self._image = None
        return quote

    def _grow(self, data: bytes) -> ImageData:
        self._size += len(data)
        _check("image", self._size, self._limits.image)
        return ImageData(number=len(self._defects), data=data)


def _closing_quote(text: bytes, start: int) -> int | None:
    quote = text.find(b'"', start)
    while quote >= 0 and _is_escaped(text, quote, start):
        quote = text.find(b'"', quote + 1)
    return quote if quote >= 0 else None


def _is_escaped(text: bytes, position: int, start: int) -> bool:
    """Tell whether an odd number of backslashes stands right before `position`."""
    first = position
    while first > start and text[first - 1] == _BACKSLASH:
        first -= 1
    return (position - first) % 2 == 1


def _check(what: str, size: int, limit: int) -> None:
    if size > limit:
        message = f"the gateway's {what} is larger than {limit} bytes"
        raise ReplyLimitError(message)

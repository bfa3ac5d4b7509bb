"""Finds the head and the body of one reply in what a connection receives (RFC 9112).

The grammar is llhttp's, through httptools. Knows nothing of sockets, and not what a
body means.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, TypeAlias

import httptools

if TYPE_CHECKING:
    from collections.abc import Sequence

LARGEST_HEAD: Final = 64 << 10
"""Bytes that may come without any of the body: a head, interim replies, trailers."""

Piece: TypeAlias = bytes | memoryview
"""Some bytes of a body; a view is of what was fed, and as short-lived."""

_SWITCHING: Final = 101

_HEAD: Final = re.compile(rb"(?s)((?:HTTP/1\.\d 1\d\d.*?\n\r?\n)*+)(.*?\n)(?=\r?\n)")
"""Interim replies, and the head of the reply that they announce."""


class BrokenReplyError(OSError):
    """What came is no whole reply."""


class ResponseParser:
    """A push parser for the reply to one request that is neither HEAD nor CONNECT.

    Attributes:
        status: None until the head has come. Interim replies are passed over.
        headers: By lower-case names; of several of one name the last.
        is_whole: The body has come to its end.
        is_reusable: The connection may serve another request once this is whole.
    """

    def __init__(self) -> None:
        self.status: int | None = None
        self.headers: dict[str, str] = {}
        self.is_whole = False
        self.is_reusable = False
        self._parser: httptools.HttpResponseParser | None = None
        self._pieces: list[bytes] = []
        self._head = b""  # and what came before it, until it is whole
        self._is_mended = False
        self._left = 0  # of a body whose length was told
        self._is_until_close = False
        self._beside = 0  # bytes since the last that were of the body
        self._error: BrokenReplyError | None = None

    def feed(self, received: memoryview) -> Sequence[Piece]:
        """Give the pieces of the body that came, in order, none of them empty.

        Raises:
            BrokenReplyError: It is no HTTP. The body before it was given.
        """
        pieces = self._count(received) if self._left else self._parse(received)
        if pieces:
            self._beside = 0
        elif not self.is_whole:
            self._beside += len(received)
            if self._beside > LARGEST_HEAD:
                raise BrokenReplyError("the head of the reply is too large")
            if self._error is not None:
                raise self._error
        return pieces

    def end(self) -> None:
        """Note that the peer has closed the connection.

        Raises:
            BrokenReplyError: Something is missing.
        """
        self.is_reusable = False
        if self.is_whole:
            return
        if self._error is not None:
            raise self._error
        if self.status is None:
            raise BrokenReplyError("the connection was closed without a reply")
        if not self._is_until_close:
            raise BrokenReplyError("the reply was cut off")
        self.is_whole = True

    def _count(self, received: memoryview) -> Sequence[Piece]:
        """Pass a body whose length is known: needs no parser, nor the copy it makes."""
        if len(received) > self._left:
            received = received[: self._left]
            self.is_reusable = False
        self._left -= len(received)
        self.is_whole = not self._left
        return [received]

    def _parse(self, received: memoryview | bytes) -> Sequence[Piece]:
        if self._error is not None:
            raise self._error
        if self._parser is None and self._head:  # from its beginning, once more
            received, self._head = self._head + bytes(received), b""
        parser = self._parser or self._begin()
        self._pieces = []
        try:
            parser.feed_data(received)
        except httptools.HttpParserUpgrade:
            self.is_whole = True
            self.is_reusable = False
        except httptools.HttpParserError as error:
            if self.status is None and "Content-Length" in str(error):
                return self._parse_mended(self._head + bytes(received), error)
            self._give_up(error)
        if self.status is None:
            self._head += received
        if self._left:
            self._left -= sum(map(len, self._pieces))
        # It refers to this object, and this object to it.
        self._parser = None if self.is_whole or self._left else parser
        return self._pieces

    def _parse_mended(
        self, text: bytes, error: httptools.HttpParserError
    ) -> Sequence[Piece]:
        """Read several equal lengths as one (RFC 9112 §6.3), which llhttp does not."""
        head = _HEAD.match(text)
        if head is None:  # not all of it has come
            self._head, self._parser = text, None
            return ()
        mended = _mended(head[2])
        if mended == head[2]:
            self._give_up(error)
            return ()
        self._head, self._parser, self._is_mended = b"", None, True
        return self._parse(head[1] + mended + text[head.end() :])

    def _give_up(self, error: httptools.HttpParserError) -> None:
        self.is_reusable = False
        self._error = BrokenReplyError(f"the reply is no HTTP: {error}")

    def _begin(self) -> httptools.HttpResponseParser:
        parser = httptools.HttpResponseParser(self)
        # As browsers read, and aiohttp: what is paid for is not to be picked at.
        parser.set_dangerous_leniencies(
            lenient_headers=True,
            lenient_chunked_length=True,
            lenient_optional_cr_before_lf=True,
            lenient_spaces_after_chunk_size=True,
        )
        self._parser = parser
        return parser

    def on_message_begin(self) -> None:
        """Begin a reply: httptools calls this, and the four below."""
        if self.is_whole:  # another one, which nobody asked for
            self.is_reusable = False
        else:
            self.headers.clear()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header; trailers are none."""
        if self.status is None:
            told = value.decode("utf-8", "surrogateescape")
            self.headers[name.decode("latin-1").lower()] = told

    def on_headers_complete(self) -> None:
        """Learn from a head how long the body is, unless the reply is interim."""
        assert self._parser is not None  # noqa: S101 - it is what calls this
        status = self._parser.get_status_code()
        if self.is_whole or (status < 200 and status != _SWITCHING):
            return
        self.status = status
        coding = self.headers.get("transfer-encoding")
        length = self.headers.get("content-length", "")
        # Framed in two ways: another reader may see its end elsewhere.
        is_odd = self._is_mended or (coding is not None and length != "")
        self.is_reusable = self._parser.should_keep_alive() and not is_odd
        if coding is None and length.isdecimal():
            self._left = int(length)
        elif coding is None or not coding.lower().rstrip().endswith("chunked"):
            self._is_until_close = True

    def on_body(self, body: bytes) -> None:
        """Keep a piece of the body."""
        if not self.is_whole:
            self._pieces.append(body)

    def on_message_complete(self) -> None:
        """Note the end, unless it is that of an interim reply."""
        if self.status is not None:
            self.is_whole = True
            self._left = 0


def _mended(head: bytes) -> bytes:
    """Tell the length once, if it is told more often and the same each time."""
    lines = head.split(b"\n")
    told = [line for line in lines if _is_length(line)]
    listed = b",".join(line.partition(b":")[2] for line in told)
    lengths = {each.strip(b" \t\r") for each in listed.split(b",")}
    if not told or len(lengths) > 1:
        return head
    place = lines.index(told[0])
    others = [line for line in lines[place:] if not _is_length(line)]
    once = b"Content-Length: %b\r" % lengths.pop()
    return b"\n".join([*lines[:place], once, *others])


def _is_length(line: bytes) -> bool:
    return line.lower().startswith(b"content-length:")

"""Decodes the Base64 of one image as it arrives, in whatever spelling.

Knows the alphabets, the padding, line breaks and JSON escapes of an image's text;
knows nothing of the reply around it.
"""

from __future__ import annotations

import binascii
import re
from typing import Final

import pybase64

_LINE_BREAKS: Final = b" \t\r\n\v\f"
_STANDARD_ALPHABET: Final = bytes.maketrans(b"-_", b"+/")
_PLAIN: Final = re.compile(rb"[A-Za-z0-9+/]*")
_CUT_ESCAPE: Final = re.compile(rb"\\(?:u[0-9a-fA-F]{0,3})?\Z")
_LONGEST_ESCAPE: Final = 6
_ESCAPE: Final = re.compile(rb"\\(?:u00([0-9a-fA-F]{2})|([bfnrt]))")
_FREQUENT_ESCAPES: Final = (  # of PHP, of broken lines, of .NET
    (b"\\/", b"/"),
    (b"\\n", b"\n"),
    (b"\\r", b"\r"),
    (b"\\u002B", b"+"),
)
_LETTERS: Final = {b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t"}


class Base64Stream:
    """A push decoder for one JSON string of Base64.

    Takes the standard and the URL-safe alphabet (RFC 4648 §4, §5), with or without
    padding, broken into lines or not, JSON escapes (RFC 8259 §7) included. Pieces may
    be cut anywhere.

    Attributes:
        defect: What is wrong with the text, or None. Nothing is decoded after a defect.
    """

    def __init__(self) -> None:
        self.defect: str | None = None
        self._held = b""
        self._padded = False

    def feed(self, text: bytes | memoryview) -> bytes:
        """Give the bytes that `text` completes.

        Args:
            text: The next piece of the string, as it stands between its quotes.
        """
        if self.defect is not None:
            return b""
        decoded = self.feed_plain(text)
        if decoded is None:
            return self._decode_with_care(b"".join((self._held, text)))
        return b"".join(decoded)

    def feed_plain(self, text: bytes | memoryview) -> list[bytes] | None:
        """Decode text where it lies; take nothing of it unless all is plain Base64.

        Returns:
            The bytes that `text` completes, in pieces, or None.
        """
        missing = -len(self._held) % 4
        ready = len(text) - (len(text) - missing) % 4
        tail = bytes(text[ready:])
        if self._padded or len(text) < missing or not _PLAIN.fullmatch(tail):
            return None
        view = memoryview(text)
        try:
            first = pybase64.b64decode(self._held + view[:missing], validate=True)
            rest = pybase64.b64decode(view[missing:ready], validate=True)
        except binascii.Error:
            return None
        if len(first) % 3 and ready > missing:
            return None  # it goes on after its padding
        self._padded = (len(first) + len(rest)) % 3 != 0
        self._held = tail
        return [piece for piece in (first, rest) if piece]

    def end(self) -> bytes:
        """Give the last bytes, when the string's closing quote was met."""
        if self.defect is not None:
            return b""
        return self._decode_with_care(self._held + b"=")

    def _decode_with_care(self, text: bytes) -> bytes:
        """Decode text that holds something besides plain Base64."""
        cut = _CUT_ESCAPE.search(text, max(0, len(text) - _LONGEST_ESCAPE))
        end = cut.start() if cut else len(text)
        plain = unescape(text[:end]).translate(_STANDARD_ALPHABET, _LINE_BREAKS)
        digits = plain.rstrip(b"=")
        if b"=" in digits or (self._padded and digits):
            return self._refuse("Base64 goes on after its padding")
        self._padded = self._padded or len(digits) < len(plain)
        spare = len(digits) % 4
        if self._padded and spare:
            digits += b"=" * (4 - spare)
            spare = 0
        ready = len(digits) - spare
        try:
            decoded = pybase64.b64decode(digits[:ready], validate=True)
        except binascii.Error:
            return self._refuse("not Base64")
        self._held = digits[ready:] + text[end:]
        return decoded

    def _refuse(self, defect: str) -> bytes:
        self.defect = defect
        self._held = b""
        return b""


def unescape(text: bytes) -> bytes:
    r"""Resolve the JSON escapes that Base64 can hold, such as `\/` and `\u002B`.

    Other escapes stay: a backslash is no Base64, so the decoder refuses them.
    """
    # Without an escaped backslash every backslash starts an escape, so that they can
    # be replaced in any order.
    if b"\\\\" in text:
        return text
    for escape, character in _FREQUENT_ESCAPES:
        if b"\\" not in text:
            return text
        text = text.replace(escape, character)
    return _ESCAPE.sub(_character, text)


def _character(escape: re.Match[bytes]) -> bytes:
    digits = escape[1]
    return bytes.fromhex(digits.decode()) if digits else _LETTERS[escape[2]]

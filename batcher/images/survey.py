"""Finds among a file's parts what is known of the image beside its pixels.

Tells what was written here from what other programs wrote, and notices credentials.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from batcher.images import xmp
from batcher.images.part import APPLICATION, COMMENT, Part

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

MARK = "batcher"
"""Keyword of the document, and what a comment that holds it begins with."""

OWN_TEXT = b"\0\0\0x-batcher\0\0"
"""After an `iTXt` keyword: uncompressed, and a private language tag (RFC 5646)."""

OWN_CHUNK = b"BTCH"
"""Chunk of a WebP that has an XMP of its own."""

XMP_HEAD = b"http://ns.adobe.com/xap/1.0/\0"
"""How a JPEG's XMP segment begins (XMP specification part 3, §1.1.3)."""

_XMP_TEXT = b"XML:com.adobe.xmp\0\0\0\0\0"
_BEGIN = MARK.encode() + b" {"


class Survey:
    """What matters of a file's parts.

    Args:
        head: The file's first 12 bytes.
        found: Its parts.

    Attributes:
        riff_size: Of a WebP, what its header says.
        first: The first part.
        last: The last part, whoever wrote it.
        leading: Of a JPEG, where JFIF, EXIF and XMP at its start end.
        own: Parts that were written here.
        has_xmp: There is an XMP packet of another program.
        is_signed: There are C2PA credentials, or a reference to some.
    """

    def __init__(self, head: bytes, found: Iterable[Part]) -> None:
        self.riff_size = int.from_bytes(head[4:8], "little")
        self.first: Part | None = None
        self.last: Part | None = None
        self.leading = 2
        self.own: list[Part] = []
        self.has_xmp = False
        self.is_signed = False
        for part in found:
            self._add(part)

    def _add(self, part: Part) -> None:
        self.first = self.first or part
        self.last = part
        if part.kind in _LEADING and part.start == self.leading:
            self.leading = part.end
        packet = _packet_in(part)
        if is_own(part):
            self.own.append(part)
        elif packet is not None:
            self.has_xmp = True
            self.is_signed |= xmp.is_signed(packet)
        begin = _CREDENTIALS.get(part.kind)
        self.is_signed |= begin is not None and part.body.startswith(begin)


def is_own(part: Part) -> bool:
    """Tell whether a part was written here, and may thus be replaced."""
    test = _OWN.get(part.kind)
    return test is not None and test(part.body)


def provenance_in(part: Part) -> str | None:
    """Give the JSON that a part holds, if it is one that may."""
    packet = _packet_in(part)
    if packet is not None:
        return xmp.provenance_of(packet)
    begin = _DOCUMENTS.get(part.kind)
    if begin is None or not part.body.startswith(begin):
        return None
    return part.body[len(begin) :].decode(errors="replace")


def _packet_in(part: Part) -> bytes | None:
    begin = _PACKETS.get(part.kind)
    if begin is None or not part.body.startswith(begin):
        return None
    return part.body[len(begin) :]


_LEADING = frozenset({b"\xe0", b"\xe1"})

_PACKETS = {b"\xe1": XMP_HEAD, b"XMP ": b"", b"iTXt": _XMP_TEXT}
"""How a part begins whose rest is an XMP packet, by its kind."""

_DOCUMENTS = {
    b"iTXt": MARK.encode() + OWN_TEXT,
    b"\xfe": MARK.encode() + b" ",
    COMMENT: MARK.encode() + b" ",
    OWN_CHUNK: b"",
}
"""How a part begins whose rest is a document."""

_OWN: Mapping[bytes, Callable[[bytes], bool]] = {
    b"iTXt": lambda body: OWN_TEXT in body[:100],
    b"\xe1": lambda body: xmp.is_own(body.removeprefix(XMP_HEAD)),
    b"XMP ": xmp.is_own,
    b"\xfe": lambda body: body.startswith(_BEGIN),
    COMMENT: lambda body: body.startswith(_BEGIN),
    OWN_CHUNK: lambda _: True,
}

_CREDENTIALS = {
    b"caBX": b"",
    b"\xeb": b"JP",
    b"C2PA": b"",
    APPLICATION: b"C2PA_GIF",
}
"""How a part begins that holds C2PA credentials.

Source: C2PA technical specification 2.1, appendix A.3, embedding into various files.
"""

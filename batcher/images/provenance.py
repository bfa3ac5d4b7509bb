"""Puts into an image's file whence it came, and reads that back.

As viewers show it, and as JSON: PNG text, XMP in JPEG and WebP, a comment in GIF. No
pixel is touched. Says which bytes are to change, and knows no files.

A file with C2PA credentials is left as it is: they sign its bytes, and any change would
turn a true signature into a false one. So is the XMP of another program; the document
then stands in a JPEG comment, or in a WebP chunk of its own: to put it into EXIF would
move what EXIF's own offsets, and makers' notes, point to.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterable, Mapping
from typing import TypeAlias, cast

import msgspec

from batcher.images import webp, xmp
from batcher.images.fitting import Document, fitted
from batcher.images.inspector import sniff
from batcher.images.part import COMMENT, LARGEST_BODY, SCAN, TRAILER, parts
from batcher.images.splice import Splice, Stream
from batcher.images.survey import (
    MARK,
    OWN_CHUNK,
    OWN_TEXT,
    XMP_HEAD,
    Survey,
    provenance_in,
)
from batcher.images.verdict import Format
from batcher.json_text import to_json

LARGEST_SEGMENT = 0xFFFF - 2
"""Bytes that a JPEG segment holds besides its length (ITU-T T.81, B.1.1.4)."""

_RIFF_LIMIT = 0xFFFF_FFFF - 9  # RFC 9649, §2.4
_AFTER_HEADER = 33  # of a PNG: its signature and the IHDR chunk
_HAS_XMP, _HAS_ALPHA = 0x04, 0x10  # flags of VP8X, RFC 9649, §2.7.1


class NotEmbedded(msgspec.Struct, frozen=True, kw_only=True):
    """Why a file is better left as it is.

    Attributes:
        message: One line, safe to print on a terminal.
    """

    message: str


Embedding: TypeAlias = "tuple[Splice, ...] | NotEmbedded"


def embedding(pieces: Iterable[bytes], document: Document) -> Embedding:
    """Say what is to change in a whole image's file, for `spliced` to do.

    A document that was embedded before is replaced.

    Args:
        pieces: The file, divided in any way.
        document: Whence the image came, in what JSON can say. Of `software`, and of
            `prompt`, `model` and `size` in `request`, viewers are told, too. Where
            there is too little room, the longest texts are cut, and `shortened` names
            them.
    """
    stream = Stream(pieces)
    head = stream.peek(12)
    image_format = sniff(head)
    if image_format is None:
        return NotEmbedded(message="is no image")
    found = Survey(head, parts(stream, image_format))
    if found.is_signed:
        return NotEmbedded(message="holds C2PA credentials, which any change breaks")
    made = _MAKERS[image_format](found, document)
    if isinstance(made, NotEmbedded):
        return made
    cuts = (Splice(at=part.start, cut=part.end - part.start) for part in found.own)
    return tuple(sorted([*made, *cuts], key=lambda splice: splice.at))


def read_provenance(pieces: Iterable[bytes]) -> dict[str, object] | None:
    """Give the document that was embedded in a file, if any; never raises."""
    stream = Stream(pieces)
    image_format = sniff(stream.peek(12))
    if image_format is None:
        return None
    texts = map(provenance_in, parts(stream, image_format))
    known = (_decoded(text) for text in texts if text is not None)
    return next((document for document in known if document is not None), None)


def _decoded(text: str) -> dict[str, object] | None:
    try:
        return msgspec.json.decode(text, type=dict[str, object])
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return None


class _Shown(msgspec.Struct, frozen=True, kw_only=True):
    """What viewers are told."""

    prompt: str
    software: str
    parameters: str

    @classmethod
    def of(cls, document: Document) -> _Shown:
        request = document.get("request")
        fields = cast("Document", request) if isinstance(request, Mapping) else {}
        known = {"Size": fields.get("size"), "Model": fields.get("model")}
        prompt = str(fields.get("prompt", ""))
        rest = ", ".join(f"{name}: {value}" for name, value in known.items() if value)
        return cls(
            prompt=prompt,
            software=str(document.get("software", MARK)),
            parameters=f"{prompt}\n{rest}" if rest else prompt,
        )


def _png(found: Survey, document: Document) -> Embedding:
    """Add text chunks after the header, where viewers look before any pixel.

    Keywords: W3C PNG, third edition, §11.3.3.1; `parameters` is what tools that draw
    images write, and viewers of such images read.
    """
    if found.last is None or found.last.kind != b"IEND":
        return NotEmbedded(message="is no whole PNG")
    made = fitted(document, _text_chunks, LARGEST_BODY)
    if made is None:
        return _NO_ROOM
    return (Splice(at=_AFTER_HEADER, insert=made),)


def _text_chunks(document: Document) -> bytes:
    shown = _Shown.of(document)
    texts = {
        MARK: to_json(document).decode(),
        "Description": shown.prompt,
        "Software": shown.software,
        "parameters": shown.parameters,
    }
    return b"".join(_text_chunk(*pair) for pair in texts.items())


def _text_chunk(keyword: str, text: str) -> bytes:
    # A zero ends every part of the chunk but the last, which must hold none.
    data = (
        keyword.encode()
        + OWN_TEXT
        + text.replace("\0", "\N{REPLACEMENT CHARACTER}").encode()
    )
    crc = zlib.crc32(data, zlib.crc32(b"iTXt"))
    return struct.pack(">I4s", len(data), b"iTXt") + data + struct.pack(">I", crc)


def _jpeg(found: Survey, document: Document) -> Embedding:
    """Add a segment after JFIF and EXIF, which readers want first."""
    if found.last is None or found.last.kind != SCAN:
        return NotEmbedded(message="is no whole JPEG")
    marker, render = (0xFE, _comment) if found.has_xmp else (0xE1, _xmp_segment)
    made = fitted(document, render, LARGEST_SEGMENT)
    if made is None:
        return _NO_ROOM
    head = struct.pack(">BBH", 0xFF, marker, len(made) + 2)
    return (Splice(at=found.leading, insert=head + made),)


def _webp(found: Survey, document: Document) -> Embedding:
    """Add a chunk at the end, and the header that announces it (RFC 9649, §2.7)."""
    first, last = found.first, found.last
    width, height = webp.edges(first.kind, first.body) if first else (0, 0)
    if first is None or last is None or not (width and height):
        return NotEmbedded(message="is no whole WebP")
    kind, render = (OWN_CHUNK, to_json) if found.has_xmp else (b"XMP ", _packet)
    data = fitted(document, render, LARGEST_BODY)
    if data is None:
        return _NO_ROOM
    chunk = bytes(last.end % 2) + kind + struct.pack("<I", len(data)) + data
    chunk += bytes(len(data) % 2)
    end = 8 + found.riff_size
    flags = 0 if found.has_xmp else _HAS_XMP
    if first.kind == b"VP8X":
        header = Splice(at=20, cut=1, insert=bytes([first.body[0] | flags]))
    else:
        alpha = _HAS_ALPHA if first.kind == b"VP8L" and first.body[4] & 0x10 else 0
        header = Splice(at=12, insert=_extension(flags | alpha, width, height))
    own = sum(part.end - part.start for part in found.own)
    size = last.end - 8 - own + len(chunk) + len(header.insert) - header.cut
    if size > _RIFF_LIMIT:
        return _NO_ROOM
    return (
        Splice(at=4, cut=4, insert=struct.pack("<I", size)),
        header,
        # Less than a chunk's head may stand between the last chunk and the end.
        Splice(at=last.end, cut=end - last.end, insert=chunk),
    )


def _extension(flags: int, width: int, height: int) -> bytes:
    edges = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return struct.pack("<4sIB3x", b"VP8X", 10, flags) + edges


def _gif(found: Survey, document: Document) -> Embedding:
    """Add a comment before the trailer; comments came with GIF89a."""
    if found.last is None or found.last.kind != TRAILER:
        return NotEmbedded(message="is no whole GIF")
    data = fitted(document, _comment, LARGEST_BODY)
    if data is None:
        return _NO_ROOM
    blocks = (data[at : at + 255] for at in range(0, len(data), 255))
    chain = b"".join(bytes([len(block)]) + block for block in blocks)
    return (
        Splice(at=4, cut=1, insert=b"9"),
        Splice(at=found.last.start, insert=COMMENT + chain + b"\0"),
    )


def _comment(document: Document) -> bytes:
    return MARK.encode() + b" " + to_json(document)


def _xmp_segment(document: Document) -> bytes:
    return XMP_HEAD + _packet(document)


def _packet(document: Document) -> bytes:
    shown = _Shown.of(document)
    text = to_json(document).decode()
    return xmp.packet(text, description=shown.prompt, software=shown.software)


_NO_ROOM = NotEmbedded(message="has no room for its provenance")

_MAKERS: Mapping[Format, Callable[[Survey, Document], Embedding]] = {
    Format.PNG: _png,
    Format.JPEG: _jpeg,
    Format.WEBP: _webp,
    Format.GIF: _gif,
}

"""Chooses the walker by the first bytes, and leads it through the pieces."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Protocol

from batcher.images import gif, jpeg, png, webp
from batcher.images.source import Source
from batcher.images.verdict import Defect, Format

if TYPE_CHECKING:
    from collections.abc import Mapping

    from batcher.images.source import Wait
    from batcher.images.verdict import Properties, Verdict


class Walker(Protocol):
    """What the module of a format offers.

    Attributes:
        MISSING: What a file lacks that was cut before the walker came to its end.
    """

    MISSING: str

    def walk(self, source: Source) -> Wait[Verdict]:
        """Go through the image from its first byte; never raise, whatever comes."""
        ...


_WALKERS: Mapping[Format | None, Walker] = {
    Format.PNG: png,
    Format.JPEG: jpeg,
    Format.WEBP: webp,
    Format.GIF: gif,
}
_HEAD = 32  # bytes: shorter than any whole image, enough to show what else came
_MAGIC = re.compile(
    rb"(?P<png>\x89PNG\r\n\x1a\n)|(?P<jpeg>\xff\xd8\xff)"
    rb"|(?P<webp>RIFF....WEBP)|(?P<gif>GIF8[79]a)",
    re.DOTALL,
)


def sniff(head: bytes) -> Format | None:
    """Tell the format from the first bytes, of which 12 are enough."""
    match = _MAGIC.match(head)
    return Format(match.lastgroup) if match and match.lastgroup else None


def inspect(data: bytes) -> Properties | Defect:
    """Tell what whole image `data` is, or why it is none."""
    inspector = Inspector()
    inspector.feed(data)
    return inspector.finish()


class Inspector:
    """Examines one image, given in pieces of any size.

    What follows the image's own end is ignored: cameras and gateways append to files
    that every viewer opens. Nothing raises, whatever the bytes.
    """

    def __init__(self) -> None:
        self._head = b""
        self._size = 0
        self._source = Source()
        self._walk = _walk(self._source)
        self._verdict: Verdict | None = None

    def feed(self, data: bytes | memoryview) -> None:
        """Examine the next piece; it is not kept."""
        self._size += len(data)
        if len(self._head) < _HEAD:
            data = self._head + data
            self._head = data[:_HEAD]
            if len(data) < _HEAD:
                return
        self._step(data)

    def finish(self) -> Properties | Defect:
        """Say what the bytes fed were; later ones are ignored."""
        if self._verdict is None and self._size < _HEAD:
            self._step(self._head)
        if self._verdict is None:
            missing = _WALKERS[sniff(self._head)].MISSING
            self._verdict = Defect(message=f"cut after {self._size} bytes: {missing}")
        return self._verdict

    def _step(self, data: bytes | memoryview) -> None:
        if self._verdict is None:
            self._source.open(data)
            try:
                next(self._walk)
            except StopIteration as end:
                self._verdict = end.value
            self._source.close()


def _walk(source: Source) -> Wait[Verdict]:
    head = bytes(source.data[:_HEAD])
    walker = _WALKERS.get(sniff(head))
    if walker is None:
        words = f"not an image: {_kind(head)}" if head else "empty: no bytes"
        return Defect(message=words)
    return (yield from walker.walk(source))


def _kind(head: bytes) -> str:
    """Say what came in an image's place; it is not quoted, as it may hold a key."""
    if head.lstrip().startswith(b"<"):
        return "HTML or XML"
    if head.lstrip().startswith((b"{", b"[")):
        return "JSON"
    text = head.decode(errors="replace").rstrip("\ufffd")
    is_text = text.isprintable() and "\ufffd" not in text
    return "text" if is_text else f"begins with {head[:8].hex(' ')}"

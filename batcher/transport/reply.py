"""Interprets the body of a 2xx reply: the images it brings, or the error it hides.

Knows the shapes of OpenAI's images API and of the gateways that imitate it; knows
nothing of HTTP, and does not look into the images.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Final
from urllib.parse import urljoin

import msgspec
from msgspec.structs import replace

from batcher.transport.errorbody import ErrorBody, error_in, read_error
from batcher.transport.parser import IMAGE_KEYS, LOCATION_KEYS

if TYPE_CHECKING:
    from batcher.transport.document import Document

_CARRIERS: Final = (*IMAGE_KEYS, *LOCATION_KEYS)
_PLACEHOLDER: Final = re.compile(r"data:(\d{1,9})")
_ADDRESS: Final = re.compile(r"https?://[^\s/]\S*(?:/.*)?", re.IGNORECASE)
_REFERENCE: Final = re.compile(r"\.{0,2}/(?!9j/)\S+|(?=\S*\.)[^\s/:]+(:\d+)?/\S+")
"""What can be an address without its scheme, host or path: `//host/x`, `/x`, `../x`,
`host:80/x` or `files/x.png`; not a JPEG's Base64, which begins with `/9j/`."""

_HOST: Final = re.compile(r"[^./:]+(?:\.[^/]+|:\d+)/")
_DEEPEST_USAGE: Final = 3


class ReplyImage(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of a reply's `data`.

    Attributes:
        index: 0-based position in the reply.
        number: The streamed image, as numbered by the parser's events, or None.
        url: Where the image can be fetched, or None; see `Reply.resolved`.
        revised_prompt: The prompt as the gateway rewrote it; None when absent or "".
        defect: Why the entry brings no image, or None. Then `number` or `url` is set.
    """

    index: int
    number: int | None = None
    url: str | None = None
    revised_prompt: str | None = None
    defect: str | None = None


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """What a reply brings.

    Attributes:
        images: Its entries in order, the defective ones included.
        complete: The body was read to its end; when not, `images` are those whose
            text arrived in full.
        usage: The gateway's count of tokens, numbers and texts only.
        quality: What was drawn, as the gateway says: one of OpenAI's levels, or its
            own.
    """

    images: tuple[ReplyImage, ...]
    complete: bool = True
    usage: Mapping[str, object] | None = None
    quality: str | None = None

    @property
    def usable(self) -> tuple[ReplyImage, ...]:
        """The entries that bring an image."""
        return tuple(image for image in self.images if image.defect is None)

    def resolved(self, base: str) -> Reply:
        """Give the same with addresses in full, as seen from where it came from."""
        images = tuple(_resolved(image, base) for image in self.images)
        return replace(self, images=images)


def interpret(document: Document) -> Reply | ErrorBody:
    """Tell images from an error, whatever the status was.

    An entry that brings an image outweighs an error beside it: it was paid for. No
    image and no error, in a body that was read, is a reply without images.
    """
    entries = [entry for value in document.values for entry in _entries(value)]
    images = tuple(
        _image(index, entry, document.defects) for index, entry in enumerate(entries)
    )
    reply = _reply(document, images)
    if reply.usable:
        return reply
    for part in (*document.values, *entries):
        error = error_in(part)
        if error is not None:
            return error
    if document.is_stream and not images:
        return ErrorBody(message="the event stream ended without an image")
    if document.complete and isinstance(document.values[0], dict | list):
        return reply
    rescued = _rescued(document)
    return Reply(images=rescued, complete=False) if rescued else read_error(document)


def _entries(value: object) -> Iterator[Mapping[str, object]]:
    """Give the parts of a value that bring an image each."""
    if isinstance(value, dict):
        if _is_preview(value):
            return
        found = value.get("data") or value.get("images")
        if not isinstance(found, list | dict):
            found = value if any(value.get(key) for key in _CARRIERS) else []
    else:
        found = value
    for entry in found if isinstance(found, list) else [found]:
        if isinstance(entry, dict):
            yield entry
        elif isinstance(entry, str):
            yield {"url": entry}


def _is_preview(value: Mapping[str, object]) -> bool:
    """Tell whether an event brings an image that is not finished; a type says best."""
    kind = value.get("type")
    if not kind:
        return isinstance(value.get("partial_image_index"), int)
    return str(kind).endswith("partial_image")


def _image(
    index: int, entry: Mapping[str, object], defects: tuple[str | None, ...]
) -> ReplyImage:
    """Read one entry; where it brings an image twice, keep both ways to it."""
    number: int | None = None
    url: str | None = None
    defect: str | None = None
    for text in filter(None, (_carried(entry.get(key)) for key in _CARRIERS)):
        placeholder = _PLACEHOLDER.fullmatch(text)
        address = _address(text.strip(), entry)
        if address is not None:
            url = url or address
        elif placeholder is None or int(placeholder[1]) >= len(defects):
            defect = defect or "neither Base64 nor a web address"
        elif defects[int(placeholder[1])]:
            defect = defects[int(placeholder[1])]
        elif number is None:
            number = int(placeholder[1])
    is_found = number is not None or url is not None
    return ReplyImage(
        index=index,
        number=number,
        url=url,
        revised_prompt=_text(entry.get("revised_prompt")),
        defect=None if is_found else defect or "no image in it",
    )


def _address(text: str, entry: Mapping[str, object]) -> str | None:
    """Give what can be the address of an image, or a reference to it (RFC 3986 §4).

    A mere reference beside an error is a page's, such as that to log in at.
    """
    if _ADDRESS.fullmatch(text):
        return text
    if not _REFERENCE.fullmatch(text) or error_in(entry) is not None:
        return None
    return f"//{text}" if _HOST.match(text) else text


def _resolved(image: ReplyImage, base: str) -> ReplyImage:
    """Give it with its address in full (RFC 3986 §5).

    A whole address stays as it is spelt, for a signature may be over it; so does what
    makes none, to be refused when it is fetched.
    """
    if image.url is None or _ADDRESS.fullmatch(image.url):
        return image
    try:
        return replace(image, url=urljoin(base, image.url))
    except ValueError:
        return image


def _carried(value: object) -> str | None:
    if isinstance(value, dict):  # chat completions' {"image_url": {"url": …}}
        value = value.get("url")
    return _text(value)


def _reply(document: Document, images: tuple[ReplyImage, ...]) -> Reply:
    said: dict[str, object] = {}
    for value in document.values:
        if isinstance(value, dict):
            said.update((key, told) for key, told in value.items() if told is not None)
    usage = _plain(said.get("usage"), _DEEPEST_USAGE)
    return Reply(
        images=images,
        complete=document.complete,
        usage=usage if isinstance(usage, dict) and usage else None,
        quality=_text(said.get("quality")),
    )


def _rescued(document: Document) -> tuple[ReplyImage, ...]:
    """Give the images that arrived in full before the body was cut off.

    Of a stream nothing is taken so: its images may be previews.
    """
    if document.is_stream:
        return ()
    whole = [n for n, defect in enumerate(document.defects) if defect is None]
    return tuple(
        ReplyImage(index=index, number=number) for index, number in enumerate(whole)
    )


def _plain(value: object, depth: int) -> object:
    """Keep numbers, texts and mappings of them: what a ledger line can hold.

    JSON has no infinity and no NaN, although Python reads them.
    """
    if isinstance(value, dict) and depth:
        kept = {_text(k): _plain(v, depth - 1) for k, v in value.items()}
        return {key: told for key, told in kept.items() if key and told is not None}
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if isinstance(value, int) else _text(value)


def _text(value: object) -> str | None:
    """Give a text that is not empty, without the half characters JSON can spell."""
    if not isinstance(value, str) or not value:
        return None
    return value.encode("utf-8", "replace").decode("utf-8")

"""Faults that draw and send images, only not as they were asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import msgspec

from batcher.sandbox.canvas import Canvas
from batcher.sandbox.faults.fault import Fault
from batcher.sandbox.reply import Document, encode

if TYPE_CHECKING:
    from collections.abc import Callable

    from batcher.sandbox.order import Order

LOGIN = b"<!doctype html><html><title>Sign in</title><p>Please sign in.</p></html>"


def as_base64(order: Order) -> Order:
    """Answer with Base64, whatever was asked."""
    return msgspec.structs.replace(order, response_format="b64_json")


def as_url(order: Order) -> Order:
    """Answer with a URL, whatever was asked."""
    return msgspec.structs.replace(order, response_format="url")


def swapped(order: Order) -> Order:
    """Answer with the carrier that was not asked for."""
    return as_base64(order) if order.response_format == "url" else as_url(order)


def downgraded(order: Order) -> Order:
    """Draw at the next lower quality."""
    quality = "medium" if order.quality == "high" else "low"
    return msgspec.structs.replace(order, quality=quality)


def smaller(order: Order) -> Order:
    """Draw at five eighths of the size."""
    width, height = max(1, order.width * 5 // 8), max(1, order.height * 5 // 8)
    if (width, height) == (order.width, order.height):
        width += 1
    return msgspec.structs.replace(order, width=width, height=height)


def fewer(order: Order) -> Order:
    """Draw one image."""
    return msgspec.structs.replace(order, n=1)


def half(content: bytes) -> bytes:
    """Lose the second half."""
    return content[: len(content) // 2]


def login(content: bytes) -> bytes:
    """Be a web page."""
    del content
    return LOGIN


def prefixed(text: str) -> str:
    """Write a data: URI."""
    return f"data:image/png;base64,{text}"


def urlsafe(text: str) -> str:
    """Write Base64 for URLs, without padding (RFC 4648 §5)."""
    return text.replace("+", "-").replace("/", "_").rstrip("=")


def wrapped(text: str) -> str:
    """Break lines as mail does (RFC 2045, §6.8)."""
    return "\r\n".join(text[at : at + 76] for at in range(0, len(text), 76))


def each(document: Document, change: Callable[[Document], Document]) -> Document:
    """Change every image of a document."""
    images = cast("list[Document]", document["data"])
    return {**document, "data": [change(image) for image in images]}


def in_url(document: Document) -> Document:
    """Put the Base64 into `url`, as a data: URI."""
    return each(
        document,
        lambda image: {
            "url": prefixed(str(image["b64_json"])),
            "revised_prompt": image["revised_prompt"],
        },
    )


def both_keys(document: Document) -> Document:
    """Name the other carrier too, empty, and forget the prompt (§2.5)."""
    empty = {"url": "", "b64_json": "", "revised_prompt": ""}
    return each(document, lambda image: {**empty, **image, "revised_prompt": ""})


def bare(document: Document) -> Document:
    """Leave out all that is optional: echoes, usage, the revised prompt."""
    plain = each(
        document,
        lambda image: {k: v for k, v in image.items() if k != "revised_prompt"},
    )
    return {key: plain[key] for key in ("created", "data")}


def pretty(document: Document) -> bytes:
    """Indent, and put the images first and every other field after them."""
    first = {"data": document["data"], **document}
    return msgspec.json.format(encode(first), indent=2)


def escaped(document: Document) -> bytes:
    r"""Write `/` as `\/` and `+` as `\u002B`, which JSON allows (RFC 8259 §7)."""
    return encode(document).replace(b"/", rb"\/").replace(b"+", rb"\u002B")


def after_blanks(document: Document) -> bytes:
    """Begin with the blank lines that keep a connection alive (§4.2)."""
    return b"\n  \n" * 20 + encode(document)


def events(document: Document) -> bytes:
    """Write a finished stream of events (§2.5)."""
    rest = {key: value for key, value in document.items() if key != "data"}
    name = "image_generation.completed"
    lines = [
        f"event: {name}\ndata: ".encode() + encode({"type": name, **rest, **image})
        for image in cast("list[Document]", document["data"])
    ]
    return b"\n\n".join((*lines, b"data: [DONE]\n\n"))


SPOILINGS = (
    Fault(
        name="cut_image",
        doc="a PNG without its second half, in whole Base64 and JSON",
        source="§4.3, 16",
        spoil=half,
    ),
    Fault(
        name="not_image",
        doc="a web page in place of the PNG, in whole Base64 and JSON",
        source="16",
        spoil=login,
    ),
    Fault(
        name="wrong_size",
        doc="an image of five eighths of the size",
        source="§1.2, §2.6, 17",
        revise=smaller,
    ),
    Fault(
        name="wrong_format",
        doc="a GIF",
        source="§2.6, §5, 16",
        render=Canvas.gif,
    ),
    Fault(
        name="fewer_images",
        doc="one image, whatever n was; billed for n",
        source="§4.3, 13",
        revise=fewer,
    ),
    Fault(
        name="downgraded",
        doc="the next lower quality, in the echo and in the tokens",
        source="§2.6, §3.2, 17",
        revise=downgraded,
    ),
    Fault(
        name="swapped",
        doc="a URL when Base64 was asked for, and the reverse",
        source="§4.3, 14",
        revise=swapped,
    ),
    Fault(
        name="data_uri",
        doc="b64_json with a data: prefix",
        source="§4.3, 14",
        revise=as_base64,
        carry=prefixed,
    ),
    Fault(
        name="url_data_uri",
        doc="a data: URI in url",
        source="§4.3, 14",
        revise=as_base64,
        shape=in_url,
    ),
    Fault(
        name="urlsafe",
        doc="Base64 of the alphabet for URLs, without padding",
        source="14",
        revise=as_base64,
        carry=urlsafe,
    ),
    Fault(
        name="wrapped",
        doc="Base64 with a line break every 76 characters",
        source="14",
        revise=as_base64,
        carry=wrapped,
    ),
    Fault(
        name="both_keys",
        doc="url and b64_json both there, one of them empty",
        source="§2.5, 5",
        shape=both_keys,
    ),
    Fault(
        name="bare",
        doc="nothing but created and the images",
        source="§1.3, 28",
        shape=bare,
    ),
    Fault(
        name="escaped",
        doc="JSON with escaped slashes and plus signs",
        source="14",
        encode=escaped,
    ),
    Fault(
        name="pretty",
        doc="indented JSON that begins with the images",
        source="5",
        encode=pretty,
    ),
    Fault(
        name="keepalive_blanks",
        doc="blank lines before the JSON",
        source="§4.2, 5",
        encode=after_blanks,
    ),
    Fault(
        name="sse",
        doc="a text/event-stream that nobody asked for",
        source="§2.5, 5",
        revise=as_base64,
        encode=events,
        content_type="text/event-stream",
    ),
)
"""Faults of the images and of the document that carries them."""

"""What the sandbox says: an error in OpenAI's shape, or the images' JSON document."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeAlias

import msgspec

if TYPE_CHECKING:
    from batcher.sandbox.order import Order

Document: TypeAlias = dict[str, object]

EFFORT = {"low": 16, "medium": 48, "high": 96}
"""Patches along the longer edge for each quality (gateway notes §3.2)."""

TEXT_PRICE, IMAGE_PRICE, DRAWN_PRICE = 5, 8, 30
"""Micro-dollars a token of prompt, reference image and drawn image (§3.2)."""

REFERENCE_TOKENS = 1024
"""Tokens of one reference image; the true number is not published."""


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """An HTTP reply, before it meets a connection.

    Attributes:
        status: The HTTP status.
        body: The whole body.
        headers: Headers beyond the type and the length.
        content_type: The body's type.
        middlebox: A proxy speaks, not the gateway: no request id is added.
    """

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = {}
    content_type: str = "application/json"
    middlebox: bool = False


class RefusalError(Exception):
    """A POST is refused with this reply."""

    def __init__(self, reply: Reply) -> None:
        self.reply = reply
        super().__init__(f"refused with {reply.status}")


def error(
    status: int,
    message: str,
    *,
    code: str | None = "",
    kind: str = "new_api_error",
    param: str | None = None,
    headers: Mapping[str, str] = MappingProxyType({}),
) -> Reply:
    """Make an error of the documented shape (§2.2).

    Args:
        status: The HTTP status.
        message: For people.
        code: For programs; the gateway's own errors often leave it empty.
        kind: The object's `type`: the gateway's own, or the upstream's.
        param: The field at fault.
        headers: Extra headers.
    """
    fault = {"message": message, "type": kind, "param": param, "code": code}
    return Reply(status=status, body=encode({"error": fault}), headers=headers)


def invalid(message: str, *, param: str, code: str = "invalid_value") -> RefusalError:
    """Refuse a field as OpenAI would: 400 `invalid_request_error`."""
    kind = "invalid_request_error"
    return RefusalError(error(400, message, code=code, kind=kind, param=param))


def encode(document: object) -> bytes:
    """Write compact JSON."""
    return msgspec.json.encode(document)


def drawn_tokens(quality: str, width: int, height: int) -> int:
    """Count the output tokens of one image (§3.2); an unknown quality is medium."""
    effort = EFFORT.get(quality, EFFORT["medium"])
    short, long = sorted((width, height))
    patches = (2 * effort * short + long) // (2 * long)
    return -(-effort * patches * (2_000_000 + width * height) // 4_000_000)


def tokens(order: Order) -> tuple[int, int, int]:
    """Count the tokens of the prompt, the reference images and the drawn images."""
    text = -(-len(order.prompt.encode()) // 4)
    drawn = order.n * drawn_tokens(order.quality, order.width, order.height)
    return text, REFERENCE_TOKENS * order.references, drawn


def cost(order: Order) -> int:
    """Price an order in micro-dollars."""
    text, image, drawn = tokens(order)
    return text * TEXT_PRICE + image * IMAGE_PRICE + drawn * DRAWN_PRICE


def usage(order: Order) -> Document:
    """Give the `usage` object of a reply."""
    text, image, drawn = tokens(order)
    return {
        "input_tokens": text + image,
        "input_tokens_details": {"text_tokens": text, "image_tokens": image},
        "output_tokens": drawn,
        "total_tokens": text + image + drawn,
    }


def success(order: Order, images: list[str], *, created: int) -> Document:
    """Make the document that holds the images.

    Args:
        order: What was drawn.
        images: A URL or Base64 text each, as `order.response_format` says.
        created: Seconds since 1970.
    """
    return {
        "created": created,
        "background": order.background,
        "data": [
            {order.response_format: image, "revised_prompt": order.prompt}
            for image in images
        ],
        "output_format": order.output_format,
        "quality": order.quality,
        "size": f"{order.width}x{order.height}",
        "usage": usage(order),
    }

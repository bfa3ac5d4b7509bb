"""Reads the JSON of a POST as the API does, and refuses it in the API's words."""

from __future__ import annotations

import binascii
import re
from typing import TYPE_CHECKING

import msgspec

from batcher.sandbox.reply import Document, RefusalError, error, invalid

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

LONGEST_EDGE = 3840
LONGEST_PROMPT = 32_000
MOST_IMAGES = 10
FORMATS = ("b64_json", "url")
FILE_FORMATS = ("png", "jpeg", "webp")

SIZE = re.compile(r"([1-9]\d{0,4})x([1-9]\d{0,4})")
DATA_URI = re.compile(r"data:[^,]*;base64,", re.IGNORECASE)


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What one POST asks for, with the API's defaults filled in.

    Attributes:
        model: Any name.
        prompt: Never empty.
        n: Images, 1 to 10.
        width: Pixels.
        height: Pixels.
        quality: As sent; `medium` for `auto` or nothing.
        response_format: `b64_json` or `url`.
        output_format: As sent, although only PNG is drawn.
        background: As sent; `opaque` for nothing.
        references: Number of reference images.
    """

    model: str
    prompt: str
    n: int = 1
    width: int = 1024
    height: int = 1024
    quality: str = "medium"
    response_format: str = "b64_json"
    output_format: str = "png"
    background: object = "opaque"
    references: int = 0


def read_document(body: bytes) -> Document:
    """Decode the body of a POST.

    Raises:
        RefusalError: It is not a JSON object (§2.3, 400 with an empty code).
    """
    try:
        return msgspec.json.decode(body, type=dict[str, object])
    except (msgspec.MsgspecError, UnicodeDecodeError) as wrong:
        raise RefusalError(error(400, f"invalid request body: {wrong}")) from wrong


def read_order(document: Mapping[str, object]) -> Order:
    """Check the fields of a POST.

    Raises:
        RefusalError: A field is missing or wrong; the reply says which.
    """
    width, height = read_size(text(document, "size"))
    quality = text(document, "quality")
    if not isinstance(document.get("watermark"), bool | None):
        raise undecodable(document["watermark"], "watermark", "bool")
    return Order(
        model=required(document, "model"),
        prompt=read_prompt(document),
        n=read_n(document.get("n")),
        width=width,
        height=height,
        quality="medium" if quality in (None, "", "auto") else str(quality),
        response_format=one_of(document, "response_format", FORMATS),
        output_format=one_of(document, "output_format", FILE_FORMATS),
        background=document.get("background") or "opaque",
        references=read_images(document.get("image")),
    )


def text(document: Mapping[str, object], field: str) -> str | None:
    """Give a field that must be text; null is as good as absent."""
    value = document.get(field)
    if not isinstance(value, str | None):
        raise undecodable(value, field, "string")
    return value


def required(document: Mapping[str, object], field: str) -> str:
    """Give a field that must be there and not be empty."""
    value = text(document, field)
    if not value:
        message = f"Missing required parameter: '{field}'."
        raise invalid(message, param=field, code="missing_required_parameter")
    return value


def read_prompt(document: Mapping[str, object]) -> str:
    """Give the prompt, of at most 32,000 characters (§3.1)."""
    prompt = required(document, "prompt")
    if len(prompt) > LONGEST_PROMPT:
        message = f"Invalid 'prompt': at most {LONGEST_PROMPT} characters."
        raise invalid(message, param="prompt", code="string_above_max_length")
    return prompt


def one_of(document: Mapping[str, object], field: str, allowed: Sequence[str]) -> str:
    """Give a field that has few values; the first stands for nothing."""
    value = text(document, field) or allowed[0]
    if value not in allowed:
        choices = ", ".join(repr(choice) for choice in allowed)
        message = f"Invalid value: {value!r}. Supported values are: {choices}."
        raise invalid(message, param=field)
    return value


def read_n(value: object) -> int:
    """Give the number of images; null and 0 mean 1 (§1.3)."""
    if value is None:
        return 1
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise undecodable(value, "n", "uint")
    if value > MOST_IMAGES:
        message = f"Invalid 'n': expected a value <= {MOST_IMAGES}, got {value}."
        raise invalid(message, param="n", code="integer_above_max_value")
    return value or 1


def read_size(size: str | None) -> tuple[int, int]:
    """Give width and height; labels such as `16:9(4K)` are not the API's (§1.2)."""
    if size in (None, "", "auto"):
        return 1024, 1024
    if "×" in str(size):  # noqa: RUF001 - the character that new-api looks for
        message = f"invalid size {size!r}: use 'x' instead of the multiplication sign"
        raise RefusalError(error(400, message, code="invalid_request"))
    match = SIZE.fullmatch(str(size))
    if match is None:
        message = f"Invalid size {size!r}: expected 'auto' or WIDTHxHEIGHT in pixels."
        raise invalid(message, param="size")
    width, height = int(match[1]), int(match[2])
    if max(width, height) > LONGEST_EDGE:
        message = f"Invalid size {size!r}: the longest edge is {LONGEST_EDGE} pixels."
        raise invalid(message, param="size")
    return width, height


def read_images(value: object) -> int:
    """Count the reference images, each a URL, a data: URI or Base64 (§1.3)."""
    if value is None:
        return 0
    images = value if isinstance(value, list) else [value]
    for image in images:
        if not isinstance(image, str):
            raise undecodable(image, "image", "string")
        if not image.startswith(("https://", "http://")) and not is_base64(image):
            message = "Invalid 'image': neither a URL nor valid Base64."
            raise invalid(message, param="image", code="invalid_base64")
    return len(images)


def is_base64(image: str) -> bool:
    """Tell whether text, after any data: prefix, is strict and not empty Base64."""
    prefix = DATA_URI.match(image)
    try:
        content = image[prefix.end() :] if prefix else image
        return bool(binascii.a2b_base64(content, strict_mode=True))
    except ValueError:
        return False


def undecodable(value: object, field: str, kind: str) -> RefusalError:
    """Refuse a value of the wrong JSON type, as new-api's decoder does (§1.3)."""
    message = (
        f"cannot unmarshal {value!r:.40} into field ImageRequest.{field} of {kind}"
    )
    return RefusalError(error(400, message, code="invalid_request", param=field))

"""What can be said of an image's bytes: its properties, or its defect."""

from __future__ import annotations

from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeAlias

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping


class Format(StrEnum):
    """The image formats that a gateway sends."""

    PNG = "png"
    JPEG = "jpeg"
    WEBP = "webp"
    GIF = "gif"


SUFFIX: Mapping[Format, str] = MappingProxyType(
    {
        Format.PNG: ".png",
        Format.JPEG: ".jpg",
        Format.WEBP: ".webp",
        Format.GIF: ".gif",
    }
)
"""Ending of a file's name, by format."""


class Properties(msgspec.Struct, frozen=True, kw_only=True):
    """What a whole image is.

    Attributes:
        format: Told from the bytes, never from a name or a header.
        width: Pixels.
        height: Pixels.
    """

    format: Format
    width: int
    height: int


class Defect(msgspec.Struct, frozen=True, kw_only=True):
    """Why bytes are not a whole image.

    Attributes:
        message: One line, safe to print on a terminal.
    """

    message: str


Verdict: TypeAlias = Properties | Defect


def sized(image_format: Format, width: int, height: int) -> Verdict:
    """Give the properties of a whole image, unless it has no area."""
    if not (width and height):
        return Defect(message=f"damaged: {image_format} of {width}x{height} pixels")
    return Properties(format=image_format, width=width, height=height)

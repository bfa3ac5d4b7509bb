"""Names files so that nobody can guess them and nothing need be stored.

A name is the recipe of its picture and the time it ends, signed: the picture is drawn
again at every fetch.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import struct

import msgspec

from batcher.sandbox.draw import Picture

LAYOUT = struct.Struct(">QHHH8s8s")
SIGNATURE = 12


class Link(msgspec.Struct, frozen=True, kw_only=True):
    """What a file's name holds.

    Attributes:
        picture: The recipe.
        fault: Number of the fault that its reply met; 0 for none.
        ends: Milliseconds since 1970 until which it works.
    """

    picture: Picture
    fault: int
    ends: int


def write_name(link: Link, secret: bytes) -> str:
    """Give the name of a file."""
    picture = link.picture
    size = picture.width, picture.height
    seeds = picture.theme, picture.variant
    packed = LAYOUT.pack(link.ends, *size, link.fault, *seeds)
    return base64.urlsafe_b64encode(packed + sign(packed, secret)).decode() + ".png"


def read_name(name: str, secret: bytes) -> Link | None:
    """Read the name of a file; None when we never gave it."""
    try:
        signed = base64.urlsafe_b64decode(name.removesuffix(".png"))
    except (binascii.Error, ValueError):
        return None
    packed, signature = signed[: LAYOUT.size], signed[LAYOUT.size :]
    if not hmac.compare_digest(signature, sign(packed, secret)):
        return None
    ends, width, height, fault, theme, variant = LAYOUT.unpack(packed)
    picture = Picture(theme=theme, variant=variant, width=width, height=height)
    return Link(picture=picture, fault=fault, ends=ends)


def sign(packed: bytes, secret: bytes) -> bytes:
    """Sign the content of a name."""
    return hmac.digest(secret, packed, "sha256")[:SIGNATURE]

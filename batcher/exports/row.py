"""One image of an export, as every format writes it.

Pure. Names the files of an export: from the request's name and id alone, so that no
name in a ledger can lead out of a folder, and no two images get the same one.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from batcher.images import SUFFIX, Format

if TYPE_CHECKING:
    from batcher.ledger.event import Result

SLUG_BYTES = 48
"""Of a request's name; with the id and an ending it fits the 100 of a tar's header."""

_NOT_SLUG = re.compile(r"[^\w]+")
# As the program makes them; others are hashed, under a letter that no hex digit is.
_is_id = re.compile(r"[0-9a-f]{16,40}").fullmatch
FILE_NAME = re.compile(
    r"(?:[\w-]*-)?x?[0-9a-f]{16,40}(?:-[0-9]+)?\.(?:png|jpg|webp|gif)"
)
"""What `Row.file_name` looks like."""


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One image, and the request it is of.

    Attributes:
        id: The request's id.
        name: The request's name.
        stem: Of the image's file in the export.
        suffix: Of that file, its dot included; empty where the format is not ours.
        text: The prompt as sent.
        revised_prompt: The prompt as the gateway rewrote it, or nothing.
        model: As sent.
        size: As sent, or nothing.
        quality: As sent, or nothing.
        width: Pixels.
        height: Pixels.
        sha256: Hex digest of the file.
        vars: The variables the request was made from.
        path: In the run directory, as the ledger names it.
        bytes: Size of the file.
        at: When the request ended.
    """

    id: str
    name: str
    stem: str
    suffix: str
    text: str
    revised_prompt: str
    model: str
    size: str
    quality: str
    width: int
    height: int
    sha256: str
    vars: Mapping[str, object]
    path: str
    bytes: int
    at: datetime

    @property
    def file_name(self) -> str:
        """Give the name of the image's file in the export."""
        return self.stem + self.suffix


def rows_of(result: Result) -> Iterator[Row]:
    """Walk the images of a result."""
    sent = result.request
    for number, image in enumerate(result.images):
        yield Row(
            id=result.id,
            name=result.name,
            stem=_stem(result.name, result.id, number),
            suffix=_SUFFIX.get(image.format, ""),
            text=text_of(sent.get("prompt")),
            revised_prompt=image.revised_prompt or "",
            model=text_of(sent.get("model")),
            size=text_of(sent.get("size")),
            quality=text_of(sent.get("quality")),
            width=image.width,
            height=image.height,
            sha256=image.sha256,
            vars=result.vars,
            path=image.path,
            bytes=image.bytes,
            at=result.at,
        )


def text_of(value: object) -> str:
    """Write any value of a ledger as text: what is absent as nothing."""
    if value is None:
        return ""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


_SUFFIX = {format_.value: SUFFIX[format_] for format_ in Format}


def _stem(name: str, id_: str, number: int) -> str:
    """Name a file; without a dot, which would end a WebDataset key."""
    slug = _NOT_SLUG.sub("-", unicodedata.normalize("NFC", name))
    slug = slug.encode()[:SLUG_BYTES].decode(errors="ignore").strip("-")
    safe = id_ if _is_id(id_) else "x" + hashlib.sha256(id_.encode()).hexdigest()[:20]
    tail = f"-{number}" if number else ""
    return f"{slug}-{safe}{tail}" if slug else safe + tail

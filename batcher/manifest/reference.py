"""Reads reference images: paths, Base64, data: URIs and URLs.

Only bytes that are a whole image get into a request, so a manifest cannot smuggle
another file of the user's to a gateway. Files are digested when the manifest is read
and loaded again when the request is sent, so that they are never all in memory.
"""

from __future__ import annotations

import hashlib
from binascii import Error as Base64Error
from functools import lru_cache
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
import pybase64

from batcher import images
from batcher.manifest.field import FieldError, shown
from batcher.models import Reference

LARGEST_FILE = 64 << 20
"""Bytes of one reference file; new-api takes bodies up to 128 MiB."""

LONGEST_PATH = 1024

MOST_KNOWN = 10_000
"""Files whose digest is remembered; a photo in each row would fill the memory."""

_EXPECTED = "expected a path, Base64, data: URI, URL"


class References:
    """Reads the references of one manifest, each file once.

    Attributes:
        folder: Where relative paths start, the manifest's own folder.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._file = lru_cache(maxsize=MOST_KNOWN)(self._read_file)

    def read(self, value: object) -> tuple[tuple[Reference, ...], bool]:
        """Read a field's value; say also whether it was one value, not a list.

        A text may be a list in JSON, for that is how a table's cell holds several.

        Raises:
            FieldError: A value is not a reference, or not an image.
        """
        if isinstance(value, str) and value.lstrip().startswith("["):
            value = _listed(value)
        if isinstance(value, str):
            return (self._one(value),), True
        if isinstance(value, list) and value:
            return tuple(self._one(each) for each in value), False
        raise FieldError(f"{_EXPECTED} or a list, got {shown(value)}")

    def _one(self, value: object) -> Reference:
        text = value.strip() if isinstance(value, str) else ""
        if not text:
            raise FieldError(f"{_EXPECTED}, got {shown(value)}")
        scheme = text[:8].lower()
        if scheme.startswith(("http://", "https://")):
            return _url(text)
        if scheme.startswith("data:"):
            return _data_uri(text)
        if len(text) > LONGEST_PATH:
            return _base64(text)
        return self._file(text)

    def _read_file(self, text: str) -> Reference:
        path = self.folder / text
        try:
            if path.exists() and not path.is_file():
                raise FieldError(f"{text!r} is not a file")
            if path.stat().st_size > LARGEST_FILE:
                raise FieldError(f"{text!r} is larger than {LARGEST_FILE >> 20} MiB")
            content = path.read_bytes()
        except (OSError, ValueError) as error:
            if _looks_encoded(text):
                return _base64(text)
            reason = getattr(error, "strerror", None) or str(error)
            raise FieldError(f"cannot read {shown(text)}: {reason}") from error
        return Reference(text=str(path), digest=_digest(content, text), is_file=True)


def encode(reference: Reference, *, as_data_uri: bool) -> str:
    """Give what stands on the wire for a reference; reads its file.

    Args:
        reference: What `References.read` gave.
        as_data_uri: Whether the gateway wants `data:image/png;base64,…` for files.

    Raises:
        FieldError: The file is gone, or changed since the manifest was read.
    """
    if not reference.is_file:
        return reference.text
    try:
        content = Path(reference.text).read_bytes()
    except OSError as error:
        raise FieldError(f"cannot read {reference.text!r}: {error.strerror}") from error
    if _digest(content, reference.text) != reference.digest:
        raise FieldError(f"{reference.text!r} changed since the run was planned")
    encoded = pybase64.b64encode_as_string(content)
    kind = images.sniff(content)
    return f"data:image/{kind};base64,{encoded}" if as_data_uri else encoded


def _listed(text: str) -> str | list[str]:
    """Read a list of texts in JSON; what is none is left as it is."""
    try:
        return msgspec.json.decode(text, type=list[str])
    except (msgspec.DecodeError, UnicodeError):
        return text


def _url(text: str) -> Reference:
    try:
        host = urlsplit(text).hostname
    except ValueError:
        host = None
    if not host or not text.isprintable() or " " in text:
        raise FieldError(f"{shown(text)} is not a URL")
    return Reference(text=text)


def _data_uri(text: str) -> Reference:
    head, comma, encoded = text.partition(",")
    if not comma or not head.lower().endswith(";base64"):
        raise FieldError(f"expected data:image/…;base64,…, got {shown(text)}")
    encoded, content = _decoded(encoded)
    return Reference(text=f"{head},{encoded}", digest=_digest(content, head))


def _base64(text: str) -> Reference:
    encoded, content = _decoded(text)
    return Reference(text=encoded, digest=_digest(content, f"{encoded[:24]}…"))


def _decoded(text: str) -> tuple[str, bytes]:
    """Decode Base64, and give it also without the line breaks that `base64` makes."""
    encoded = "".join(text.split())
    try:
        return encoded, pybase64.b64decode(encoded.encode("ascii"), validate=True)
    except (Base64Error, ValueError) as error:
        raise FieldError(f"{shown(text)} is neither a file nor Base64") from error


def _looks_encoded(text: str) -> bool:
    """Tell whether a text that is no file begins like a Base64 image."""
    try:
        head = pybase64.b64decode(text[:24].encode("ascii"), validate=True)
    except (Base64Error, ValueError):
        return False
    return len(text) >= 24 and images.sniff(head) is not None


def _digest(content: bytes, label: str) -> str:
    found = images.inspect(content)
    if isinstance(found, images.Defect):
        raise FieldError(f"{label!r} is not a whole image: {found.message}")
    return f"sha256:{hashlib.sha256(content).hexdigest()}"

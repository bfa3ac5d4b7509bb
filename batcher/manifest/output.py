"""Says where an image goes: names made safe, paths checked before anything is sent.

Knows nothing of the disk: a path is checked for what every file system refuses.
"""

from __future__ import annotations

import re
import unicodedata

from batcher.manifest.field import FieldError

LONGEST_COMPONENT = 255 - len("~999-10.jpeg.part")
"""Bytes of one component; file systems take 255 with what the store appends."""

LONGEST_PATH = 1024
"""Bytes of the whole relative path; PATH_MAX less room for the run directory."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_NOT_SLUG = re.compile(r"[^\w]+")


def checked_name(text: str) -> str:
    """Check a request's name; raises `FieldError`."""
    name = text.strip()
    if not name:
        raise FieldError("is empty")
    if _CONTROL.search(name):
        raise FieldError(f"holds a control character: {name!r}")
    return name


def checked_output(text: str) -> str:
    """Check a relative path without its ending, `/`-separated.

    Raises:
        FieldError: It leaves the run directory, is hidden, or is too long.
    """
    path = text.strip()
    if _CONTROL.search(path):
        raise FieldError(f"holds a control character: {path!r}")
    if path.startswith("/") or "\\" in path or re.match(r"[A-Za-z]:", path):
        raise FieldError(f"{path!r} leaves the run directory; use a relative path")
    parts = path.split("/")
    for part in parts:
        if part == "..":
            raise FieldError(f"{path!r} leaves the run directory")
        if not part.strip() or part.startswith("."):
            raise FieldError(f"{path!r} has an empty or hidden part")
        if len(part.encode()) > LONGEST_COMPONENT:
            size = len(part.encode())
            raise FieldError(
                f"{part[:40]!r}… has {size} bytes; at most {LONGEST_COMPONENT}"
            )
    if len(path.encode()) > LONGEST_PATH:
        raise FieldError(f"{path[:40]!r}… is longer than {LONGEST_PATH} bytes")
    return path


def default_name(prompt: str, id_: str) -> str:
    """Name a request that has no name: its prompt's first words and its id."""
    words = _NOT_SLUG.sub("-", prompt[:120].lower()).strip("-")
    while len(words.encode()) > 48:
        words = words[:-1]
    return f"{words.rstrip('-') or 'image'}-{id_[:8]}"


def collision_key(output: str) -> str:
    """Fold what some file systems hold for one name: case and Unicode form."""
    return unicodedata.normalize("NFC", output).casefold()

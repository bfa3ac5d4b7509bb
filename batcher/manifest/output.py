"""Says where an image goes: names made safe, paths checked before anything is sent.

Knows nothing of the disk: a path is checked for what every file system refuses.
"""

from __future__ import annotations

import re
import unicodedata

from batcher.manifest.field import FieldError, shown

LONGEST_COMPONENT = 255 - len("~999-10.jpeg.part")
"""Bytes of one component; file systems take 255 with what the store appends."""

LONGEST_PATH = 1024
"""Bytes of the whole relative path; PATH_MAX less room for the run directory."""

LEDGER = "ledger.jsonl"
"""What the ledger's name, and those of files beside it, begin with."""

OWN_FOLDERS = frozenset(
    ("ledger", "report", "export", "exports", "fleet", "purse", "shards")
)
"""Folders of a run directory that are the program's own, see `layout`."""

_UNFIT = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
_DRIVE = re.compile(r"[A-Za-z]:[/\\]")
_WORD = re.compile(r"\w+")
# Most names are such, and a million of them are checked.
_is_ordinary = re.compile(
    r"[A-Za-z0-9_](?:[A-Za-z0-9_ .-]{0,198}[A-Za-z0-9_])?"
).fullmatch


def checked_name(value: object) -> str:
    """Check a request's name; raises `FieldError`."""
    if isinstance(value, str) and _is_ordinary(value):
        return value
    name = _text(value)
    if not name:
        raise FieldError("is empty")
    if _UNFIT.search(name):
        raise FieldError(f"holds a control character: {shown(name)}")
    return name


def checked_path(value: object) -> str:
    """Check a relative path, `/`-separated.

    Raises:
        FieldError: It leaves the run directory, is hidden, or is too long.
    """
    if isinstance(value, str) and _is_ordinary(value):
        return value
    path = _text(value)
    if _UNFIT.search(path):
        raise FieldError(f"holds a control character: {shown(path)}")
    if path.startswith("/") or _DRIVE.match(path):
        raise FieldError(f"{shown(path)} leaves the run directory; use a relative path")
    if "\\" in path:
        raise FieldError(f"{shown(path)} holds a backslash; separate folders with /")
    for part in path.split("/"):
        if part == "..":
            raise FieldError(f"{shown(path)} leaves the run directory")
        if not part.strip() or part.startswith("."):
            raise FieldError(f"{shown(path)} has an empty or hidden part")
        size = len(part.encode())
        if size > LONGEST_COMPONENT:
            most = LONGEST_COMPONENT
            raise FieldError(f"{shown(part)} has {size} bytes; at most {most}")
    if len(path.encode()) > LONGEST_PATH:
        raise FieldError(f"{shown(path)} is longer than {LONGEST_PATH} bytes")
    return path


def checked_output(value: object) -> str:
    """Check where an image goes: a relative path without its ending.

    Raises:
        FieldError: It is no such path, or lies among the program's own files.
    """
    path = checked_path(value)
    folder, slash, _ = path.partition("/")
    if slash and _is_own(collision_key(folder)):
        raise FieldError(
            f"{shown(path)} lies in {folder!r}, which holds the program's own files;"
            " choose another folder"
        )
    return path


def _is_own(folder: str) -> bool:
    return folder in OWN_FOLDERS or folder.startswith(LEDGER)


def checked_label(value: object) -> str:
    """Check a name that is the output as well; raises `FieldError`."""
    if isinstance(value, str) and _is_ordinary(value):
        return value
    return checked_output(checked_name(value))


def default_name(prompt: str, id_: str) -> str:
    """Name a request that has no name: its prompt's first words and its id."""
    words = "-".join(_WORD.findall(prompt[:80].lower()))
    words = words.encode()[:48].decode(errors="ignore")
    return f"{words.rstrip('-') or 'image'}-{id_[:8]}"


def collision_key(output: str) -> str:
    """Fold what some file systems hold for one name: case and Unicode form."""
    if output.isascii():  # most are, and folding them is cheap
        return output.lower()
    return unicodedata.normalize("NFC", output).casefold()


def _text(value: object) -> str:
    if not isinstance(value, str | int | float):
        raise FieldError(f"expected text, got {shown(value)}")
    return str(value).strip()

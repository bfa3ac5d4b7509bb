"""Where a manifest is read from: a file, or standard input, which is put into one.

A manifest is read more than once, and a stream can be read once only. Knows nothing of
what a manifest says.
"""

from __future__ import annotations

import atexit
import hashlib
import re
import shutil
import sys
import tempfile
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import msgspec

if TYPE_CHECKING:
    from typing import BinaryIO

STDIN = "-"
"""What stands for standard input on the command line, and in messages."""

FORMATS = ("yaml", "csv", "jsonl")

_ENDINGS = {
    ".yaml": "yaml",
    ".yml": "yaml",
    ".json": "yaml",
    ".csv": "csv",
    ".tsv": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
}
_YAML = re.compile(rb"""#|%YAML|---|- |["']?[\w-]+["']?\s*:(\s|$)""")


class SourceError(Exception):
    """There is no manifest where one was named."""


class Source(NamedTuple):
    """A manifest's text.

    Attributes:
        path: As the user named it, for messages.
        file: Where it can be read.
        folder: Where relative paths in it start.
        name: What the manifest is called when it does not say.
        format: One of `FORMATS`.
    """

    path: str
    file: Path
    folder: Path
    name: str
    format: str

    def sha256(self) -> str:
        """Give the hex digest of the file; raises `OSError`."""
        with self.file.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()


def find_source(path: str, given: str | None = None) -> Source:
    """Find where a manifest is read from.

    Args:
        path: A file whose ending says its format, or `STDIN`.
        given: The format of standard input; otherwise told from what it holds.

    Raises:
        SourceError: The ending says nothing, or there is no standard input.
        OSError: Standard input cannot be put into a file.
    """
    if path == STDIN:
        file = standard_input()
        name = "stdin"
        return Source(path, file, Path(), name, given or told_format(file))
    file = Path(path)
    kind = _ENDINGS.get(file.suffix.lower())
    if kind is None:
        known = " ".join(sorted(_ENDINGS))
        raise SourceError(f"is no manifest; the name ends in {known}")
    return Source(path, file, file.parent, file.stem, kind)


@cache
def standard_input() -> Path:
    """Put standard input into a file that goes when the program does."""
    if sys.stdin is None:
        raise SourceError("there is no standard input")
    return spooled(sys.stdin.buffer)


def spooled(stream: BinaryIO) -> Path:
    """Put a stream into a temporary file; raises `OSError`."""
    with tempfile.NamedTemporaryFile(prefix="batcher-", delete=False) as file:
        path = Path(file.name)
        atexit.register(path.unlink, missing_ok=True)
        shutil.copyfileobj(stream, file)
    return path


def told_format(file: Path) -> str:
    """Tell a manifest's format from its first line that is not blank."""
    with file.open("rb") as stream:
        start = stream.read(3)
        if start[:2] in (BOM_UTF16_LE, BOM_UTF16_BE):
            return "csv"  # a spreadsheet's; YAML and JSON lines are UTF-8
        stream.seek(3 if start == b"\xef\xbb\xbf" else 0)
        first = next(filter(None, map(bytes.strip, stream)), b"")
    if first.startswith(b"{"):
        return "jsonl" if _is_row(first) else "yaml"
    return "yaml" if not first or _YAML.match(first) else "csv"


def _is_row(line: bytes) -> bool:
    """Tell whether a line is a whole object that is no manifest itself."""
    try:
        return "requests" not in msgspec.json.decode(line, type=dict[str, object])
    except (msgspec.DecodeError, RecursionError):
        return False

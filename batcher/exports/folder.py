"""Keeps the books of an export's folder: what is there, and need not be made again.

The first line of `.export.jsonl` names the format and every file that may be there;
each other line a file that is whole. It is written before the files it names, so
whatever an export that died has left is known to the next one.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import msgspec

from batcher.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

JOURNAL = ".export.jsonl"
LOCK = ".export.lock"

_Line = TypeVar("_Line", bound=msgspec.Struct)


class Heading(msgspec.Struct, frozen=True, kw_only=True):
    """The first line of the journal.

    Attributes:
        export: Version of these files.
        format: Of the export.
        files: Every file that this export may make, relative to its folder.
    """

    export: int = 1
    format: str
    files: tuple[str, ...] = ()


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """A file that is whole.

    Attributes:
        file: Relative to the export's folder.
        bytes: Its size.
        digest: Hash of what it was to hold.
        images: Images it holds.
        left_out: Images that it was to hold, and that were not fit.
    """

    file: str
    bytes: int
    digest: str
    images: int
    left_out: int


class ExportFolder:
    """The folder of one export.

    Args:
        path: The folder; made if it is not there.
        format_: What is exported to it.

    Raises:
        UsageError: It holds something else, or an export of another format.
        OSError: It cannot be read or made.
    """

    def __init__(self, path: Path, format_: str) -> None:
        self.path = path
        self._format = format_
        self._old: tuple[str, ...] = ()
        self._wanted: Mapping[str, str] = {}
        self._entries: dict[str, Entry] = {}
        path.mkdir(parents=True, exist_ok=True)
        self.read()

    def plan(self, wanted: Mapping[str, str], forget: Callable[[str], None]) -> None:
        """Remove files that are not wanted any more, and note what will be made.

        Args:
            wanted: The digest of every file's content, by its name.
            forget: Removes what belongs to a file.
        """
        for name in self._old:
            if name not in wanted:
                forget(name)
                file = self.path / name
                file.unlink(missing_ok=True)
                part_of(file).unlink(missing_ok=True)
                if file.parent != self.path and not any(file.parent.iterdir()):
                    file.parent.rmdir()
        self._entries = {
            name: entry
            for name, digest in wanted.items()
            if (entry := self._entries.get(name)) and self._is_whole(entry, digest)
        }
        self._wanted = wanted
        self.settle()

    def kept(self, name: str) -> Entry | None:
        """Give the file that need not be made again."""
        return self._entries.get(name)

    def add(self, entry: Entry) -> None:
        """Note that a file is whole."""
        self._entries[entry.file] = entry
        with (self.path / JOURNAL).open("ab") as stream:
            stream.write(_line(entry))

    def settle(self) -> None:
        """Write the journal anew, in the order of the files."""
        heading = Heading(format=self._format, files=tuple(self._wanted))
        entries = (
            self._entries[name] for name in self._wanted if name in self._entries
        )
        replace(self.path / JOURNAL, map(_line, (heading, *entries)))

    def read(self) -> None:
        """Read what an earlier export has noted; raises as making this does."""
        journal = self.path / JOURNAL
        try:
            lines = journal.read_bytes().splitlines(keepends=True)
        except FileNotFoundError:
            self._check_free()
            return
        heading = _readable(lines[0], Heading) if lines else None
        if heading is None or heading.format != self._format:
            holds = f"an export as {heading.format}" if heading else "another export"
            words = f"{str(self.path)!r} holds {holds}; name another folder with --out"
            raise UsageError(words)
        self._old = tuple(filter(_is_inside, heading.files))
        entries = (_readable(line, Entry) for line in lines[1:])
        self._entries = {entry.file: entry for entry in entries if entry is not None}

    def check_empty(self) -> None:
        """Keep an export of images from being replaced by one of none.

        Raises:
            UsageError: It holds images.
        """
        if any(entry.images for entry in self._entries.values()):
            words = "holds an export with images, and of these none is selected now"
            hint = "look at --where, or delete the folder"
            raise UsageError(f"{str(self.path)!r} {words}; {hint}")

    def _check_free(self) -> None:
        if any(file.name not in _OURS for file in self.path.iterdir()):
            words = f"{str(self.path)!r} is not an export"
            raise UsageError(f"{words}; name another folder with --out")

    def _is_whole(self, entry: Entry, digest: str) -> bool:
        if entry.digest != digest or entry.left_out:
            return False
        file = self.path / entry.file
        return file.is_file() and file.stat().st_size == entry.bytes


def part_of(file: Path) -> Path:
    """Name a file while it is written."""
    return file.with_name(f".{file.name}.part")


def finish(file: Path) -> None:
    """Give a file that was written under its partial name its own; it is whole."""
    part = part_of(file)
    with part.open("rb+") as stream:
        os.fsync(stream.fileno())
    part.replace(file)


def replace(file: Path, pieces: Iterable[bytes]) -> None:
    """Write a file that is there as a whole or not at all."""
    with part_of(file).open("wb") as stream:
        stream.writelines(pieces)
    finish(file)


_OURS = frozenset({LOCK, part_of(Path(JOURNAL)).name})


def _line(value: msgspec.Struct) -> bytes:
    return msgspec.json.encode(value) + b"\n"


def _readable(line: bytes, kind: type[_Line]) -> _Line | None:
    if not line.endswith(b"\n"):
        return None
    try:
        return msgspec.json.decode(line, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def _is_inside(name: str) -> bool:
    """Tell whether a name in a journal may be removed."""
    path = Path(name)
    return bool(name) and not path.is_absolute() and ".." not in path.parts

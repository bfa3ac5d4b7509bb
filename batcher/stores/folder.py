"""A run directory that is a folder: of this machine, or of a shared file system."""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from batcher.errors import StoreError
from batcher.stores.directory import Entry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

_BUFFER = 1 << 20
_SPARE = ".spare"  # how the name of a file ends that is not whole yet
_ABSENT = {errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG}
NO_LINKS = frozenset({errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK})
"""What a file system says that cannot give a file a second name."""


class LocalDirectory:
    """A folder; see `Directory`.

    What is made here is on the disk before its name is, and then the name, too. On a
    file system without hard links a crash may leave what `create` made cut short.

    Args:
        folder: The folder; it may not exist yet.
        link: Gives a file a second name, where the file system can.
    """

    def __init__(
        self, folder: Path | str, *, link: Callable[[Path, Path], None] = os.link
    ) -> None:
        self.folder = Path(folder)
        self._link = link

    def __str__(self) -> str:
        """Give the folder as the user named it."""
        return str(self.folder)

    def open(self, name: str) -> BinaryIO | None:
        """Open a file for reading."""
        try:
            return (self.folder / name).open("rb", buffering=_BUFFER)
        except OSError as error:
            if error.errno in _ABSENT:
                return None
            raise self._refused("read", name, error) from error

    def read(self, name: str) -> bytes | None:
        """Give a file's content."""
        stream = self.open(name)
        if stream is None:
            return None
        with stream:
            try:
                return stream.read()
            except OSError as error:
                raise self._refused("read", name, error) from error

    def size(self, name: str) -> int | None:
        """Give a file's size."""
        try:
            found = os.stat(f"{self.folder}/{name}")  # noqa: PTH116 - a million times
        except OSError as error:
            if error.errno in _ABSENT:
                return None
            raise self._refused("read", name, error) from error
        return found.st_size if stat.S_ISREG(found.st_mode) else None

    def entry(self, name: str) -> Entry | None:
        """Describe a file."""
        try:
            return self._entry(name)
        except OSError as error:
            if error.errno in _ABSENT:
                return None
            raise self._refused("read", name, error) from error

    def entries(self, prefix: str = "") -> Iterator[Entry]:
        """Walk the files below the folder, those whose names begin with `prefix`."""
        start = self.folder / prefix.rpartition("/")[0]
        for place, _, names in os.walk(start, onerror=self._not_listed):
            below = Path(place).relative_to(self.folder)
            for file in names:
                name = (below / file).as_posix()
                if name.startswith(prefix) and not name.endswith(_SPARE):
                    found = self.entry(name)  # it may go while the folder is walked
                    if found is not None:
                        yield found

    def create(self, name: str, data: bytes) -> bool:
        """Make a small file, unless its name is taken."""
        spare = self._spare(name, data)
        try:
            is_mine = self._named(spare, self.folder / name)
            sync_names(spare.parent)
        except OSError as error:
            raise self._refused("write", name, error) from error
        finally:
            with suppress(OSError):
                spare.unlink(missing_ok=True)
        return is_mine

    def write(self, name: str, data: bytes) -> None:
        """Make or replace a small file."""
        spare = self._spare(name, data)
        try:
            spare.replace(self.folder / name)
            sync_names(spare.parent)
        except OSError as error:
            with suppress(OSError):
                spare.unlink(missing_ok=True)
            raise self._refused("write", name, error) from error

    def remove(self, names: Iterable[str]) -> None:
        """Remove files."""
        for name in names:
            try:
                (self.folder / name).unlink(missing_ok=True)
            except OSError as error:
                raise self._refused("remove", name, error) from error

    def _spare(self, name: str, data: bytes) -> Path:
        """Write a file of its own beside the one that is wanted."""
        final = self.folder / name
        spare = final.with_name(f".{os.urandom(8).hex()}{_SPARE}")
        try:
            final.parent.mkdir(parents=True, exist_ok=True)
            with spare.open("xb") as stream:
                stream.write(data)
                stream.flush()
                os.fsync(stream.fileno())
        except OSError as error:
            with suppress(OSError):
                spare.unlink(missing_ok=True)
            raise self._refused("write", name, error) from error
        return spare

    def _named(self, spare: Path, final: Path) -> bool:
        """Give a whole file its name; false when it is taken."""
        try:
            self._link(spare, final)
        except FileExistsError:
            return False
        except OSError as error:
            if error.errno not in NO_LINKS:
                raise
            return _copied(spare, final)
        return True

    def _entry(self, name: str) -> Entry:
        found = os.stat(f"{self.folder}/{name}")  # noqa: PTH116 - as in `size`
        return Entry(
            name=name,
            bytes=found.st_size,
            modified=datetime.fromtimestamp(found.st_mtime, UTC),
        )

    def _not_listed(self, error: OSError) -> None:
        if error.errno not in _ABSENT:
            raise self._refused("list", str(error.filename), error) from error

    def _refused(self, verb: str, name: str, error: OSError) -> StoreError:
        place = str(self.folder / name)
        return StoreError(f"cannot {verb} {place!r}: {error.strerror or error}")


def sync_names(folder: Path) -> None:
    """Bring a folder's names to the disk, where the system can."""
    with suppress(PermissionError):  # a folder cannot be opened on Windows
        file = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(file)
        finally:
            os.close(file)


def _copied(spare: Path, final: Path) -> bool:
    """Do without links: the name is taken first, and then filled."""
    try:
        with final.open("xb") as stream:
            stream.write(spare.read_bytes())
            stream.flush()
            os.fsync(stream.fileno())
    except FileExistsError:
        return False
    return True

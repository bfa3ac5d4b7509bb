"""Reads images of a run directory, and vouches that they are what was kept.

Existence, size and sha256 are checked in the same reading that an export is made of.
Here are those of a folder, and what `remote` says of an object store's as well.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import stat
import sys
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Protocol

from batcher.errors import BatcherError
from batcher.stores.folder import NO_LINKS

if sys.platform == "linux":
    import fcntl

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator

    from batcher.exports.row import Row

_PIECE = 1 << 20
_FICLONE = 0x40049409  # linux/fs.h, see ioctl_ficlone(2)
_UNLINKABLE = NO_LINKS | {errno.EACCES, errno.EXDEV}  # to another folder, or disk


class UnfitError(BatcherError):
    """An image is not what the ledger says; it is left out, and that is reported."""


class Source(Protocol):
    """The images of a run directory; used by one thread."""

    def ahead(
        self, rows: Iterable[Row], needs: Callable[[Row], bool]
    ) -> Generator[Row]:
        """Walk rows, while the images of the next ones are fetched; close it.

        Args:
            rows: What is exported, in order.
            needs: Tells whether a row's image will be read.

        Raises:
            StoreError: An object store fails.
        """

    def pieces(self, row: Row) -> Iterator[bytes]:
        """Read a row's image.

        Raises:
            UnfitError: It is not what was kept, at the end if need be: use nothing of
                it before.
            StoreError: An object store fails.
        """

    def place(self, target: Path, row: Row, *, is_copy: bool) -> None:
        """Give a row's image a second file, which is not there yet.

        Args:
            target: The file.
            row: What the image is to be.
            is_copy: Not a link, so that neither file changes with the other.

        Raises:
            UnfitError: The image is not what the ledger says. Remove the target.
            OSError: The disk refuses.
            StoreError: An object store fails.
        """

    def base(self, out: Path) -> str:
        """Give the run directory's path or URL, as seen from an export's folder."""

    def address(self, row: Row) -> str:
        """Give an image's absolute path, or its URL."""


class FolderSource:
    """The images of a folder; see `Source`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def ahead(
        self,
        rows: Iterable[Row],
        needs: Callable[[Row], bool],  # noqa: ARG002 - a disk needs no fetching
    ) -> Generator[Row]:
        """Walk rows."""
        yield from rows

    def pieces(self, row: Row) -> Iterator[bytes]:
        """Read a row's image."""
        return pieces(source_of(self._folder, row), row)

    def place(self, target: Path, row: Row, *, is_copy: bool) -> None:
        """Give a row's image a second file: a link, else a clone, else a copy."""
        place(source_of(self._folder, row), target, row, is_copy=is_copy)

    def base(self, out: Path) -> str:
        """Give the folder's path from an export's, so that both can be moved.

        Absolute where no relative path leads, as between two drives.
        """
        folder = self._folder.resolve()
        try:
            return text_from(Path(os.path.relpath(folder, out.resolve())))
        except ValueError:
            return text_from(folder)

    def address(self, row: Row) -> str:
        """Give an image's absolute path."""
        return text_from(source_of(self._folder, row).resolve())


def text_from(path: Path) -> str:
    """Write a path as text, which a file system's name need not be."""
    return path.as_posix().encode(errors="replace").decode()


def source_of(run: Path, row: Row) -> Path:
    """Find a row's image in its run directory; raises `UnfitError`."""
    return run / name_of(row)


def name_of(row: Row) -> PurePosixPath:
    """Give an image's name within its run directory; raises `UnfitError`."""
    path = PurePosixPath(row.path)
    if path.is_absolute() or ".." in path.parts or "\0" in row.path:
        raise UnfitError("leaves the run directory")
    if not row.suffix:
        raise UnfitError("is of a format that is not known")
    return path


def pieces(path: Path, row: Row) -> Iterator[bytes]:
    """Read a file that is to hold a row's image.

    Raises:
        UnfitError: It does not, at the end if need be: use nothing of it before.
    """
    check_size(path, row)
    try:
        with path.open("rb", buffering=0) as stream:
            yield from vouched(iter(lambda: stream.read(_PIECE), b""), row)
    except OSError as error:
        raise UnfitError(error.strerror or "cannot be read") from error


def vouched(found: Iterable[bytes], row: Row) -> Iterator[bytes]:
    """Walk the bytes of a row's image; raises `UnfitError` where they are others."""
    digest = hashlib.sha256()
    for piece in found:
        digest.update(piece)
        yield piece
    if digest.hexdigest() != row.sha256:
        raise UnfitError("holds other bytes")


def check(path: Path, row: Row) -> None:
    """Make sure that a file holds a row's image; raises `UnfitError`."""
    for _ in pieces(path, row):
        pass


def holds(path: Path, row: Row) -> bool:
    """Tell whether a file holds a row's image."""
    try:
        check(path, row)
    except UnfitError:
        return False
    return True


def place(
    source: Path,
    target: Path,
    row: Row,
    *,
    is_copy: bool,
    link: Callable[[Path, Path], None] = os.link,
) -> None:
    """Give a row's image a second file: a link, else a clone, else a copy.

    Args:
        source: The image in its run directory.
        target: The file to make; there is none yet.
        row: What the image is to be.
        is_copy: Not a link, so that neither file changes with the other.
        link: Makes a hard link.

    Raises:
        UnfitError: The image is not what the ledger says. Remove the target.
        OSError: The disk refuses.
    """
    check_size(source, row)
    # A link to a symbolic link would be one, and lead elsewhere from its new place.
    if (not is_copy and _linked(source.resolve(), target, link)) or _cloned(
        source, target
    ):
        check(target, row)
        return
    with target.open("wb") as stream:
        stream.writelines(pieces(source, row))


def check_size(path: Path, row: Row) -> None:
    """Make sure that there is a file of the right size; raises `UnfitError`."""
    try:
        found = path.stat()
    except FileNotFoundError:
        raise UnfitError("is missing") from None
    except OSError as error:
        raise UnfitError(error.strerror or "cannot be read") from error
    if not stat.S_ISREG(found.st_mode):
        raise UnfitError("is no file")
    if found.st_size != row.bytes:
        raise other_size(found.st_size, row)


def other_size(size: int, row: Row) -> UnfitError:
    """Say that an image has another size than was kept."""
    return UnfitError(f"has {size:,} bytes instead of {row.bytes:,}")


def _linked(source: Path, target: Path, link: Callable[[Path, Path], None]) -> bool:
    try:
        link(source, target)
    except OSError as error:
        if error.errno not in _UNLINKABLE:
            raise
        return False
    return True


def _cloned(source: Path, target: Path) -> bool:
    """Let both files share their blocks until one is changed, where that can be."""
    if sys.platform != "linux":
        return False
    with contextlib.suppress(OSError), source.open("rb") as old:
        with target.open("wb") as new:
            fcntl.ioctl(new.fileno(), _FICLONE, old.fileno())
        return True
    return False

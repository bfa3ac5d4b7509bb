"""What lies where in a run directory: its ledger, its images, the program's own files.

Works alike on a folder and on an object store, which is asked once for all there is
instead of once for each image.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from batcher.errors import UsageError
from batcher.ledger import FILE_NAME, FOLDER
from batcher.ledger.merge import listed
from batcher.stores import LocalDirectory

if TYPE_CHECKING:
    from batcher.stores import Directory

MADE = frozenset({"report", "export", "exports"})
"""Folders that hold what was made from the images."""

SHARED = frozenset({FOLDER, "fleet", "purse", "shards"})
"""Folders through which workers work together; an image there is somebody's own."""


def is_own(name: str, *, is_image: bool) -> bool:
    """Tell whether a file is the program's own, or hidden: nobody's image.

    Args:
        name: Relative to the run directory, `/`-separated.
        is_image: It is named as images are.
    """
    if name[0] == "." or "/." in name:
        return True
    top, slash, _ = name.partition("/")
    if not slash:
        return name.startswith(FILE_NAME)
    return top in MADE or (top in SHARED and not is_image)


def check_ledger(directory: Directory) -> None:
    """Make sure that a run directory holds a ledger.

    Raises:
        UsageError: It holds none.
        StoreError: It cannot be read.
    """
    if directory.size(FILE_NAME) is not None:
        return
    if not listed(directory):
        raise UsageError(f"there is no {FILE_NAME} in {str(directory)!r}")


def title_of(directory: Directory) -> str:
    """Give a run directory's own name, without the way to it."""
    if isinstance(directory, LocalDirectory):
        return directory.folder.resolve().name
    return str(directory).rpartition("/")[2]


def place_for(directory: Directory, kind: str) -> Path:
    """Say where what is made from a run directory goes, unless the user says it.

    Into the folder; for an object store into this folder, beside each other.

    Args:
        directory: The run directory.
        kind: One of `MADE`.
    """
    if isinstance(directory, LocalDirectory):
        return directory.folder / kind
    return Path(f"{kind}-{title_of(directory)}")


def check_place(directory: Directory, out: Path, kind: str) -> None:
    """Keep what is made from a run directory from standing among its images.

    Args:
        directory: The run directory.
        out: Where the user wants it.
        kind: One of `MADE`.

    Raises:
        UsageError: It would.
    """
    if not isinstance(directory, LocalDirectory):
        return
    run, place = directory.folder.resolve(), out.resolve()
    if run in place.parents and place.relative_to(run).parts[0] not in MADE:
        words = f"within the run directory it belongs into its folder {kind!r}"
        raise UsageError(f"--out: {words}, got {str(out)!r}")


class Inventory:
    """The sizes of a run directory's files; threads may share it.

    A folder is asked for each file. An object store is asked once for all of them,
    and again for one that came later.

    Args:
        directory: The run directory.

    Attributes:
        directory: The same.
        listed: Sizes by name; None for a folder.

    Raises:
        StoreError: It cannot be listed.
    """

    def __init__(self, directory: Directory) -> None:
        self.directory = directory
        self.listed: dict[str, int] | None = None
        if not isinstance(directory, LocalDirectory):
            self.listed = {each.name: each.bytes for each in directory.entries()}

    def size(self, name: str) -> int | None:
        """Give a file's size; None when there is none. Raises `StoreError`."""
        size = None if self.listed is None else self.listed.get(name)
        return self.directory.size(name) if size is None else size

"""Finds, and on demand deletes, files that the ledger does not name."""

from __future__ import annotations

import os
import re
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from batcher.errors import StoreError
from batcher.images import SUFFIX
from batcher.layout import MADE, is_own
from batcher.ledger import FILE_NAME, FOLDER, kept_paths
from batcher.ledger.merge import has_segments
from batcher.manifest.output import collision_key
from batcher.stores import LocalDirectory
from batcher.verify.finding import Finding, Mark

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from batcher.layout import Inventory
    from batcher.stores import Directory

_ENDINGS = tuple(SUFFIX.values())
_INNER_LEDGER = re.compile(
    rf"(.+)/(?:{re.escape(FILE_NAME)}|{FOLDER}/[^/]+/\d{{8,}}-\d{{8,}}\.jsonl)"
)


def find_orphans(files: Inventory) -> Iterator[Finding]:
    """Find files that no result line names, the program's own left out.

    Hidden files, reports, exports and other run directories within are not looked at.

    Args:
        files: Of the run directory; listed before the ledger is read, so that what is
            kept meanwhile is no orphan.

    Raises:
        StoreError: The ledger cannot be read.
    """
    directory = files.directory
    unreadable: list[OSError] = []
    if isinstance(directory, LocalDirectory):
        names = _walked(directory.folder, unreadable)
    else:
        names = _listed(files.listed or {})
    # Folded, because a file system may give a name in another form than it was given.
    known = frozenset(map(collision_key, kept_paths(directory)))
    for name in names:
        is_known = collision_key(name) in known
        if not is_known and not is_own(name, is_image=name.endswith(_ENDINGS)):
            yield Finding(mark=Mark.ORPHAN, path=name)
    for error in unreadable:
        path = os.path.relpath(error.filename, str(directory))
        words = error.strerror or "cannot be read"
        yield Finding(mark=Mark.UNREADABLE, path=Path(path).as_posix(), message=words)


def delete_orphans(directory: Directory, findings: Iterable[Finding]) -> int:
    """Delete orphans that are named as images are; others may be the user's own.

    Returns:
        How many were deleted.

    Raises:
        StoreError: The disk or the object store refuses.
    """
    doomed = [
        finding.path
        for finding in findings
        if finding.mark is Mark.ORPHAN and finding.path.endswith(_ENDINGS)
    ]
    if not isinstance(directory, LocalDirectory):
        directory.remove(doomed)
        return len(doomed)
    for path in doomed:
        try:
            (directory.folder / path).unlink()
        except OSError as error:
            words = f"cannot delete {path!r}: {error.strerror}"
            raise StoreError(words) from error
    return len(doomed)


def _walked(folder: Path, unreadable: list[OSError]) -> Iterator[str]:
    """Walk the names in a folder, those of each in order, then those below it."""
    for place, folders, files in os.walk(folder, onerror=unreadable.append):
        inner = Path(place).relative_to(folder)
        is_top = not inner.parts
        if not is_top and _is_run(place, folders, files):
            folders.clear()
            continue
        made = MADE if is_top else frozenset()
        folders[:] = sorted(f for f in folders if f not in made and f[0] != ".")
        yield from ((inner / name).as_posix() for name in sorted(files))


def _is_run(place: str, folders: list[str], files: list[str]) -> bool:
    """Tell whether a folder is another run directory."""
    if FILE_NAME in files:
        return True
    return FOLDER in folders and has_segments(LocalDirectory(place))


def _listed(names: Iterable[str]) -> Iterator[str]:
    """Walk names in the order of a folder's, those of inner run directories left out.

    An object store lists them by their bytes, a folder's own after those below it.
    """
    inner = {m[1] for name in names if (m := _INNER_LEDGER.fullmatch(name))}
    for name in sorted(names, key=_place):
        folders = PurePosixPath(name).parents if inner else ()
        if inner.isdisjoint(map(str, folders)):
            yield name


def _place(name: str) -> list[tuple[bool, str]]:
    """Sort files before folders, as they are walked."""
    *folders, file = name.split("/")
    return [*((True, folder) for folder in folders), (False, file)]

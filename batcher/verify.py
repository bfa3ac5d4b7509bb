"""Checks the files of a run directory against what its ledger says.

Reads, and on demand puts requests back, or removes what nothing names. Knows nothing of
how it is shown.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from enum import StrEnum
from functools import partial
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import msgspec

from batcher.errors import StoreError
from batcher.images import SUFFIX, Defect, Inspector
from batcher.ledger import FILE_NAME, LedgerWriter, kept_paths
from batcher.ledger.event import ErrorRecord, Retry, now
from batcher.manifest.output import collision_key
from batcher.models import ErrorClass

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from concurrent.futures import Future

    from batcher.ledger import Reading
    from batcher.models import Image
    from batcher.record import Record

THREADS = 8
"""Files read at once; hashing and checksums run beside each other in threads."""

FOLDERS = frozenset({"report", "export", "exports"})
"""Folders of a run directory that hold what was made from its images."""

_PIECE = 1 << 20


class Mark(StrEnum):
    """What a check found, in the symbols of `rclone check`."""

    MATCH = "="
    CORRUPT = "!"
    MISSING = "-"
    ORPHAN = "+"
    UNREADABLE = "?"


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """What was found of one file.

    Attributes:
        mark: What it is.
        path: Relative to the run directory, `/`-separated.
        id: The request that the ledger says it is of.
        message: What is wrong with it.
    """

    mark: Mark
    path: str
    id: str | None = None
    message: str = ""


def check_images(
    folder: Path, records: Iterable[Record], *, is_deep: bool = False
) -> Iterator[Finding]:
    """Check the images of results that still stand, in the ledger's order.

    Args:
        folder: The run directory.
        records: What the ledger says.
        is_deep: Read every file, check its sha256 and its structure; otherwise only
            look for it and its size.
    """
    kept = (
        (record.id, image)
        for record in records
        if record.result is not None and record.result.status == record.status
        for image in record.result.images
    )
    if not is_deep:
        yield from (_check(folder, id_, image) for id_, image in kept)
        return
    with ThreadPoolExecutor(THREADS, thread_name_prefix="verify") as pool:
        running: deque[Future[Finding]] = deque()
        for id_, image in kept:
            running.append(pool.submit(_check, folder, id_, image, is_deep=True))
            if len(running) > 2 * THREADS:
                yield running.popleft().result()
        while running:
            yield running.popleft().result()


def find_orphans(folder: Path) -> Iterator[Finding]:
    """Find files that no result line names, the program's own left out.

    Hidden files, reports, exports and other run directories within are not looked at.
    """
    # Folded, because a file system may give a name in another form than it was given.
    known = frozenset(map(collision_key, kept_paths(folder)))
    unreadable: list[OSError] = []
    for place, folders, files in os.walk(folder, onerror=unreadable.append):
        inner = Path(place).relative_to(folder)
        is_top = not inner.parts
        if FILE_NAME in files and not is_top:
            folders.clear()
            continue
        own = FOLDERS if is_top else frozenset()
        folders[:] = sorted(f for f in folders if f not in own and f[0] != ".")
        for name in sorted(files):
            path = (inner / name).as_posix()
            is_own = name[0] == "." or (is_top and name.startswith(FILE_NAME))
            if not is_own and collision_key(path) not in known:
                yield Finding(mark=Mark.ORPHAN, path=path)
    for error in unreadable:
        path = Path(error.filename).relative_to(folder).as_posix()
        words = error.strerror or "cannot be read"
        yield Finding(mark=Mark.UNREADABLE, path=path, message=words)


def put_back(folder: Path, reading: Reading, findings: Iterable[Finding]) -> int:
    """Let the requests of corrupt and missing images stand as pending again.

    A corrupt file gets `~corrupt` into its name first. The caller holds the lock.

    Args:
        folder: The run directory.
        reading: What was read of its ledger since the lock was taken.
        findings: What was found.

    Returns:
        How many requests the next run makes, and pays for, again.

    Raises:
        StoreError: The disk refuses.
    """
    bad: dict[str, Finding] = {}
    for finding in findings:
        if finding.id is not None and finding.mark in _BAD:
            bad.setdefault(finding.id, finding)
            if finding.mark is Mark.CORRUPT:
                _set_aside(folder / finding.path)
    writer = LedgerWriter(folder, reading.standings, expected_size=reading.size)
    try:
        for id_, finding in bad.items():
            writer.append(_retry(id_, reading, _BAD[finding.mark]))
    finally:
        writer.close()
    return len(bad)


def delete_orphans(folder: Path, findings: Iterable[Finding]) -> int:
    """Delete orphans that are named as images are; others may be the user's own.

    Returns:
        How many were deleted.

    Raises:
        StoreError: The disk refuses.
    """
    endings = frozenset(SUFFIX.values())
    deleted = 0
    for finding in findings:
        if (
            finding.mark is Mark.ORPHAN
            and PurePosixPath(finding.path).suffix in endings
        ):
            try:
                (folder / finding.path).unlink()
            except OSError as error:
                words = f"cannot delete {finding.path!r}: {error.strerror}"
                raise StoreError(words) from error
            deleted += 1
    return deleted


_BAD = {Mark.CORRUPT: "corrupt", Mark.MISSING: "missing"}


def _check(folder: Path, id_: str, image: Image, *, is_deep: bool = False) -> Finding:
    found = partial(Finding, path=image.path, id=id_)
    path = PurePosixPath(image.path)
    if path.is_absolute() or ".." in path.parts:
        return found(mark=Mark.UNREADABLE, message="leaves the run directory")
    try:
        defect = _defect(folder / path, image, is_deep=is_deep)
    except FileNotFoundError:
        return found(mark=Mark.MISSING)
    except (OSError, ValueError) as error:
        words = getattr(error, "strerror", None) or "cannot be read"
        return found(mark=Mark.UNREADABLE, message=words)
    return found(mark=Mark.CORRUPT if defect else Mark.MATCH, message=defect)


def _defect(path: Path, image: Image, *, is_deep: bool) -> str:
    """Say what is wrong with a file, nothing when it is as it was kept."""
    found = path.stat()
    if not stat.S_ISREG(found.st_mode):
        raise OSError(0, "is no file")
    if found.st_size != image.bytes:
        return f"has {found.st_size:,} bytes instead of {image.bytes:,}"
    if not is_deep:
        return ""
    digest, inspector = hashlib.sha256(), Inspector()
    with path.open("rb", buffering=0) as stream:
        while piece := stream.read(_PIECE):
            digest.update(piece)
            inspector.feed(piece)
    verdict = inspector.finish()
    if isinstance(verdict, Defect):
        return verdict.message
    return "" if digest.hexdigest() == image.sha256 else "holds other bytes"


def _set_aside(path: Path) -> None:
    """Rename a file; an earlier one of that name stays."""
    number = 1
    while True:
        tail = f"~corrupt{number}" if number > 1 else "~corrupt"
        aside = path.with_name(f"{path.stem}{tail}{path.suffix}")
        if not os.path.lexists(aside):
            break
        number += 1
    try:
        path.rename(aside)
    except OSError as error:
        words = f"cannot rename {str(path)!r}: {error.strerror}"
        raise StoreError(words) from error


def _retry(id_: str, reading: Reading, message: str) -> Retry:
    standing = reading.standings.get(id_)
    return Retry(
        at=now(),
        id=id_,
        attempt=standing.attempts if standing else 0,
        error=ErrorRecord(error_class=ErrorClass.BAD_REPLY.value, message=message),
        maybe_billed=False,
        delay=0.0,
    )

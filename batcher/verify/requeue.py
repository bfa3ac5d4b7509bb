"""Lets requests whose images were lost or spoilt stand as pending again."""

from __future__ import annotations

import os
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from batcher.errors import StoreError
from batcher.ledger import LedgerWriter, writer_name
from batcher.ledger.event import Retry, now
from batcher.ledger.merge import has_segments
from batcher.stores import LocalDirectory
from batcher.verify.finding import Mark

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from batcher.ledger import Ledger, Reading
    from batcher.stores import Directory
    from batcher.verify.finding import Finding


def put_back(
    directory: Directory, reading: Reading, findings: Iterable[Finding]
) -> int:
    """Let the requests of corrupt and missing images stand as pending again.

    A corrupt file gets `~corrupt` into its name first. The caller holds the folder's
    lock, and has made sure that no worker is at work.

    Where a forced attempt was interrupted, no line is written, which would end that
    attempt as not billed: the next run sees that the file is gone, looks for the
    attempt's image, and only then sends the request again.

    Args:
        directory: The run directory.
        reading: What was read of its ledger since then.
        findings: What was found.

    Returns:
        How many requests the next run makes, and pays for, again.

    Raises:
        StoreError: The disk or the object store refuses.
    """
    bad: dict[str, Finding] = {}
    for finding in findings:
        if finding.id is not None and finding.mark in _BAD:
            bad.setdefault(finding.id, finding)
            if finding.mark is Mark.CORRUPT:
                _set_aside(directory, finding.path)
    writer = _open_ledger(directory, reading)
    try:
        for id_, finding in bad.items():
            standing = reading.standings.get(id_)
            if standing is None or standing.open_usd is None:
                attempt = standing.attempts if standing else 0
                writer.append(Retry.put_back(id_, attempt, _BAD[finding.mark]))
    finally:
        writer.close()
    return len(bad)


_BAD = {Mark.CORRUPT: "corrupt", Mark.MISSING: "missing"}


def _open_ledger(directory: Directory, reading: Reading) -> Ledger:
    """Open the ledger to append to; in segments where it is in segments."""
    if isinstance(directory, LocalDirectory) and not has_segments(directory):
        return LedgerWriter(
            directory.folder, reading.standings, expected_size=reading.size
        )
    from batcher.ledger.segment_writer import (  # noqa: PLC0415 - folders do without
        SegmentWriter,
    )

    # No shard: it is nobody's work, and shows as nobody's in `status`.
    after = reading.writers[-1] if reading.writers else ""
    name = writer_name(now(), shard=0, shards=0, epoch=0, after=after)
    return SegmentWriter(directory, name, reading.standings)


def _set_aside(directory: Directory, name: str) -> None:
    """Rename a file; an earlier one of that name stays."""
    if isinstance(directory, LocalDirectory):
        _rename(directory.folder / name)
        return
    data = directory.read(name)
    if data is not None:
        asides = _asides(PurePosixPath(name))
        next(aside for aside in asides if directory.create(aside, data))
        directory.remove([name])


def _rename(path: Path) -> None:
    asides = map(path.with_name, _asides(PurePosixPath(path.name)))
    aside = next(each for each in asides if not os.path.lexists(each))
    try:
        path.rename(aside)
    except OSError as error:
        words = f"cannot rename {str(path)!r}: {error.strerror}"
        raise StoreError(words) from error


def _asides(path: PurePosixPath) -> Iterator[str]:
    """Give the names to try in turn."""
    number = 1
    while True:
        tail = f"~corrupt{number}" if number > 1 else "~corrupt"
        yield str(path.with_name(f"{path.stem}{tail}{path.suffix}"))
        number += 1

"""`batcher verify`: are the images still what was kept?"""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack
from datetime import UTC, datetime
from itertools import chain
from typing import TYPE_CHECKING

import msgspec

from batcher.cli.encode import print_json
from batcher.cli.folder import check_idle, open_run, read_run
from batcher.cli.options import add_where, warn_of_none
from batcher.cli.table import safe
from batcher.errors import UsageError
from batcher.layout import Inventory
from batcher.ledger import lock_folder
from batcher.marks import read_where
from batcher.plural import counted
from batcher.record import read_records
from batcher.stores import LocalDirectory
from batcher.verify import Mark, check_images, delete_orphans, find_orphans, put_back

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from batcher.ledger import Reading
    from batcher.marks import Where
    from batcher.record import Record
    from batcher.stores import Directory
    from batcher.verify import Finding


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.add_argument("folder", metavar="DIR")
    parser.add_argument("--deep", action="store_true", help="read and hash every file")
    add_where(parser, "only images of these requests, no orphans")
    parser.add_argument("--all", action="store_true", help="print what matches, too")
    parser.add_argument("--json", action="store_true", help="counts and findings")
    parser.add_argument(
        "--requeue",
        action="store_true",
        help="let the next run make corrupt and missing images again",
    )
    parser.add_argument(
        "--delete-orphans",
        action="store_true",
        help="delete image files that the ledger does not name",
    )


def execute(parsed: argparse.Namespace) -> int:
    """Check, print what was found, then do what was asked; 1 if anything was found."""
    directory = open_run(parsed.folder)
    where = read_where(parsed.where, parsed.marks)
    with ExitStack() as resources:
        if parsed.requeue or parsed.delete_orphans:
            _claim(directory, resources)
        files = Inventory(directory)
        reading = read_run(directory)
        _check_deletion(parsed, reading, where)
        counts: Counter[Mark] = Counter()
        shown: list[Finding] = []
        for finding in _findings(files, reading, where, is_deep=parsed.deep):
            counts[finding.mark] += 1
            if finding.mark is not Mark.MATCH or parsed.all:
                shown.append(finding)
                if not parsed.json:
                    print(_line(finding))
        done = {}
        if parsed.requeue:
            done["requeued"] = put_back(directory, reading, shown)
        if parsed.delete_orphans:
            done["deleted"] = delete_orphans(directory, shown)
    _conclude(counts, done, shown if parsed.json else None)
    return int(counts.total() > counts[Mark.MATCH])


def _claim(directory: Directory, resources: ExitStack) -> None:
    """Make sure that nobody else writes there; raises `UsageError`."""
    if isinstance(directory, LocalDirectory):
        resources.callback(lock_folder(directory.folder).release)
    check_idle(directory)


def _check_deletion(
    parsed: argparse.Namespace, reading: Reading, where: Where | None
) -> None:
    """Refuse to delete where an orphan cannot be told; raises `UsageError`."""
    if parsed.delete_orphans and where is not None:
        words = "looks at all files; leave --where and --marks out"
        raise UsageError(f"--delete-orphans {words}")
    if parsed.delete_orphans and reading.damaged:
        raise UsageError(
            "a damaged line of the ledger may name what looks like an orphan;"
            " look yourself before you delete"
        )


def _findings(
    files: Inventory, reading: Reading, where: Where | None, *, is_deep: bool
) -> Iterator[Finding]:
    records = read_records(files.directory, reading.standings)
    if where is not None:
        records = _selected(records, where)
    images = check_images(files, records, is_deep=is_deep)
    return images if where is not None else chain(images, find_orphans(files))


def _selected(records: Iterator[Record], where: Where) -> Iterator[Record]:
    now = datetime.now(UTC)
    is_none = True
    for record in records:
        if where.matches(record.fields(now)):
            is_none = False
            yield record
    if is_none:
        warn_of_none()


def _line(finding: Finding) -> str:
    words = f"  {safe(finding.message)}" if finding.message else ""
    return f"{finding.mark} {safe(finding.path)}{words}"


def _conclude(
    counts: Counter[Mark], done: dict[str, int], findings: list[Finding] | None
) -> None:
    numbers = {mark.name.lower(): counts[mark] for mark in Mark}
    if findings is not None:
        print_json({**numbers, **done, "findings": [*map(_encodable, findings)]})
        return
    words = (f"{mark} {counts[mark]:,} {mark.name.lower()}" for mark in Mark)
    print("   ".join(words))
    if "requeued" in done:
        back = counted(done["requeued"], "request")
        print(f"{back} put back, to be bought again by the next run")
    if "deleted" in done:
        print(f"{counted(done['deleted'], 'orphan')} deleted")


def _encodable(finding: Finding) -> Finding:
    """Replace in a file's name what is no UTF-8."""
    path = finding.path.encode(errors="replace").decode()
    return msgspec.structs.replace(finding, path=path)

"""Reads the marks that the report's page saves: a CSV of id, name, mark."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

import msgspec

from batcher.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

PICK = "pick"
REJECT = "reject"


class Marks(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody picked and rejected, by request id."""

    picked: frozenset[str] = frozenset()
    rejected: frozenset[str] = frozenset()

    def allows(self, id_: str) -> bool:
        """Tell whether a request is wanted.

        Where anything was picked, what was picked; else what was not rejected.
        """
        return id_ in self.picked if self.picked else id_ not in self.rejected


def read_marks(path: Path) -> Marks:
    """Read a file of marks.

    Raises:
        UsageError: It cannot be read, or is no such file.
    """
    try:
        # A spreadsheet that saved it again may have put a byte order mark first.
        with path.open(encoding="utf-8-sig", newline="") as stream:
            return parse_marks(stream, str(path))
    except OSError as error:
        raise UsageError(f"cannot read {str(path)!r}: {error.strerror}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"{str(path)!r} is no CSV in UTF-8: {error}") from error


def parse_marks(lines: Iterable[str], file: str) -> Marks:
    """Read the lines of a file of marks; raises `UsageError`."""
    reader = csv.DictReader(lines)
    if not {"id", "mark"} <= set(reader.fieldnames or ()):
        words = "expected the columns id and mark, as the report's page saves them"
        raise UsageError(f"{file}: {words}")
    marked: dict[str, set[str]] = {PICK: set(), REJECT: set()}
    for row in reader:
        mark, id_ = (row["mark"] or "").strip(), (row["id"] or "").strip()
        if mark not in marked:
            words = f"expected the mark 'pick' or 'reject', got {mark!r}"
            raise UsageError(f"{file}:{reader.line_num}: {words}")
        marked[mark].add(id_)
    return Marks(picked=frozenset(marked[PICK]), rejected=frozenset(marked[REJECT]))

"""Reads which requests are meant: what `--where` says, and a file of marks.

Marks are what somebody picked and rejected on the report's page, which saves them as a
CSV of id, name, mark. They give the selection language one more field, `mark`.
"""

from __future__ import annotations

import csv
import re
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from batcher.errors import UsageError
from batcher.manifest.rows import separator
from batcher.where import MARKS, And, Comparison, Expression, Operator, parse

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

FIELD = "mark"
SELECTS_NONE = "selects none of the requests; look at its fields and values"
PICK, REJECT = MARKS

_is_file = re.compile(r"(?:@.+|[^=<>~]+)\.csv", re.IGNORECASE).fullmatch


class Marks(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody picked and rejected, by request id."""

    picked: frozenset[str] = frozenset()
    rejected: frozenset[str] = frozenset()

    def of(self, id_: object) -> str | None:
        """Give the mark of a request; None for one without."""
        if id_ in self.picked:
            return PICK
        return REJECT if id_ in self.rejected else None

    @property
    def wanted(self) -> Expression:
        """Select what was picked; where nothing was, what was not rejected."""
        if self.picked:
            return Comparison(field=FIELD, operator=Operator.IS, value=PICK)
        return Comparison(field=FIELD, operator=Operator.IS_NOT, value=REJECT)


class Where(msgspec.Struct, frozen=True, kw_only=True):
    """Which requests are meant.

    Attributes:
        expression: Selects them.
        marks: What `mark` is of each; None when no file was given.
    """

    expression: Expression
    marks: Marks | None = None

    def fields(self, record: Mapping[str, object]) -> Mapping[str, object]:
        """Give a request's fields and, where marks were given, its mark."""
        if self.marks is None:
            return record
        return {**record, FIELD: self.marks.of(record.get("id"))}

    def matches(self, record: Mapping[str, object]) -> bool:
        """Tell whether a request is meant; never raises.

        Args:
            record: Its fields by name, see `batcher.record`.
        """
        return self.expression.matches(self.fields(record))


def read_where(where: str | None, marks: str | Path | None = None) -> Where | None:
    """Read a selection.

    Marks without a word about `mark` mean those that are wanted, see `Marks.wanted`.

    Args:
        where: An expression, or the name of a file of marks, which ends in `.csv`; an
            `@` may stand before it, and must where it holds one of `=<>~`.
        marks: A file of marks.

    Returns:
        The selection; None when nothing was given, which means every request.

    Raises:
        UsageError: The expression or the file cannot be read, or do not go together.
    """
    file = None if where is None else _is_file(where.strip())
    if file is not None:
        if marks is not None:
            words = f"{where!r} is a file of marks, and so is that of --marks"
            raise UsageError(f"--where: {words}; leave one out")
        where, marks = None, file[0].removeprefix("@")
    expression = None if where is None else parse(where)
    if marks is None:
        _check_unmarked(expression)
        return None if expression is None else Where(expression=expression)
    found = read_marks(Path(marks))
    if expression is None:
        expression = found.wanted
    elif not expression.reads(FIELD):
        expression = And(parts=(found.wanted, expression))
    return Where(expression=expression, marks=found)


def _check_unmarked(expression: Expression | None) -> None:
    """Refuse to read marks that were not given: none would be rejected, or picked."""
    if expression is not None and expression.reads(FIELD):
        words = "mark needs --marks FILE.csv, which the report's page saves"
        raise UsageError(f"--where: {words}; a variable of that name is vars.mark")


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
    except UnicodeDecodeError as error:
        raise UsageError(f"{str(path)!r} is no CSV in UTF-8: {error}") from error


def parse_marks(lines: Iterable[str], file: str) -> Marks:
    """Read the lines of a file of marks; raises `UsageError`."""
    rest = iter(lines)
    first = next(rest, "")
    reader = csv.DictReader(chain([first], rest), delimiter=separator(first))
    marked: dict[str, set[str]] = {mark: set() for mark in MARKS}
    try:
        missing = {"id", "mark"} - set(reader.fieldnames or ())
        if missing:
            words = "expected the columns id and mark, as the report's page saves them"
            raise UsageError(
                f"{file}:1: {words}; no {' and no '.join(sorted(missing))}"
            )
        for row in reader:
            mark, id_ = (row["mark"] or "").strip(), (row["id"] or "").strip()
            if mark not in marked:
                words = f"mark: expected {PICK!r} or {REJECT!r}, got {mark!r}"
                raise UsageError(f"{file}:{reader.line_num}: {words}")
            marked[mark].add(id_)
    except csv.Error as error:
        raise UsageError(f"{file}:{reader.line_num + 1}: no CSV: {error}") from error
    return Marks(picked=frozenset(marked[PICK]), rejected=frozenset(marked[REJECT]))

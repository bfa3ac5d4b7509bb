"""`batcher list`: the requests of a run directory, selected."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from batcher.cli.encode import print_json
from batcher.cli.field import FieldCheck
from batcher.cli.folder import open_run, read_run
from batcher.cli.options import add_where, warn_of_none
from batcher.cli.table import cell, screen_width, table_lines
from batcher.errors import UsageError
from batcher.marks import read_where
from batcher.record import read_records
from batcher.where import number_of, value_of

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Iterator, Mapping

    from batcher.marks import Where
    from batcher.record import Record

    Row = tuple[Record, Mapping[str, object]]

COLUMNS = ("id", "status", "name", "attempts", "cost", "class", "path")
SHORT_ID = 8
"""Characters of an id in a table; `show` takes as many when they are unique."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.add_argument("folder", metavar="DIR")
    words = "such as 'status=failed and class=server', 'city=Tokyo', 'since=2h'"
    add_where(parser, words)
    parser.add_argument("--json", action="store_true", help="result lines, as JSON")
    parser.add_argument("--fields", metavar="A,B,C", help="only these, in this order")
    parser.add_argument(
        "--sort", metavar="FIELD", help="smallest first; --sort=-FIELD: largest first"
    )


def execute(parsed: argparse.Namespace) -> int:
    """Print as it is read; only `--sort` holds what was selected."""
    fields = _fields(parsed.fields)
    where = read_where(parsed.where, parsed.marks)
    asked = dict.fromkeys(fields, "--fields")
    if parsed.sort:
        asked[parsed.sort.removeprefix("-")] = "--sort"
    check = FieldCheck(asked)
    rows = _rows(parsed.folder, where, check)
    if parsed.sort:
        rows = _sorted(rows, parsed.sort)
    _print(rows, fields, as_json=parsed.json)
    for words in check.warnings():
        print(f"warning: {words}", file=sys.stderr)
    return 0


def _print(rows: Iterator[Row], fields: tuple[str, ...], *, as_json: bool) -> None:
    if as_json:
        for record, known in rows:
            print_json(_chosen(known, fields) if fields else record.line())
        return
    cells = (_cells(known, fields) for _, known in rows)
    for line in table_lines([*map(cell, fields or COLUMNS)], cells, screen_width()):
        print(line)


def _rows(place: str, where: Where | None, check: FieldCheck) -> Iterator[Row]:
    directory = open_run(place)
    standings = read_run(directory, is_looking=True).standings
    now = datetime.now(UTC)
    is_none = True
    for record in read_records(directory, standings):
        known = record.fields(now)
        if where is not None and not where.matches(known):
            continue
        fields = known if where is None else where.fields(known)
        is_none = False
        check.look(fields)
        yield record, fields
    if where is not None and is_none:
        warn_of_none()


def _fields(text: str | None) -> tuple[str, ...]:
    if text is None:
        return ()
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    if not names:
        raise UsageError(f"--fields: expected names with commas, got {text!r}")
    return names


def _chosen(known: Mapping[str, object], fields: Iterable[str]) -> dict[str, object]:
    return {name: value_of(known, name) for name in fields}


def _cells(known: Mapping[str, object], fields: tuple[str, ...]) -> list[str]:
    cells = [cell(value) for value in _chosen(known, fields or COLUMNS).values()]
    if not fields:
        cells[0] = cells[0][:SHORT_ID]
    return cells


def _sorted(rows: Iterable[Row], text: str) -> Iterator[Row]:
    """Sort by a field, numbers before words; what lacks it comes last."""
    field = text.removeprefix("-")
    known, missing = [], []
    for row in rows:
        value = value_of(row[1], field)
        if value is None or value == ():
            missing.append(row)
        else:
            known.append((_key(value), row))
    known.sort(key=lambda pair: pair[0], reverse=text.startswith("-"))
    yield from (row for _, row in known)
    yield from missing


def _key(value: object) -> tuple[bool, Decimal, str]:
    first = value[0] if isinstance(value, tuple) else value
    number = number_of(first)
    return number is None, number or Decimal(0), cell(first)

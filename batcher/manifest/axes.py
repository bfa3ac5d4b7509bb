"""Reads the axes of a matrix: lists, ranges, word files, CSV columns, `zip` groups.

A file that gives words to prompts must lie in the manifest's own folder, so that a
manifest from elsewhere cannot read the rest of a disk into requests.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from batcher.manifest.document import Node
from batcher.manifest.field import shown, suggestion
from batcher.manifest.matrix import (
    MOST_COMBINATIONS,
    Axis,
    Matrix,
    TooLargeError,
)
from batcher.manifest.rows import RowsError, Table, read_words
from batcher.manifest.template import NO_NAME, is_name

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from batcher.manifest.pattern import Report

MOST_AXES = 50


def inside(folder: Path, text: object) -> Path:
    """Find a file in the manifest's folder; raises `RowsError`."""
    if not isinstance(text, str) or not text.strip():
        raise RowsError(f"expected a file's path, got {shown(text)}")
    path = folder / text
    try:
        is_inside = path.resolve().is_relative_to(folder.resolve())
        is_file = path.is_file()
    except (OSError, RuntimeError, ValueError) as error:
        raise RowsError(f"{shown(text)} is no path: {error}") from error
    if not is_inside:
        raise RowsError(f"{shown(text)} lies outside the manifest's folder; copy it in")
    if not is_file:
        raise RowsError(f"there is no file {shown(text)} beside the manifest")
    return path


def has_matrix(entry: Mapping[str, Node]) -> bool:
    """Tell whether an entry has combinations, by axes or by `include` alone."""
    include = entry.get("include")
    return "matrix" in entry or (include is not None and bool(include.value))


def names(entry: Mapping[str, Node]) -> frozenset[str]:
    """List the variables that the axes and `include` define, right or wrong."""
    found = (
        {name for name, _ in entry["matrix"].items()} if "matrix" in entry else set()
    )
    include = entry.get("include")
    for child in include.value if include and isinstance(include.value, list) else ():
        found |= {name for name, _ in child.items()}
    return frozenset(found)


def read_matrix(
    entry: Mapping[str, Node], folder: Path, report: Report
) -> Matrix | None:
    """Read `matrix`, `zip`, `exclude` and `include`; None when any of it is wrong."""
    mistakes = 0

    def add(line: int, field: str, message: str) -> None:
        nonlocal mistakes
        mistakes += 1
        report(line, field, message)

    node = entry.get("matrix") or Node({}, 1)
    named = node.value if isinstance(node.value, dict) else {}
    if "matrix" in entry and not 0 < len(named) <= MOST_AXES:
        most = f"expected 1 to {MOST_AXES} names, each with its values"
        add(node.line, "matrix", most)
        return None
    values = {name: _values(name, axis, folder, add) for name, axis in named.items()}
    axes = _zipped(entry.get("zip"), values, add)
    exclude = _combinations("exclude", entry.get("exclude"), add)
    include = _combinations("include", entry.get("include"), add)
    for wanted, line in exclude:
        for name in sorted(wanted.keys() - values.keys()):
            hint = suggestion(name, values)
            add(line, "exclude", f"{name!r} is no axis of matrix{hint}")
    for name, line in ((name, line) for added, line in include for name in added):
        _check_name(name, line, "include", add)
    if mistakes:
        return None
    try:
        matrix = Matrix(axes, [w for w, _ in exclude], [w for w, _ in include])
    except TooLargeError as error:
        add(node.line, "matrix", str(error))
        return None
    if named and not len(matrix):
        add(node.line, "exclude", "leaves no combination")
    return None if mistakes else matrix


def _check_name(name: str, line: int, field: str, report: Report) -> None:
    if not is_name(name):
        report(line, field, f"{shown(name)} {NO_NAME}")


def _values(name: str, node: Node, folder: Path, report: Report) -> Sequence[object]:
    field = f"matrix.{name}"
    _check_name(name, node.line, field, report)
    try:
        values = _read_values(node.plain(), folder)
    except RowsError as error:
        report(node.line, field, str(error))
        return ()
    if not values:
        report(node.line, field, "has no values")
    return values


def _read_values(value: object, folder: Path) -> Sequence[object]:
    if isinstance(value, list):
        return value
    if isinstance(value, dict):
        if value.keys() == {"range"}:
            return _range(value["range"])
        if value.keys() in ({"file"}, {"csv", "column"}):
            return _read_file(folder, **value)
    raise RowsError(
        "expected a list, {range: [1, 20]}, {file: words.txt} or"
        f" {{csv: f.csv, column: c}}, got {shown(value)}"
    )


def _read_file(
    folder: Path, file: object = None, csv: object = None, column: object = None
) -> list[str]:
    path = inside(folder, file if csv is None else csv)
    try:
        return read_words(path) if csv is None else _column(path, column)
    except RowsError as error:
        place = path.name if error.line is None else f"{path.name}:{error.line}"
        raise RowsError(f"{place}: {error}") from error


def _range(bounds: object) -> range:
    """Read `[first, last]` or `[first, last, step]`, the last included."""
    if (
        not isinstance(bounds, list)
        or len(bounds) not in (2, 3)
        or any(isinstance(b, bool) or not isinstance(b, int) for b in bounds)
    ):
        raise RowsError(
            f"expected range: [first, last] or with a step, got {shown(bounds)}"
        )
    first, last, step = [*bounds, 1][:3]
    if step == 0:
        raise RowsError("the step of a range cannot be 0")
    if abs(last - first) // abs(step) >= MOST_COMBINATIONS:
        raise RowsError(f"has more than {MOST_COMBINATIONS:,} values")
    return range(first, last + (1 if step > 0 else -1), step)


def _column(path: Path, name: object) -> list[str]:
    """Read a CSV column; every row has a value, empty or not."""
    table = Table(path)
    if name not in table.columns:
        hint = suggestion(str(name), table.columns)
        raise RowsError(f"there is no column {shown(name)}{hint}")
    place = table.columns.index(str(name))
    return [cells[place] for _, cells in table.rows(_refuse)]


def _refuse(error: RowsError) -> None:
    raise error


def _zipped(
    node: Node | None, values: Mapping[str, Sequence[object]], report: Report
) -> list[Axis]:
    """Join the axes that advance together; they stand where the first one stood."""
    groups: dict[str, list[str]] = {name: [name] for name in values}
    for group, line in _groups(node, report) if node else ():
        wrong = [
            name
            for place, name in enumerate(group)
            if groups.get(name) != [name] or name in group[:place]
        ]
        for name in wrong:
            hint = suggestion(name, values)
            report(line, "zip", f"{name!r} is no axis, or zipped twice{hint}")
        if wrong or not all(values[name] for name in group):
            continue
        if len({len(values[name]) for name in group}) > 1:
            sizes = ", ".join(f"{name} {len(values[name])}" for name in group)
            report(line, "zip", f"lengths differ: {sizes}")
            continue
        for name in group[1:]:
            del groups[name]
        groups[group[0]] = group
    return [Axis({name: values[name] for name in group}) for group in groups.values()]


def _groups(node: Node, report: Report) -> list[tuple[list[str], int]]:
    found: list[tuple[list[str], int]] = []
    for child in node.value if isinstance(node.value, list) else [node]:
        group = child.plain()
        if isinstance(group, list) and len(group) > 1 and child is not node:
            words = [name for name in group if isinstance(name, str)]
            if len(words) == len(group):
                found.append((words, child.line))
                continue
        report(child.line, "zip", "expected lists of axis names: [[city, light]]")
    return found


def _combinations(
    field: str, node: Node | None, report: Report
) -> list[tuple[Mapping[str, object], int]]:
    if node is None:
        return []
    if not isinstance(node.value, list):
        report(node.line, field, "expected a list of {axis: value}")
        return []
    found: list[tuple[Mapping[str, object], int]] = []
    for child in node.value:
        wanted = child.plain()
        if isinstance(wanted, dict) and wanted:
            found.append((wanted, child.line))
        else:
            message = f"expected {{axis: value}}, got {shown(wanted)}"
            report(child.line, field, message)
    return found

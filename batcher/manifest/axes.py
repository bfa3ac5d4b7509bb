"""Reads the axes of a matrix: lists, ranges, word files, CSV columns, `zip` groups.

A file that gives words to prompts must lie in the manifest's own folder, so that a
manifest from elsewhere cannot read the rest of a disk into requests.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from batcher.manifest.document import Node
from batcher.manifest.field import suggestion
from batcher.manifest.matrix import Axis, Matrix
from batcher.manifest.rows import RowsError, columns, read_csv

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


class AxisError(Exception):
    """An axis, or what is excluded or included, is wrong.

    Attributes:
        line: 1-based line in the manifest.
        field: The key's path, such as `matrix.city`.
    """

    def __init__(self, line: int, field: str, message: str) -> None:
        super().__init__(message)
        self.line = line
        self.field = field


def inside(folder: Path, text: object) -> Path:
    """Find a file in the manifest's folder; raises `RowsError`."""
    if not isinstance(text, str) or not text.strip():
        raise RowsError(f"expected a file's path, got {text!r}")
    path = folder / text
    if not path.resolve().is_relative_to(folder.resolve()):
        raise RowsError(f"{text!r} lies outside the manifest's folder; copy it there")
    if not path.is_file():
        raise RowsError(f"there is no file {text!r} beside the manifest")
    return path


def read_matrix(entry: Mapping[str, Node], folder: Path) -> Matrix:
    """Read `matrix`, `zip`, `exclude` and `include`; raises `AxisError`."""
    node = entry.get("matrix") or Node({}, 1)
    if not isinstance(node.value, dict):
        raise AxisError(node.line, "matrix", "expected names, each with its values")
    values = {name: _values(name, axis, folder) for name, axis in node.value.items()}
    axes = _zipped(entry.get("zip"), values)
    exclude = _combinations("exclude", entry.get("exclude"))
    include = _combinations("include", entry.get("include"))
    for wanted, line in exclude:
        for name in wanted.keys() - values.keys():
            hint = suggestion(name, values)
            raise AxisError(line, "exclude", f"{name!r} is no axis of matrix{hint}")
    return Matrix(axes, [w for w, _ in exclude], [w for w, _ in include])


def _values(name: str, node: Node, folder: Path) -> Sequence[object]:
    field = f"matrix.{name}"
    if not name.isidentifier():
        raise AxisError(node.line, field, "a name is letters, digits and underscores")
    try:
        values = _read_values(node.plain(), folder)
    except RowsError as error:
        raise AxisError(node.line, field, str(error)) from error
    if not values:
        raise AxisError(node.line, field, "has no values")
    return values


def _read_values(value: object, folder: Path) -> Sequence[object]:
    if isinstance(value, list):
        return value
    keys = set(value) if isinstance(value, dict) else set()
    if not isinstance(value, dict) or keys not in (
        {"range"},
        {"file"},
        {"csv", "column"},
    ):
        raise RowsError(
            "expected a list, {range: [1, 20]}, {file: words.txt} or"
            f" {{csv: f.csv, column: c}}, got {value!r}"
        )
    if "range" in value:
        return _range(value["range"])
    if "file" in value:
        return _words(inside(folder, value["file"]))
    path = inside(folder, value["csv"])
    if value["column"] not in columns(path):
        hint = suggestion(str(value["column"]), columns(path))
        raise RowsError(f"{path.name!r} has no column {value['column']!r}{hint}")
    return [cells.get(value["column"], "") for _, cells in read_csv(path)]


def _range(bounds: object) -> range:
    """Read `[first, last]` or `[first, last, step]`, the last included."""
    if (
        not isinstance(bounds, list)
        or len(bounds) not in (2, 3)
        or any(isinstance(b, bool) or not isinstance(b, int) for b in bounds)
    ):
        raise RowsError(f"expected range: [first, last] or with a step, got {bounds!r}")
    first, last, step = [*bounds, 1][:3]
    if step == 0:
        raise RowsError("the step of a range cannot be 0")
    return range(first, last + (1 if step > 0 else -1), step)


def _words(path: Path) -> list[str]:
    """Read one value per line; blank lines and those that begin with `#` are not."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeError as error:
        raise RowsError(f"{path.name!r} is not UTF-8 text") from error
    except OSError as error:
        raise RowsError(f"cannot read {path.name!r}: {error.strerror}") from error
    lines = (line.strip() for line in text.splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def _zipped(node: Node | None, values: Mapping[str, Sequence[object]]) -> list[Axis]:
    """Join the axes that advance together; they stand where the first one stood."""
    groups: dict[str, list[str]] = {name: [name] for name in values}
    if node is not None:
        for names, line in _groups(node):
            for name in names:
                if groups.get(name) != [name]:
                    hint = suggestion(name, values)
                    message = f"{name!r} is no axis, or zipped twice{hint}"
                    raise AxisError(line, "zip", message)
            lengths = {len(values[name]) for name in names}
            if len(lengths) > 1:
                sizes = ", ".join(f"{name} {len(values[name])}" for name in names)
                raise AxisError(line, "zip", f"lengths differ: {sizes}")
            groups[names[0]] = names
            for name in names[1:]:
                del groups[name]
    return [Axis({name: values[name] for name in names}) for names in groups.values()]


def _groups(node: Node) -> list[tuple[list[str], int]]:
    groups = node.plain()
    if isinstance(node.value, list) and isinstance(groups, list):
        found = [
            (group, child.line)
            for group, child in zip(groups, node.value, strict=True)
            if isinstance(group, list)
            and len(group) > 1
            and all(isinstance(name, str) for name in group)
        ]
        if len(found) == len(groups):
            return found
    raise AxisError(node.line, "zip", "expected lists of axis names: [[city, light]]")


def _combinations(
    field: str, node: Node | None
) -> list[tuple[Mapping[str, object], int]]:
    if node is None:
        return []
    if not isinstance(node.value, list):
        raise AxisError(node.line, field, "expected a list of {axis: value}")
    found: list[tuple[Mapping[str, object], int]] = []
    for child in node.value:
        wanted = child.plain()
        if not isinstance(wanted, dict) or not wanted:
            raise AxisError(child.line, field, f"expected {{axis: value}}: {wanted!r}")
        found.append((wanted, child.line))
    return found

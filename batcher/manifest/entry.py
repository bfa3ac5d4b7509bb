"""One entry of `requests`: its fields, its combinations, its samples.

Compiles an entry once, then yields its requests lazily. Mistakes go to `Problems`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from batcher.manifest.axes import AxisError, inside, read_matrix
from batcher.manifest.document import Node, Problems
from batcher.manifest.field import FIELDS, suggestion
from batcher.manifest.recipe import Pattern, Recipe, RecipeError
from batcher.manifest.rows import RowsError, columns, read_csv

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from batcher.manifest.matrix import Matrix
    from batcher.manifest.reference import References
    from batcher.models import Request

ENTRY_KEYS = (
    *FIELDS,
    *("name", "extra", "matrix", "zip", "exclude", "include"),
    *("samples", "rows", "vars", "output"),
)
"""Every key that an entry of `requests` may have."""

MOST_SAMPLES = 1_000_000

_OUTPUT_NAMES = ("name", "sample", "id", *FIELDS)


class Entry:
    """The requests of one entry.

    Args:
        keys: The entry's keys, over those of `defaults`.
        line: Where the entry begins.
        file: The manifest's name, for messages.
        references: Reader of reference images; its folder is the manifest's.
        variables: The manifest's `vars`.
    """

    def __init__(
        self,
        keys: Mapping[str, Node],
        line: int,
        *,
        file: str,
        references: References,
        variables: Mapping[str, object],
    ) -> None:
        self._keys = keys
        self._line = line
        self._file = file
        self._folder: Path = references.folder
        self._references = references
        self._variables = variables

    def requests(self, problems: Problems) -> Iterator[Request]:
        """Make the entry's requests, in order; mistakes go to `problems`."""
        before = problems.total
        self._check_keys(problems)
        matrix = self._matrix(problems)
        rows = self._rows(problems)
        samples = self._samples(problems)
        own = self._own_variables(problems)
        recipe = self._recipe(problems)
        if recipe is None or matrix is None or problems.total > before:
            return
        self._check_names(problems, matrix, rows, own)
        if problems.total > before:
            return
        constant = {**self._variables, **own}
        combines = "matrix" in self._keys or "include" in self._keys
        for place, row in self._each_row(rows, problems):
            for combination in matrix if combines else ({},):
                variables = {**own, **row, **combination}
                known = {**constant, **variables}
                for sample in range(1, samples + 1):
                    try:
                        yield recipe.make(
                            variables,
                            known,
                            sample=sample,
                            samples=samples,
                            origin=place,
                        )
                    except RecipeError as error:
                        self._report(problems, error, place)

    def _report(
        self, problems: Problems, error: RecipeError | AxisError, place: tuple[str, int]
    ) -> None:
        from_row = f" (row {place[0]}:{place[1]})" if place[0] != self._file else ""
        problems.add(self._file, error.line, error.field, f"{error}{from_row}")

    def _check_keys(self, problems: Problems) -> None:
        for key, node in self._keys.items():
            if key not in ENTRY_KEYS:
                hint = suggestion(key, ENTRY_KEYS) or "; other fields go into extra:"
                problems.add(self._file, node.line, key, f"unknown field{hint}")
        prompt = self._keys.get("prompt")
        if prompt is None or prompt.value is None:
            problems.add(self._file, self._line, "prompt", "is missing")

    def _matrix(self, problems: Problems) -> Matrix | None:
        try:
            return read_matrix(self._keys, self._folder)
        except AxisError as error:
            self._report(problems, error, (self._file, self._line))
            return None

    def _rows(self, problems: Problems) -> Path | None:
        node = self._keys.get("rows")
        if node is None:
            return None
        try:
            path = inside(self._folder, node.value)
            columns(path)
        except RowsError as error:
            problems.add(self._file, node.line, "rows", str(error))
            return None
        return path

    def _each_row(
        self, rows: Path | None, problems: Problems
    ) -> Iterator[tuple[tuple[str, int], Mapping[str, object]]]:
        """Walk the rows, or give one empty row when there is no table."""
        if rows is None:
            yield (self._file, self._line), {}
            return
        missing = dict.fromkeys(columns(rows), "")
        try:
            for line, cells in read_csv(rows):
                yield (rows.name, line), {**missing, **cells}
        except RowsError as error:
            problems.add(str(rows), error.line, None, str(error))

    def _samples(self, problems: Problems) -> int:
        node = self._keys.get("samples")
        if node is None:
            return 1
        count = node.value
        whole = isinstance(count, int) and not isinstance(count, bool)
        if isinstance(count, int) and whole and 1 <= count <= MOST_SAMPLES:
            return count
        message = f"expected a whole number from 1 to {MOST_SAMPLES:,}, got {count!r}"
        problems.add(self._file, node.line, "samples", message)
        return 1

    def _own_variables(self, problems: Problems) -> dict[str, object]:
        node = self._keys.get("vars")
        return read_variables(node, self._file, problems) if node else {}

    def _recipe(self, problems: Problems) -> Recipe | None:
        extra = self._keys.get("extra") or Node({}, self._line)
        if not isinstance(extra.value, dict):
            problems.add(self._file, extra.line, "extra", "expected {field: value}")
            return None
        for key in extra.value.keys() & set(FIELDS):
            node = extra.value[key]
            message = "is a field of its own; move it out of extra"
            problems.add(self._file, node.line, f"extra.{key}", message)
        wanted = (*FIELDS, "name", "output")
        try:
            fields = self._patterns({k: self._keys.get(k) for k in wanted}, "")
            extras = self._patterns(extra.value, "extra.")
            recipe = Recipe(fields, extras, self._references)
            for problem in recipe.problems():
                self._report(problems, problem, (self._file, self._line))
        except RecipeError as error:
            self._report(problems, error, (self._file, self._line))
            return None
        return recipe

    def _patterns(
        self, nodes: Mapping[str, Node | None], prefix: str
    ) -> dict[str, Pattern]:
        """Compile what is set; a null takes a default away."""
        return {
            key: Pattern(f"{prefix}{key}", node)
            for key, node in nodes.items()
            if node is not None and node.value is not None
        }

    def _check_names(
        self,
        problems: Problems,
        matrix: Matrix,
        rows: Path | None,
        own: Mapping[str, object],
    ) -> None:
        """Find undefined names once, before any combination is made."""
        known = {*self._variables, *own, *(columns(rows) if rows else ())}
        known |= matrix.names
        allowed = {"name": ("sample",), "output": _OUTPUT_NAMES}
        extra = self._keys.get("extra")
        nodes = {key: self._keys.get(key) for key in (*FIELDS, "name", "output")}
        nodes |= {"extra": extra}
        for key, node in nodes.items():
            here = known.union(allowed.get(key, ()))
            for name, line in Pattern(key, node).names() if node else ():
                if name not in here:
                    hint = suggestion(name, here) or "; define it in vars or matrix"
                    message = f"{name!r} is not defined{hint}"
                    problems.add(self._file, line, key, message)


def read_variables(node: Node, file: str, problems: Problems) -> dict[str, object]:
    """Read a `vars` mapping; names must be usable in templates."""
    if not isinstance(node.value, dict):
        problems.add(file, node.line, "vars", "expected {name: value}")
        return {}
    for name, child in node.value.items():
        if not name.isidentifier():
            message = "a name is letters, digits and underscores"
            problems.add(file, child.line, f"vars.{name}", message)
    return {name: child.plain() for name, child in node.value.items()}

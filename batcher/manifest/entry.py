"""One entry of `requests`: its fields, its combinations, its samples.

Reads an entry once, then makes its requests lazily. Mistakes go to `Problems`:
what is wrong with the entry itself once, and what some rows and combinations make of
it too, so that all are known after one look.
"""

from __future__ import annotations

from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

from batcher.manifest.axes import has_matrix, inside, names, read_matrix
from batcher.manifest.document import Node
from batcher.manifest.field import FIELDS, shown, suggestion
from batcher.manifest.pattern import RecipeError, compile_pattern
from batcher.manifest.places import Places
from batcher.manifest.recipe import Recipe
from batcher.manifest.rows import RowsError, Table
from batcher.manifest.template import NO_NAME, is_name, is_template

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from batcher.manifest.matrix import Combination
    from batcher.manifest.pattern import Pattern, Report
    from batcher.manifest.places import Place, Rows
    from batcher.manifest.problem import Problems
    from batcher.manifest.recipe import Shared
    from batcher.models import Request

ENTRY_KEYS = (
    *FIELDS,
    *("name", "extra", "matrix", "zip", "exclude", "include"),
    *("samples", "rows", "vars", "output"),
)
"""Every key that an entry of `requests` may have."""

SET_TWICE = "is set outside of extra, too; leave one of them out"

MOST_SAMPLES = 1_000_000

MOST_TRIED = 10_000
"""Requests of a wrong entry that are tried, to find what else is wrong."""

_OWN_NAMES = {"name": ("sample",), "output": ("name", "sample", "id", *FIELDS)}
"""Names that a template has besides the variables."""


class Entry:
    """The requests of one entry; an `expansion.Part`.

    Args:
        keys: The entry's keys, over those of `defaults`.
        line: Where the entry begins.
        file: The manifest's name, for messages.
        shared: What the manifest's entries have in common.
        problems: Where mistakes go, now and when requests are made.
    """

    def __init__(
        self,
        keys: Mapping[str, Node],
        line: int,
        *,
        file: str,
        shared: Shared,
        problems: Problems,
    ) -> None:
        self._line = line
        self._file = file
        self._shared = shared
        self._folder: Path = shared.references.folder
        self._variables = shared.variables
        self._is_right = True
        self._problems = problems
        self._keys = self._lifted(keys)
        self._check_keys()
        matrix = read_matrix(self._keys, self._folder, self._report)
        self._table = self._read_table()
        self._samples = self._read_samples()
        self._own = self._own_variables()
        combinations: Sequence[Combination] = ({},)
        if has_matrix(self._keys):
            combinations = matrix or ()
        self._places = Places(self._own, self._rows, combinations, self._samples)

    def most(self) -> int:
        """See `expansion.Part`."""
        return self._places.of_each_row * (
            self._table.most_rows() if self._table else 1
        )

    def total(self) -> int:
        """See `expansion.Part`."""
        rows = self._table.count_rows() if self._table else 1
        return self._places.of_each_row * rows

    def walk(self) -> Iterator[Request]:
        """See `expansion.Part`."""
        return self._made(self._places)

    def at(self, indices: Iterable[int]) -> Iterator[Request]:
        """See `expansion.Part`."""
        return self._made(self._places.at(indices))

    def _made(self, places: Iterable[Place]) -> Iterator[Request]:
        """Make requests; of a wrong entry none, but what else is wrong is found."""
        recipe = self._recipe()
        if self._is_right:
            yield from self._tried(recipe, places)
            return
        for _ in self._tried(recipe, islice(places, MOST_TRIED)):
            pass

    def _tried(self, recipe: Recipe, places: Iterable[Place]) -> Iterator[Request]:
        failed = 0
        samples = self._samples
        for origin, variables, sample in places:
            known = variables
            if self._variables:
                known = {**self._variables, **variables}
            try:
                yield recipe.make(
                    variables, known, sample=sample, samples=samples, origin=origin
                )
            except RecipeError as error:
                where = self._where(origin, variables)
                for mistake in error.mistakes:
                    self._report(*mistake, where=where)
                failed += 1
                if failed == MOST_TRIED:
                    return

    def _rows(self) -> Rows:
        """Stream the rows, or give one empty row when there is no table."""
        if "rows" not in self._keys:
            yield f"{self._file}:{self._line}", {}
        if self._table is None:
            return
        path, columns = self._table.path, self._table.columns
        prefix = f"{path}:"
        for line, cells in self._table.rows(partial(self._report_table, path)):
            yield f"{prefix}{line}", dict(zip(columns, cells, strict=True))

    def _where(self, origin: str, variables: Mapping[str, object]) -> str:
        """Say which row or combination it was."""
        if "rows" in self._keys:
            return f"row {origin}"
        return ", ".join(f"{name}={shown(value)}" for name, value in variables.items())

    def _report(self, line: int, field: str, message: str, *, where: str = "") -> None:
        self._is_right = False
        self._problems.add(self._file, line, field, message, where=where)

    def _lifted(self, keys: Mapping[str, Node]) -> Mapping[str, Node]:
        """Take what has a name of its own out of `extra`, to be checked as that.

        What the command line sets, which has no line, beats the manifest here, too.
        """
        extra = keys.get("extra") or Node({}, self._line)
        own = {k: n for k, n in extra.items() if k in FIELDS and n.value is not None}
        lifted = dict(keys)
        for key, node in own.items():
            beside = keys.get(key) or Node(None, self._line)
            if node.line and beside.line and beside.value is not None:
                self._report(node.line, f"extra.{key}", SET_TWICE)
            elif beside.line or not node.line:
                lifted[key] = node
        if isinstance(extra.value, dict):
            rest = {k: node for k, node in extra.items() if k not in FIELDS}
            lifted["extra"] = Node(rest, extra.line)
        return lifted

    def _check_keys(self) -> None:
        for key, node in self._keys.items():
            if key not in ENTRY_KEYS:
                hint = suggestion(key, ENTRY_KEYS) or "; other fields go into extra:"
                self._report(node.line, key, f"unknown field{hint}")
        prompt = self._keys.get("prompt")
        if prompt is None or prompt.value is None:
            self._report(self._line, "prompt", "is missing")

    def _read_table(self) -> Table | None:
        node = self._keys.get("rows")
        if node is None:
            return None
        try:
            path = inside(self._folder, node.plain())
        except RowsError as error:
            self._report(node.line, "rows", str(error))
            return None
        try:
            return Table(path)
        except RowsError as error:
            self._report_table(path, error)
            return None

    def _report_table(self, path: Path, error: RowsError) -> None:
        self._is_right = False
        self._problems.add(str(path), error.line, None, str(error))

    def _read_samples(self) -> int:
        node = self._keys.get("samples")
        if node is None:
            return 1
        count = node.value
        whole = count if isinstance(count, int) and not isinstance(count, bool) else 0
        if 1 <= whole <= MOST_SAMPLES:
            return whole
        expected = f"expected a whole number from 1 to {MOST_SAMPLES:,}"
        self._report(node.line, "samples", f"{expected}, got {shown(node.plain())}")
        return 1

    def _own_variables(self) -> dict[str, object]:
        node = self._keys.get("vars")
        return read_variables(node, self._report) if node else {}

    def _recipe(self) -> Recipe:
        """Compile what is right of the fields; what is wrong is reported."""
        extra = self._keys.get("extra") or Node({}, self._line)
        if not isinstance(extra.value, dict):
            self._report(extra.line, "extra", "expected {field: value}")
            extra = Node({}, self._line)
        known = None
        if self._table is not None or "rows" not in self._keys:
            columns = self._table.columns if self._table else ()
            known = names(self._keys).union(self._variables, self._own, columns)
        fields = {
            key: self._pattern(key, self._keys[key], known)
            for key in (*FIELDS, "name", "output")
            if key in self._keys
        }
        extras = {
            key: self._pattern(f"extra.{key}", node, known)
            for key, node in extra.items()
        }
        return Recipe(_set(fields), _set(extras), self._shared, self._report)

    def _pattern(
        self, field: str, node: Node, known: frozenset[str] | None
    ) -> Pattern | None:
        """Compile a value; a null takes a default away."""
        if node.value is None:
            return None
        if known is not None:
            known = known.union(_OWN_NAMES.get(field, ()))
        return compile_pattern(field, node, known, self._report)


def _set(patterns: Mapping[str, Pattern | None]) -> dict[str, Pattern]:
    return {key: pattern for key, pattern in patterns.items() if pattern is not None}


def read_variables(node: Node, report: Report) -> dict[str, object]:
    """Read a `vars` mapping; names must be usable in templates."""
    if not isinstance(node.value, dict):
        report(node.line, "vars", "expected {name: value}")
        return {}
    for name, child in node.items():
        if not is_name(name):
            report(child.line, f"vars.{name}", NO_NAME)
        if isinstance(child.value, str) and is_template(child.value):
            message = "is kept as it is; put the template where it is used"
            report(child.line, f"vars.{name}", message)
    return {name: child.plain() for name, child in node.items()}

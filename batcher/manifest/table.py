"""Manifests that are tables: CSV, and JSON lines as OpenAI's Batch API takes them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

from batcher.manifest.field import shown, suggestion
from batcher.manifest.literal import COLUMNS, LiteralRecipe, near_columns
from batcher.manifest.pattern import Mistake, RecipeError
from batcher.manifest.problem import Problems
from batcher.manifest.reference import References
from batcher.manifest.rows import RowsError, Table, most_lines, read_jsonl
from batcher.models import Problem

if TYPE_CHECKING:
    from pathlib import Path

    from batcher.manifest.document import Node
    from batcher.manifest.source import Source
    from batcher.models import Request

MOST_TRIED = 10_000
"""Rows that are tried when the whole table is wrong, to find what else is."""

GENERATIONS_PATH = "/v1/images/generations"

Row = tuple[int, Mapping[str, object], Mapping[str, object]]
"""A row's line, its fields, and the variables that are kept with it."""


class CsvManifest:
    """One request per row; see `expansion.Manifest`."""

    def __init__(self, source: Source, sha256: str, problems: Problems) -> None:
        self.path = path = source.path
        self.sha256 = sha256
        self.name = source.name
        self.endpoint: str | None = None
        self.settings: Mapping[str, Node] = {}
        self.remarks: list[tuple[str, Problem]] = []
        self._references = References(source.folder)
        self._table: Table | None = None
        try:
            self._table = Table(source.file)
        except RowsError as error:
            problems.add(path, error.line, None, str(error))
            return
        for name, near in near_columns(self._table.columns):
            message = f"is kept as a variable; did you mean the field {near!r}?"
            remark = Problem(file=path, line=1, field=name, message=message)
            self.remarks.append(("near_miss", remark))

    def parts(
        self, model: str, overrides: Mapping[str, object], problems: Problems
    ) -> Iterator[TablePart]:
        """Give the table; see `expansion.Manifest`."""
        if self._table is None:
            return
        rows = partial(self._rows, self._table)
        has_prompt = "prompt" in self._table.columns or "prompt" in overrides
        if not has_prompt:
            hint = suggestion("prompt", self._table.columns)
            message = f"the header has no column 'prompt'{hint}"
            problems.add(self.path, 1, "prompt", message)
            # What else is wrong is found with a prompt that is never sent.
            overrides = {**overrides, "prompt": "-"}
        recipe = LiteralRecipe(self.path, self._references, model, overrides)
        if has_prompt:
            yield TablePart(self._table.path, rows, recipe=recipe, problems=problems)
        else:
            tried = islice(rows(problems), MOST_TRIED)
            deque(_made(tried, recipe, problems), maxlen=0)

    def _rows(self, table: Table, problems: Problems) -> Iterator[Row]:
        places = [*enumerate(table.columns)]
        fields = [(name, place) for place, name in places if name in COLUMNS]
        kept = [(name, place) for place, name in places if name not in COLUMNS]

        def report(error: RowsError) -> None:
            problems.add(self.path, error.line, None, str(error))

        for line, cells in table.rows(report):
            own, variables = {}, {}
            for name, place in fields:
                if cell := cells[place]:
                    own[name] = cell
            for name, place in kept:
                variables[name] = cells[place]
            yield line, own, variables


class JsonlManifest:
    """OpenAI's Batch input, or one object of request fields per line."""

    def __init__(self, source: Source, sha256: str, problems: Problems) -> None:
        del problems
        self.path = source.path
        self._file = source.file
        self.sha256 = sha256
        self.name = source.name
        self.endpoint: str | None = None
        self.settings: Mapping[str, Node] = {}
        self.remarks: list[tuple[str, Problem]] = []
        self._references = References(source.folder)

    def parts(
        self, model: str, overrides: Mapping[str, object], problems: Problems
    ) -> Iterator[TablePart]:
        """Give the file; see `expansion.Manifest`."""
        recipe = LiteralRecipe(self.path, self._references, model, overrides)
        yield TablePart(self._file, self._rows, recipe=recipe, problems=problems)

    def _rows(self, problems: Problems) -> Iterator[Row]:
        def report(error: RowsError) -> None:
            problems.add(self.path, error.line, None, str(error))

        for line, values in read_jsonl(self._file, report):
            try:
                yield line, _fields_of(values, line), {}
            except RecipeError as error:
                for mistake in error.mistakes:
                    problems.add(self.path, *mistake)


class TablePart:
    """The requests of a table, one for each row; an `expansion.Part`.

    Args:
        file: The table.
        rows: Streams its rows anew each time; mistakes go where it is told.
        recipe: How rows become requests.
        problems: Where mistakes go when requests are made.
    """

    def __init__(
        self,
        file: Path,
        rows: Callable[[Problems], Iterator[Row]],
        *,
        recipe: LiteralRecipe,
        problems: Problems,
    ) -> None:
        self._file = file
        self._rows = rows
        self._recipe = recipe
        self._problems = problems

    def most(self) -> int:
        """See `expansion.Part`."""
        return most_lines(self._file)

    def total(self) -> int:
        """See `expansion.Part`."""
        return sum(1 for _ in self._rows(Problems()))

    def walk(self) -> Iterator[Request]:
        """See `expansion.Part`."""
        return _made(self._rows(self._problems), self._recipe, self._problems)

    def at(self, indices: Iterable[int]) -> Iterator[Request]:
        """See `expansion.Part`."""
        rows = _at(self._rows(self._problems), indices)
        return _made(rows, self._recipe, self._problems)


def _made(
    rows: Iterable[Row], recipe: LiteralRecipe, problems: Problems
) -> Iterator[Request]:
    for row in rows:
        try:
            yield recipe.make(*row)
        except RecipeError as error:
            for mistake in error.mistakes:
                problems.add(recipe.path, *mistake)


def _at(rows: Iterator[Row], indices: Iterable[int]) -> Iterator[Row]:
    """Give the rows at rising indices; reads all, for what is wrong with the others."""
    passed = 0
    for index in indices:
        yield from islice(rows, index - passed, index - passed + 1)
        passed = index + 1
    deque(rows, maxlen=0)


def _fields_of(values: Mapping[str, object], line: int) -> dict[str, object]:
    """Read one line of JSON; raises `RecipeError`."""
    body: object = values
    if "body" in values:
        for key, only in (("url", GENERATIONS_PATH), ("method", "POST")):
            if values.get(key, only) != only:
                message = f"expected {only!r}, got {shown(values[key])}"
                raise RecipeError([Mistake(line, key, message)])
        body = values["body"]
    if not isinstance(body, dict):
        message = "expected an object of request fields"
        raise RecipeError([Mistake(line, "body", message)])
    fields = {key: value for key, value in body.items() if value is not None}
    extra = fields.pop("extra", None) or {}
    if not isinstance(extra, dict):
        raise RecipeError([Mistake(line, "extra", "expected an object of fields")])
    if taken := sorted(extra.keys() & COLUMNS):
        message = "is a field of its own; move it out of extra"
        raise RecipeError([Mistake(line, f"extra.{name}", message) for name in taken])
    if "body" in values and values.get("custom_id") is not None:
        fields["name"] = values["custom_id"]
    return {**extra, **fields}

"""Manifests that are tables: CSV, and JSON lines as OpenAI's Batch API takes them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

from batcher.manifest.entry import ENTRY_KEYS, SET_TWICE
from batcher.manifest.field import FIELDS, shown, suggestion
from batcher.manifest.literal import COLUMNS, LABELS, LiteralRecipe, near_columns
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
"""Rows that are tried when the whole table is wrong, to find what else is.

As many lines of JSON are looked at for keys that are nearly a field.
"""

GENERATIONS_PATH = "/v1/images/generations"

_ONLY = {"method": "POST", "url": GENERATIONS_PATH}

ENVELOPE = frozenset({"custom_id", "body", *_ONLY})
"""The keys of OpenAI's Batch input around a request."""

_IN_YAML = frozenset(ENTRY_KEYS) - COLUMNS - {"extra"}

Row = tuple[int, Mapping[str, object], Mapping[str, object], Sequence[Mistake]]
"""A row's line, its fields, the variables kept with it, and what is wrong with it."""


class CsvManifest:
    """One request per row; see `expansion.Manifest`."""

    def __init__(self, source: Source, sha256: str, problems: Problems) -> None:
        self.path = path = source.path
        self.sha256 = sha256
        self.name = source.name
        self.endpoint: Node | None = None
        self.settings: Mapping[str, Node] = {}
        self.remarks: list[tuple[str, Problem]] = []
        self._references = References(source.folder)
        self._table: Table | None = None
        try:
            self._table = Table(source.file)
        except RowsError as error:
            problems.add(path, error.line, None, str(error))
            return
        lines = dict.fromkeys(self._table.columns, self._table.line)
        self.remarks += _near_misses(path, lines, "is kept as a variable")

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
            problems.add(self.path, self._table.line, "prompt", message)
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
            yield line, own, variables, ()


class JsonlManifest:
    """OpenAI's Batch input, or one object of request fields per line."""

    def __init__(self, source: Source, sha256: str, problems: Problems) -> None:
        del problems
        self.path = source.path
        self._file = source.file
        self.sha256 = sha256
        self.name = source.name
        self.endpoint: Node | None = None
        self.settings: Mapping[str, Node] = {}
        self.remarks: list[tuple[str, Problem]] = []
        self._references = References(source.folder)
        lines: dict[str, int] = {}
        rows = read_jsonl(self._file, lambda _: None)
        for line, values in islice(rows, MOST_TRIED):
            for name in _body_of(values) or ():
                lines.setdefault(name, line)
        self.remarks += _near_misses(self.path, lines, "is sent as it is")

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
            fields, mistakes = _fields_of(values, line)
            yield line, fields, {}, mistakes


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


def _near_misses(
    file: str, lines: Mapping[str, int], words: str
) -> Iterator[tuple[str, Problem]]:
    """Remark names that are nearly a field's, each on its line."""
    for name, near in near_columns(lines):
        message = f"{words}; did you mean the field {near!r}?"
        line = lines[name]
        yield "near_miss", Problem(file=file, line=line, field=name, message=message)


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


def _body_of(values: Mapping[str, object]) -> Mapping[str, object] | None:
    """Find a line's request fields; None when its body is no object."""
    if "body" not in values:
        return {key: value for key, value in values.items() if key not in ENVELOPE}
    body = values["body"]
    return body if isinstance(body, dict) else None


def _around_body(values: Mapping[str, object]) -> dict[str, str]:
    """Say what is wrong with the keys of a line around its request's fields."""
    wrong: dict[str, str] = {}
    for key, only in _ONLY.items():
        if values.get(key, only) != only:
            wrong[key] = f"expected {only!r}, got {shown(values[key])}"
    if "body" in values:
        for key in values.keys() - ENVELOPE:
            if values[key] is not None:
                wrong[key] = "stands beside body and is not sent; move it into body"
    return wrong


def _fields_of(
    values: Mapping[str, object], line: int
) -> tuple[Mapping[str, object], Sequence[Mistake]]:
    """Read one line of JSON: its fields, and what is wrong with the line itself."""
    wrong = _around_body(values)
    body = _body_of(values)
    if body is None:
        wrong["body"] = "expected an object of request fields"
        body = {"prompt": "-"}  # never sent
    fields = {key: value for key, value in body.items() if value is not None}
    extra = fields.pop("extra", None) or {}
    if not isinstance(extra, dict):
        wrong["extra"] = "expected an object of fields"
        extra = {}
    # As beside it, a field that is null there is absent.
    extra = {k: v for k, v in extra.items() if v is not None or k not in FIELDS}
    for name in extra:
        if name in LABELS:
            wrong[f"extra.{name}"] = "is a field of its own; move it out of extra"
        elif name in fields:
            wrong[f"extra.{name}"] = SET_TWICE
    for name in fields.keys() & _IN_YAML:
        wrong[name] = "works in YAML manifests only; what is to be sent goes into extra"
    if values.get("custom_id") is not None:
        if "name" in fields:
            wrong["name"] = "is given twice, for custom_id is the name, too"
        fields["name"] = values["custom_id"]
    mistakes = [Mistake(line, *each) for each in sorted(wrong.items())]
    return {**extra, **fields}, mistakes

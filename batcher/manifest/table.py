"""Manifests that are tables: CSV, and JSON lines as OpenAI's Batch API takes them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from batcher.manifest.field import FIELDS
from batcher.manifest.literal import LABELS, LiteralRecipe, near_columns
from batcher.manifest.recipe import RecipeError
from batcher.manifest.reference import References
from batcher.manifest.rows import RowsError, columns, read_csv, read_jsonl
from batcher.models import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from batcher.manifest.document import Node, Problems
    from batcher.models import Request

GENERATIONS_PATH = "/v1/images/generations"

_COLUMNS = frozenset({*FIELDS, *LABELS})


class CsvManifest:
    """One request per row; see `expansion.Manifest`."""

    def __init__(self, path: str, sha256: str, problems: Problems) -> None:
        self.path = path
        self.sha256 = sha256
        self.name = Path(path).stem
        self.endpoint: str | None = None
        self.settings: Mapping[str, Node] = {}
        self.remarks: list[tuple[str, Problem]] = []
        self._references = References(Path(path).parent)
        try:
            names = columns(Path(path))
        except RowsError as error:
            problems.add(path, error.line, None, str(error))
            return
        for name, near in near_columns(names):
            message = f"is kept as a variable; did you mean the field {near!r}?"
            remark = Problem(file=path, line=1, field=name, message=message)
            self.remarks.append(("near_miss", remark))
        if "prompt" not in names:
            message = f"the header has no column 'prompt'; it has {', '.join(names)}"
            problems.add(path, 1, "prompt", message)

    def requests(
        self, model: str, overrides: Mapping[str, object], problems: Problems
    ) -> Iterator[Request]:
        """Expand; see `expansion.Manifest`."""
        fields, extra = _split(overrides)
        recipe = LiteralRecipe(self._references, {"model": model}, fields)
        try:
            for line, cells in read_csv(Path(self.path)):
                own = {k: v for k, v in cells.items() if v and k in _COLUMNS}
                variables = {k: v for k, v in cells.items() if k not in _COLUMNS}
                try:
                    yield recipe.make(own, extra, variables, (self.path, line))
                except RecipeError as error:
                    problems.add(self.path, error.line, error.field, str(error))
        except RowsError as error:
            problems.add(self.path, error.line, None, str(error))


class JsonlManifest:
    """OpenAI's Batch input, or one object of request fields per line."""

    def __init__(self, path: str, sha256: str, problems: Problems) -> None:
        del problems
        self.path = path
        self.sha256 = sha256
        self.name = Path(path).stem
        self.endpoint: str | None = None
        self.settings: Mapping[str, Node] = {}
        self.remarks: list[tuple[str, Problem]] = []
        self._references = References(Path(path).parent)

    def requests(
        self, model: str, overrides: Mapping[str, object], problems: Problems
    ) -> Iterator[Request]:
        """Expand; see `expansion.Manifest`."""
        forced, forced_extra = _split(overrides)
        recipe = LiteralRecipe(self._references, {"model": model}, forced)
        try:
            for line, values in read_jsonl(Path(self.path)):
                try:
                    own, extra = _json_fields(values, line)
                    origin = (self.path, line)
                    yield recipe.make(own, {**extra, **forced_extra}, {}, origin)
                except RecipeError as error:
                    problems.add(self.path, error.line, error.field, str(error))
        except RowsError as error:
            problems.add(self.path, error.line, None, str(error))


def _json_fields(
    values: Mapping[str, object], line: int
) -> tuple[dict[str, object], dict[str, object]]:
    """Split one line into fields and extras; raises `RecipeError`."""
    body = dict(values)
    if "body" in values:
        if values.get("url", GENERATIONS_PATH) != GENERATIONS_PATH:
            message = f"expected {GENERATIONS_PATH!r}, got {values['url']!r}"
            raise RecipeError(line, "url", message)
        if values.get("method", "POST") != "POST":
            message = f"expected 'POST', got {values['method']!r}"
            raise RecipeError(line, "method", message)
        if not isinstance(values["body"], dict):
            raise RecipeError(line, "body", "expected an object of request fields")
        body = dict(values["body"])
        if "custom_id" in values:
            body["name"] = values["custom_id"]
    nested = body.pop("extra", None)
    own = {k: v for k, v in body.items() if v is not None and k in _COLUMNS}
    extra = {k: v for k, v in body.items() if k not in _COLUMNS}
    return own, {**extra, **(nested if isinstance(nested, dict) else {})}


def _split(
    overrides: Mapping[str, object],
) -> tuple[dict[str, object], dict[str, object]]:
    fields = {k: v for k, v in overrides.items() if not k.startswith("extra.")}
    extra = {
        k.removeprefix("extra."): v
        for k, v in overrides.items()
        if k.startswith("extra.")
    }
    return fields, extra

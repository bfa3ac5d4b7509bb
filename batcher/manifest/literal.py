"""Makes requests from rows that mean what they say: CSV and JSON lines manifests.

No templates: a cell is the value, an empty cell is an absent field.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from batcher.manifest.field import (
    CHECKS,
    FIELDS,
    FieldError,
    anything,
    near_miss,
    suggestion,
)
from batcher.manifest.output import (
    checked_label,
    checked_name,
    checked_output,
    default_name,
)
from batcher.manifest.pattern import Mistake, RecipeError
from batcher.manifest.recipe import request_id
from batcher.models import Reference, Request

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from batcher.manifest.reference import References

LABELS = ("name", "output")
"""Columns that name a request rather than being sent or kept as variables."""

COLUMNS = frozenset({*FIELDS, *LABELS})
"""Every column that is not kept as a variable."""

_NO_REFERENCES: tuple[tuple[Reference, ...], bool] = ((), False)


class LiteralRecipe:
    """How a table's rows become requests.

    Args:
        path: The table.
        references: Reader of reference images.
        model: The model of rows that name none.
        overrides: Fields that beat every row, None to leave one out; `extra.x` for
            fields without a name of their own.

    Attributes:
        path: The table.
    """

    def __init__(
        self,
        path: str,
        references: References,
        model: str,
        overrides: Mapping[str, object],
    ) -> None:
        self.path = path
        self._model = model
        self._overrides = {k.removeprefix("extra."): v for k, v in overrides.items()}
        self._checks: dict[str, Callable[[object], Any]] = {
            **CHECKS,
            "image": references.read,
            "name": checked_name,
            "output": checked_output,
        }
        self._label_checks = {**self._checks, "name": checked_label}

    def make(
        self,
        line: int,
        fields: Mapping[str, object],
        variables: Mapping[str, object],
        known: Iterable[Mistake] = (),
    ) -> Request:
        """Make one row's request.

        Args:
            line: Where the row begins.
            fields: The row's fields and labels, and what it sends besides.
            variables: What is kept with the request.
            known: What is known to be wrong with the row.

        Raises:
            RecipeError: Fields are wrong; it names them all.
        """
        if self._overrides:
            fields = self._overridden(fields)
        mistakes = [*known]
        body: dict[str, Any] = {"model": self._model}
        checks = self._checks if "output" in fields else self._label_checks
        for key, value in fields.items():
            try:
                body[key] = checks.get(key, anything)(value)
            except FieldError as error:
                mistakes.append(self._mistake(line, key, error))
        if "prompt" not in fields:
            hint = suggestion("prompt", fields)
            mistakes.append(Mistake(line, "prompt", f"is missing{hint}"))
        references, single = body.pop("image", _NO_REFERENCES)
        name, output = body.pop("name", None), body.pop("output", None)
        try:
            id_ = request_id(body, references, single=single, sample=1)
            name = name or default_name(str(body.get("prompt")), id_)
        except FieldError as error:
            mistakes.append(self._mistake(line, "extra", error))
        if mistakes:
            raise RecipeError(mistakes)
        return Request(
            id=id_,
            name=name,
            body=body,
            references=references,
            single_reference=single,
            vars=variables,
            output=output or name,
            origin=f"{self.path}:{line}",
        )

    def _overridden(self, fields: Mapping[str, object]) -> dict[str, object]:
        """Put the overrides over a row's fields; null takes a field away."""
        merged = {**fields, **self._overrides}
        return {key: value for key, value in merged.items() if value is not None}

    def _mistake(self, line: int, field: str, error: FieldError) -> Mistake:
        return Mistake(0 if field in self._overrides else line, field, str(error))


def near_columns(names: Iterable[str]) -> list[tuple[str, str]]:
    """Find columns that are nearly a field: pairs of column and field."""
    known = (*FIELDS, *LABELS)
    pairs = [(name, near_miss(name, known)) for name in names if name not in known]
    return [(name, near) for name, near in pairs if near]

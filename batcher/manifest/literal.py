"""Makes requests from rows that mean what they say: CSV and JSON lines manifests.

No templates: a cell is the value, an empty cell is an absent field.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from batcher.manifest.field import CHECKS, FIELDS, FieldError, near_miss
from batcher.manifest.output import checked_name, checked_output, default_name
from batcher.manifest.recipe import RecipeError, request_id
from batcher.models import Reference, Request

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from batcher.manifest.reference import References

LABELS = ("name", "output")
"""Columns that name a request rather than being sent or kept as variables."""


class LiteralRecipe:
    """How a table's rows become requests.

    Args:
        references: Reader of reference images.
        defaults: Fields for rows that do not set them.
        overrides: Fields that beat every row.
    """

    def __init__(
        self,
        references: References,
        defaults: Mapping[str, object],
        overrides: Mapping[str, object],
    ) -> None:
        self._references = references
        self._defaults = defaults
        self._overrides = overrides

    def make(
        self,
        fields: Mapping[str, object],
        extra: Mapping[str, object],
        variables: Mapping[str, object],
        origin: tuple[str, int],
    ) -> Request:
        """Make one row's request; raises `RecipeError`."""
        line = origin[1]
        merged = {**self._defaults, **fields, **self._overrides}
        if "prompt" not in merged:
            raise RecipeError(line, "prompt", "is missing")
        key = "prompt"
        try:
            body: dict[str, object] = {}
            for key, check in CHECKS.items():
                if key in merged:
                    body[key] = check(merged[key])
            body.update(extra)
            key = "image"
            references: tuple[Reference, ...] = ()
            single = False
            if key in merged:
                references, single = self._references.read(merged[key])
            id_ = request_id(body, references, single=single, sample=1)
            key = "name"
            name = default_name(str(body["prompt"]), id_)
            if key in merged:
                name = checked_name(str(merged[key]))
            key = "output"
            output = checked_output(str(merged.get(key, name)))
        except FieldError as error:
            raise RecipeError(line, key, str(error)) from error
        return Request(
            id=id_,
            name=name,
            body=body,
            references=references,
            single_reference=single,
            vars=variables,
            output=output,
            origin="{}:{}".format(*origin),
        )


def near_columns(names: Iterable[str]) -> list[tuple[str, str]]:
    """Find columns that are nearly a field: pairs of column and field."""
    known = (*FIELDS, *LABELS)
    pairs = [(name, near_miss(name, known)) for name in names if name not in known]
    return [(name, near) for name, near in pairs if near]

"""Notices fields that were asked for and that no request has, while they are walked.

Variables and fields are what a manifest calls them, so no list of names could tell.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from batcher.manifest.field import suggestion
from batcher.where import value_of

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST_NAMES = 1000
"""Names that are remembered to find near ones."""


class FieldCheck:
    """The fields that some flags name, until a request has them.

    Args:
        asked: The flag that names it, by field.
    """

    def __init__(self, asked: Mapping[str, str]) -> None:
        self._missing = dict(asked)
        self._names: dict[str, None] = {}

    def look(self, record: Mapping[str, object]) -> None:
        """Look at a request's fields."""
        if not self._missing:
            return
        for name in [*self._missing]:
            if name in record or value_of(record, name) is not None:
                del self._missing[name]
        if len(self._names) < MOST_NAMES:
            self._names.update(dict.fromkeys(record))
            variables = record.get("vars")
            if isinstance(variables, Mapping):
                self._names.update(dict.fromkeys(variables))

    def warnings(self) -> Iterator[str]:
        """Name the fields that none had; without a request nothing is known of them."""
        if not self._names:
            return
        for name, flag in self._missing.items():
            near = suggestion(name.removeprefix("vars."), self._names)
            hint = near or "; --json shows what they have"
            yield f"{flag}: no request listed has a field {name!r}{hint}"

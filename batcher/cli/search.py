"""Finds the one request that a word on the command line means."""

from __future__ import annotations

import difflib
import hashlib
from enum import IntEnum
from pathlib import Path
from typing import TYPE_CHECKING

from batcher.cli.table import safe
from batcher.errors import UsageError
from batcher.stores import LocalDirectory

if TYPE_CHECKING:
    from collections.abc import Iterable

    from batcher.record import Record
    from batcher.stores import Directory

SHORTEST_PREFIX = 4
"""Characters of an id that are taken for one."""

MOST_NAMES = 20_000
"""Names that are compared to find near ones."""

NAMED = 5
"""Requests that an error names."""


class FoundBy(IntEnum):
    """How a request was found; the first way that finds any counts."""

    PATH = 0
    ID = 1
    NAME = 2
    CONTENT = 3
    PREFIX = 4


class Search:
    """What one word on the command line may mean.

    Args:
        directory: The run directory.
        word: An id or its beginning, a name, or a file, relative to here or to the
            run directory, or its URL.
    """

    def __init__(self, directory: Directory, word: str) -> None:
        self._place = str(directory)
        self._word = word
        self._paths = {Path(word).as_posix(), word.removeprefix(f"{directory}/")}
        file = Path(word).resolve()
        if isinstance(directory, LocalDirectory):
            inner = directory.folder.resolve()
            if file.is_relative_to(inner):
                self._paths.add(file.relative_to(inner).as_posix())
        self._sha256 = _digest(file) if file.is_file() else None
        self._names: list[str] = []

    def find(self, records: Iterable[Record]) -> Record | None:
        """Give the one request that is meant, or None.

        Args:
            records: Where to look; of several of one request the last one counts.

        Raises:
            UsageError: There is more than one.
        """
        found: dict[FoundBy, dict[str, Record]] = {way: {} for way in FoundBy}
        names = self._names
        for record in records:
            way = self._way(record)
            if way is not None and len(found[way]) <= NAMED:
                found[way][record.id] = record
            if record.name is not None and len(names) < MOST_NAMES:
                names.append(record.name)
        best = [*next(filter(None, found.values()), {}).values()]
        if len(best) > 1:
            raise self._many(best)
        return best[0] if best else None

    def _way(self, record: Record) -> FoundBy | None:
        known = record.result.images if record.result is not None else ()
        ways = (
            (FoundBy.PATH, any(image.path in self._paths for image in record.images)),
            (FoundBy.ID, record.id == self._word),
            (FoundBy.NAME, record.name == self._word),
            (FoundBy.CONTENT, any(image.sha256 == self._sha256 for image in known)),
            (FoundBy.PREFIX, record.id.startswith(self._prefix)),
        )
        return next((way for way, is_so in ways if is_so), None)

    @property
    def _prefix(self) -> str:
        """The beginning of an id; what is too short for one begins none."""
        return self._word if len(self._word) >= SHORTEST_PREFIX else "\0"

    def _many(self, records: list[Record]) -> UsageError:
        each = [_brief(record) for record in records[:NAMED]]
        more = ", …" if len(records) > NAMED else ""
        words = f"{self._word!r} may be {', '.join(each)}{more}"
        return UsageError(f"{words}; name it by its id")

    def none(self) -> UsageError:
        """Say that nothing was found, and what is near."""
        if self._sha256 is not None:
            words = f"{self._word!r} is no image of {self._place!r}"
            return UsageError(
                f"{words}: its path and its content are not in the ledger,"
                " and it does not say itself whence it came"
            )
        near = difflib.get_close_matches(self._word, self._names, n=3)
        hint = f"; near: {', '.join(map(repr, near))}" if near else ""
        words = f"{self._place!r} holds no id, name or file {self._word!r}"
        return UsageError(f"{words}{hint or '; `batcher list` shows what it holds'}")


def _brief(record: Record) -> str:
    name = f" ({safe(record.name)})" if record.name is not None else ""
    return f"{record.id} {record.status}{name}"


def _digest(file: Path) -> str | None:
    try:
        with file.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError:
        return None

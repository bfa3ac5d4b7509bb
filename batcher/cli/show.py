"""`batcher show`: one request or image, whence it came."""

from __future__ import annotations

import difflib
import hashlib
from enum import IntEnum
from pathlib import Path
from typing import TYPE_CHECKING

from batcher.cli.encode import print_json
from batcher.cli.folder import read_folder
from batcher.cli.table import cell, clip, safe, screen_width, table_lines
from batcher.cli.words import duration, usd
from batcher.errors import UsageError
from batcher.ledger import history
from batcher.record import read_records

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Iterator, Mapping

    from batcher.ledger.event import ErrorRecord, Result
    from batcher.models import Image
    from batcher.record import Record

SHORTEST_PREFIX = 4
"""Characters of an id that are taken for one."""

MOST_NAMES = 20_000
"""Names that are compared to find near ones."""

NAMED = 5
"""Requests that an error names."""


class Way(IntEnum):
    """How a request was found; the first way that finds any counts."""

    PATH = 0
    ID = 1
    NAME = 2
    CONTENT = 3
    PREFIX = 4


class Search:
    """What one word on the command line may mean.

    Args:
        folder: The run directory.
        word: An id or its beginning, a name, or a file, relative to here or to the
            run directory.
    """

    def __init__(self, folder: Path, word: str) -> None:
        self._folder = folder
        self._word = word
        self._paths = {Path(word).as_posix()}
        inner, file = folder.resolve(), Path(word).resolve()
        if file.is_relative_to(inner):
            self._paths.add(file.relative_to(inner).as_posix())
        self._sha256 = _digest(file) if file.is_file() else None

    def find(self, records: Iterable[Record]) -> Record:
        """Give the one request that is meant.

        Raises:
            UsageError: There is none, or more than one.
        """
        found: dict[Way, list[Record]] = {way: [] for way in Way}
        names: list[str] = []
        for record in records:
            way = self._way(record)
            if way is not None and len(found[way]) <= NAMED:
                found[way].append(record)
            if record.result is not None and len(names) < MOST_NAMES:
                names.append(record.result.name)
        best = next(filter(None, found.values()), [])
        if len(best) != 1:
            raise self._many(best) if best else self._none(names)
        return best[0]

    def _way(self, record: Record) -> Way | None:
        images = record.result.images if record.result is not None else ()
        name = record.result.name if record.result is not None else None
        ways = (
            (Way.PATH, any(image.path in self._paths for image in images)),
            (Way.ID, record.id == self._word),
            (Way.NAME, name == self._word),
            (Way.CONTENT, any(image.sha256 == self._sha256 for image in images)),
            (Way.PREFIX, record.id.startswith(self._prefix)),
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

    def _none(self, names: list[str]) -> UsageError:
        if self._sha256 is not None:
            words = f"{self._word!r} is no image of {str(self._folder)!r}"
            return UsageError(
                f"{words}: its path and its content are not in the ledger"
            )
        near = difflib.get_close_matches(self._word, names, n=3)
        hint = f"; near: {', '.join(map(repr, near))}" if near else ""
        words = f"{str(self._folder)!r} holds no id, name or file {self._word!r}"
        return UsageError(f"{words}{hint or '; `batcher list` shows what it holds'}")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.add_argument("folder", metavar="DIR")
    parser.add_argument("word", metavar="ID|NAME|FILE", help="4 characters of an id do")
    parser.add_argument("--json", action="store_true", help="result line and history")


def execute(parsed: argparse.Namespace) -> int:
    """Find and print."""
    folder = Path(parsed.folder)
    records = read_records(folder, read_folder(folder).standings)
    record = Search(folder, parsed.word).find(records)
    lines = list(history(folder, record.id))
    if parsed.json:
        print_json({**record.line(), "history": lines})
        return 0
    width = screen_width()
    for line in _lines(record):
        print(clip(line, width))
    print("history")
    rows = [_event(line) for line in lines]
    head = ("time", "event", "attempt", "")
    for row in [*table_lines(head, rows, width - 2)][1:]:
        print(f"  {row}")
    return 0


def _lines(record: Record) -> Iterator[str]:
    result = record.result
    yield safe(f"{result.name}  {record.id}" if result is not None else record.id)
    yield from _rows("status", [record.status])
    if result is None:
        return
    request = dict(result.request)
    prompt = request.pop("prompt", "")
    yield from _rows("prompt", [cell(prompt)])
    yield from _rows("request", [cell(request)])
    yield from _rows("vars", [cell(result.vars)])
    yield from _rows("result", [_outcome(result)])
    yield from _rows("warnings", [cell(result.warnings)])
    yield from _rows("error", [_error(result.error)])
    yield from _rows("images", map(_image, result.images))
    yield from _rows("revised", (safe(i.revised_prompt or "") for i in result.images))


def _rows(label: str, values: Iterable[str]) -> Iterator[str]:
    for value in filter(None, values):
        yield f"  {label:<9} {value}"
        label = ""


def _outcome(result: Result) -> str:
    tries = "1 attempt" if result.attempts == 1 else f"{result.attempts} attempts"
    parts = [f"{result.status} after {tries}"]
    if result.cost_usd is not None:
        parts.append(f"cost {usd(result.cost_usd)}")
    if result.maybe_billed_usd:
        parts.append(f"maybe billed for nothing {usd(result.maybe_billed_usd)}")
    if result.latency is not None:
        parts.append(f"latency {duration(result.latency)}")
    if result.request_id:
        parts.append(f"request id {safe(result.request_id)}")
    return ", ".join(parts)


def _error(error: ErrorRecord | None) -> str:
    if error is None:
        return ""
    parts = (error.error_class, error.status, error.code, error.message)
    return " ".join(cell(part) for part in parts if part)


def _image(image: Image) -> str:
    size = f"{image.width}x{image.height}, {image.bytes:,} bytes"
    return (
        f"{safe(image.path)}  {safe(image.format)} {size}, sha256 {image.sha256[:16]}"
    )


def _event(line: Mapping[str, object]) -> list[str]:
    """Make a row of the history from a line of the ledger."""
    error = line.get("error")
    parts = [cell(line.get("status"))]
    if isinstance(error, dict):
        known = [error.get(key) for key in ("class", "status", "code", "message")]
        parts += [cell(each) for each in known if each]
    for field, words in _EVENT_WORDS.items():
        if line.get(field):
            parts.append(words.format(cell(line[field])))
    number = cell(line.get("attempt", line.get("attempts")))
    row = [cell(line.get("at")), cell(line.get("event")), number]
    return [*row, " ".join(filter(None, parts))]


_EVENT_WORDS = {
    "endpoint": "to {}",
    "maybe_billed": "maybe billed",
    "delay": "again after {} s",
    "request_id": "request id {}",
}


def _brief(record: Record) -> str:
    name = f" ({safe(record.result.name)})" if record.result is not None else ""
    return f"{record.id} {record.status}{name}"


def _digest(file: Path) -> str | None:
    try:
        with file.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError:
        return None

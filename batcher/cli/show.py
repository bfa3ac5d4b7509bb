"""`batcher show`: one request or image, whence it came."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, BinaryIO

import msgspec

from batcher.cli.encode import print_json
from batcher.cli.folder import open_run, read_run
from batcher.cli.search import Search
from batcher.cli.table import cell, clip, safe, screen_width, table_lines
from batcher.cli.words import duration, usd
from batcher.errors import UsageError
from batcher.images import Defect, Inspector, read_provenance
from batcher.ledger import history, read_results
from batcher.ledger.event import Result
from batcher.models import Image
from batcher.plural import counted
from batcher.provenance import history_in, recorded
from batcher.record import ODD_LINE, Record, read_all_records, read_records
from batcher.stores import is_url, open_directory

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Iterator

    from batcher.ledger.event import ErrorRecord
    from batcher.stores import Directory


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.add_argument("folder", metavar="DIR", help="or a FILE that says it itself")
    parser.add_argument(
        "word", nargs="?", metavar="ID|NAME|FILE", help="4 characters of an id do"
    )
    parser.add_argument("--json", action="store_true", help="result line and history")


def execute(parsed: argparse.Namespace) -> int:
    """Find and print."""
    if parsed.word is None:
        story = _told_by(parsed.folder)
        if story is None:
            words = _no_story(parsed.folder)
            raise UsageError(f"{parsed.folder!r} {words}")
    else:
        story = _of_run(parsed.folder, parsed.word)
    if parsed.json:
        by = {} if story.latest is None else {"replaced_by": _paths(story.latest)}
        print_json({**story.line, **by, "history": story.history})
        return 0
    width = screen_width()
    for line in _lines(story.record, story.latest):
        print(clip(line, width))
    print("history")
    rows = [_event(line) for line in story.history]
    head = ("time", "event", "attempt", "")
    for row in [*table_lines(head, rows, width - 2)][1:]:
        print(f"  {row}")
    return 0


def _no_story(place: str) -> str:
    if Path(place).is_dir():
        return "is a folder; name also an ID, NAME or FILE in it"
    if not is_url(place) and not Path(place).exists():
        return "is not there"
    return "is no image that says whence it came; name a DIR and what is in it"


class Story(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a request.

    Attributes:
        record: The request.
        line: Its result line, or what an image's file says in its place.
        history: Its lines of the ledger.
        latest: Its last result, where that has replaced the record's.
    """

    record: Record
    line: Mapping[str, object]
    history: Sequence[Mapping[str, object]]
    latest: Result | None = None


def _of_run(place: str, word: str) -> Story:
    """Find a request in a run directory, or else what a file says of itself."""
    directory = open_run(place)
    search = Search(directory, word)
    standings = read_run(directory, is_looking=True).standings
    record, latest = search.find(read_records(directory, standings)), None
    if record is None:
        record = search.find(read_all_records(directory, standings))
        latest = _last(directory, record)
    if record is not None:
        line, lines = record.line(), [*history(directory, record.id)]
        return Story(record=record, line=line, history=lines, latest=latest)
    story = _told_by(word)
    if story is None:
        raise search.none()
    return story


def _last(directory: Directory, record: Record | None) -> Result | None:
    """Give the last result of a request."""
    if record is None:
        return None
    return next((r for r in read_results(directory) if r.id == record.id), None)


def _told_by(file: str) -> Story | None:
    """Read what an image's file says of itself, where it does."""
    try:
        stream = _opened(file)
        if stream is None:
            return None
        with stream:
            known = read_provenance(_pieces(stream))
            stream.seek(0)
            image = _described(stream, PurePosixPath(file).name)
    except OSError:
        return None
    if known is None or image is None:
        return None
    result = recorded(known, image)
    if result is None:
        return None
    record = Record(id=result.id, result=result)
    return Story(record=record, line=known, history=history_in(known))


def _opened(file: str) -> BinaryIO | None:
    """Open a file here or at a URL; None when there is none."""
    if not is_url(file):
        return Path(file).open("rb")
    place, _, name = file.rpartition("/")
    return open_directory(place).open(name) if name else None


def _described(stream: BinaryIO, name: str) -> Image | None:
    """Say what a whole image's file is."""
    inspector, digest, size = Inspector(), hashlib.sha256(), 0
    for piece in _pieces(stream):
        inspector.feed(piece)
        digest.update(piece)
        size += len(piece)
    properties = inspector.finish()
    if isinstance(properties, Defect):
        return None
    return Image(
        index=0,
        path=name,
        bytes=size,
        sha256=digest.hexdigest(),
        format=properties.format.value,
        width=properties.width,
        height=properties.height,
    )


def _pieces(stream: BinaryIO) -> Iterator[bytes]:
    return iter(lambda: stream.read(1 << 20), b"")


def _lines(record: Record, latest: Result | None) -> Iterator[str]:
    result = record.result
    yield safe(record.id if record.name is None else f"{record.name}  {record.id}")
    yield from _rows("status", [record.status])
    if result is None:
        yield from _rows("odd", [ODD_LINE] if record.odd is not None else [])
        yield from _rows("images", (safe(image.path) for image in record.images))
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
    if latest is not None:
        by = ", ".join(map(safe, _paths(latest))) or f"no image: {latest.status}"
        yield from _rows("replaced", [f"by {by}"])
    yield from _rows("revised", (safe(i.revised_prompt or "") for i in result.images))


def _rows(label: str, values: Iterable[str]) -> Iterator[str]:
    for value in filter(None, values):
        yield f"  {label:<9} {value}"
        label = ""


def _outcome(result: Result) -> str:
    parts = [f"{result.status} after {counted(result.attempts, 'attempt')}"]
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


def _paths(result: Result) -> list[str]:
    return [image.path for image in result.images]


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

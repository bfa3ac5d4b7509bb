"""What is known of one request, as flat fields to select and list by.

From the ledger, or from a manifest before anything is sent; the clock is a parameter.
"""

from __future__ import annotations

from contextlib import suppress
from decimal import Decimal
from typing import TYPE_CHECKING

import msgspec

from batcher.ledger import Standing, Standings, State, read_results
from batcher.ledger.event import Result
from batcher.ledger.line import ImageLine, Line
from batcher.ledger.reader import raw_lines, result_lines
from batcher.ledger.standing import images_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from pathlib import Path

    from batcher.models import Image, Request
    from batcher.stores import Directory


ODD_LINE = "its line in the ledger lacks what is needed of it, such as sha256"
NO_IMAGE = "its line in the ledger says that it is kept, and names no image"


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """A request that a ledger names.

    Attributes:
        id: The request's id.
        result: How it ended last; None when it never did.
        standing: Where it stands, which may be later than its result: it was sent
            again, or put back. None when the result came after the ledger was read.
        announced: The name it was sent under; None once there is a result.
        odd: What can be read of its result where that line is odd: a field is missing
            or of another kind, as after an edit by hand.
    """

    id: str
    result: Result | None = None
    standing: Standing | None = None
    announced: str | None = None
    odd: Line | None = None

    @property
    def name(self) -> str | None:
        """The user's label, when some line says it."""
        ended = self.result or self.odd
        return ended.name if ended is not None else self.announced

    @property
    def images(self) -> tuple[Image, ...] | tuple[ImageLine, ...]:
        """The images that its result names."""
        if self.result is not None:
            return self.result.images
        return () if self.odd is None else images_of(self.odd)

    @property
    def status(self) -> str:
        """Where it stands: a `State` of the ledger."""
        if self.standing is not None:
            return self.standing.state.value
        return self.result.status.value if self.result else "new"

    def fields(self, now: datetime) -> dict[str, object]:
        """Give its fields by name, those that are known.

        Args:
            now: What `since`, the seconds since it ended, is counted to.
        """
        fields: dict[str, object] = {"id": self.id, "name": self.name}
        if self.odd is not None:
            fields |= odd_fields(self.odd)
        if self.result is not None:
            fields |= result_fields(self.result, now)
        if self.standing is not None:
            fields |= standing_fields(self.standing)
        return fields

    def line(self) -> dict[str, object]:
        """Give its result line, with the status where it stands now.

        Of an odd line, what the fold reads of it.
        """
        ended = self.result or self.odd
        if ended is None:
            known = standing_fields(self.standing)
            return {"id": self.id, "name": self.name, **known}
        line = msgspec.to_builtins(ended, builtin_types=(Decimal,))
        own = {name: line[name] for name in line if name in _RESULT_FIELDS}
        return {**own, "status": self.status}


_RESULT_FIELDS = frozenset({"event", *Result.__struct_encode_fields__})


def read_records(
    place: Path | str | Directory, standings: Standings
) -> Iterator[Record]:
    """Walk every request of a run directory: those that ended, then the others.

    Args:
        place: The run directory.
        standings: What was read of its ledger.

    Raises:
        StoreError: The ledger cannot be read.
    """
    ended: set[int] = set()
    for result in read_results(place):
        # A number per request, not its id: a ledger may name a million.
        ended.add(hash(result.id))
        yield Record(id=result.id, result=result, standing=standings.get(result.id))
    others = [id_ for id_ in standings if hash(id_) not in ended]
    odd = frozenset(id_ for id_ in others if _has_ended(standings.get(id_)))
    lines = result_lines(place, odd) if odd else {}
    for id_ in others:
        yield Record(
            id=id_,
            standing=standings.get(id_),
            announced=standings.name(id_),
            odd=lines.get(id_),
        )


def _has_ended(standing: Standing | None) -> bool:
    """Tell whether there is a result line of a request."""
    return standing is not None and standing.state in _ENDED


_ENDED = frozenset({State.SUCCEEDED, State.LOST, State.FAILED, State.REJECTED})


def read_all_records(
    place: Path | str | Directory, standings: Standings
) -> Iterator[Record]:
    """Walk every result of a run directory, those that a later one replaced as well.

    A forced run replaces a result, and leaves the files that it names.

    Args:
        place: The run directory.
        standings: What was read of its ledger.

    Raises:
        StoreError: The ledger cannot be read.
    """
    decode = msgspec.json.Decoder(Result).decode
    for _, raw in raw_lines(place):
        with suppress(msgspec.DecodeError, UnicodeDecodeError):
            result = decode(raw)
            yield Record(id=result.id, result=result, standing=standings.get(result.id))


def result_fields(result: Result, now: datetime) -> dict[str, object]:
    """Give the fields of a result line.

    Fields of the request come by their own names, those of its images as tuples.
    """
    error = result.error
    images = result.images
    return {
        **result.request,
        "vars": result.vars,
        "usage": result.usage,
        "id": result.id,
        "name": result.name,
        "status": result.status.value,
        "attempts": result.attempts,
        "at": result.at.isoformat().replace("+00:00", "Z"),
        "since": (now - result.at).total_seconds(),
        "cost": result.cost_usd,
        "cost_usd": result.cost_usd,
        "maybe_billed_usd": result.maybe_billed_usd,
        "latency": result.latency,
        "request_id": result.request_id,
        "warnings": result.warnings,
        "class": error.error_class if error else None,
        "code": error.code if error else None,
        "message": error.message if error else None,
        "path": tuple(image.path for image in images),
        "format": tuple(image.format for image in images),
        "width": tuple(image.width for image in images),
        "height": tuple(image.height for image in images),
        "bytes": tuple(image.bytes for image in images),
        "sha256": tuple(image.sha256 for image in images),
    }


def odd_fields(line: Line) -> dict[str, object]:
    """Give the fields of a result line that is odd."""
    images = images_of(line)
    return {
        "cost": line.cost_usd,
        "cost_usd": line.cost_usd,
        "maybe_billed_usd": line.maybe_billed_usd,
        "path": tuple(image.path for image in images),
        "bytes": tuple(image.bytes for image in images),
    }


def request_fields(request: Request, standing: Standing | None) -> dict[str, object]:
    """Give the fields of a manifest's request, before it is sent.

    Args:
        request: The request; of its reference images the digests are given.
        standing: What the ledger says of it; without it, it is `new`.
    """
    return {
        **request.described(),
        "vars": request.vars,
        "id": request.id,
        "name": request.name,
        "output": request.output,
        **standing_fields(standing),
    }


def standing_fields(standing: Standing | None) -> dict[str, object]:
    """Give the fields that say where a request stands."""
    if standing is None:
        return {"status": "new", "attempts": 0}
    return {
        "status": standing.state.value,
        "attempts": standing.attempts,
        "class": standing.error_class,
        "warnings": standing.warnings,
    }

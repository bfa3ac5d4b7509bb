"""The lines of the ledger, as values, and their JSON (README, Ledger).

Unknown fields and unknown events are ignored by readers, so that an older batcher
reads a newer one's ledger.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal

import msgspec
from msgspec import UNSET, UnsetType
from msgspec.structs import force_setattr

from batcher.errors import StoreError
from batcher.json_text import to_json
from batcher.ledger.fold import Standings
from batcher.models import ErrorClass, Failure, Image, Status, Summary

FORMAT = 1
"""Version of the ledger's format, `v` of every `run` line."""


class ErrorRecord(msgspec.Struct, frozen=True, kw_only=True):
    """An attempt's or a request's error as the ledger keeps it."""

    error_class: str = msgspec.field(name="class")
    status: int | None = None
    code: str | None = None
    message: str = ""

    @classmethod
    def of(cls, failure: Failure) -> ErrorRecord:
        """Keep of a failure what a reader needs."""
        return cls(
            error_class=failure.error_class.value,
            status=failure.status,
            code=failure.code,
            message=failure.message,
        )


class ManifestRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A manifest of a run."""

    path: str
    sha256: str


class EndpointRecord(msgspec.Struct, frozen=True, kw_only=True):
    """Where a run sends to; never with a key."""

    name: str
    base_url: str


class Run(msgspec.Struct, frozen=True, kw_only=True, tag_field="event", tag="run"):
    """A run starts.

    Attributes:
        orphans: Ids that were bought and that the manifest lacks, as was accepted: by
            the user, or by a run of the whole manifest that had nothing new to send.
    """

    at: datetime
    v: int = FORMAT
    run: str
    batcher: str
    manifests: tuple[ManifestRecord, ...]
    endpoint: EndpointRecord
    settings: Mapping[str, object]
    total: int
    shard: tuple[int, int] | UnsetType = UNSET
    orphans: tuple[str, ...] | UnsetType = UNSET


class Attempt(
    msgspec.Struct, frozen=True, kw_only=True, tag_field="event", tag="attempt"
):
    """A POST is about to leave."""

    at: datetime
    id: str
    name: str | UnsetType = UNSET
    attempt: int
    reserved_usd: Decimal | UnsetType = UNSET
    endpoint: str | UnsetType = UNSET


class Retry(msgspec.Struct, frozen=True, kw_only=True, tag_field="event", tag="retry"):
    """An attempt failed and another will follow, in this run or the next.

    Attributes:
        later: The run stops for it, so no delay leads to another attempt.
    """

    at: datetime
    id: str
    attempt: int
    error: ErrorRecord
    maybe_billed: bool
    delay: float
    request_id: str | None = None
    later: bool | UnsetType = UNSET

    @classmethod
    def put_back(cls, id_: str, attempt: int, why: str) -> Retry:
        """Let a kept request stand as pending: its image is to be made anew."""
        return cls(
            at=now(),
            id=id_,
            attempt=attempt,
            error=ErrorRecord(error_class=ErrorClass.BAD_REPLY.value, message=why),
            maybe_billed=False,
            delay=0.0,
        )


class Reply(msgspec.Struct, frozen=True, kw_only=True, tag_field="event", tag="reply"):
    """A reply holds URLs, which are about to be fetched.

    Attributes:
        indexes: Which image of the reply each partial file's number stands for; those
            of `urls` come last.
    """

    at: datetime
    id: str
    attempt: int
    urls: tuple[str, ...]
    indexes: Mapping[int, int] | UnsetType = UNSET
    request_id: str | None = None
    revised_prompts: tuple[str | None, ...] = ()
    usage: Mapping[str, object] | None = None


class Unknown(
    msgspec.Struct, frozen=True, kw_only=True, tag_field="event", tag="unknown"
):
    """An attempt's outcome is not known, and the request is left so."""

    at: datetime
    id: str
    attempt: int
    error: ErrorRecord
    request_id: str | None = None


class Result(
    msgspec.Struct, frozen=True, kw_only=True, tag_field="event", tag="result"
):
    """A request has ended."""

    at: datetime
    id: str
    name: str
    status: Status
    attempts: int
    request: Mapping[str, object]
    vars: Mapping[str, object]
    images: tuple[Image, ...] = ()
    usage: Mapping[str, object] | None = None
    cost_usd: Decimal | None = None
    maybe_billed_usd: Decimal | None = None
    latency: float | None = None
    request_id: str | None = None
    warnings: tuple[str, ...] = ()
    error: ErrorRecord | None = None

    def __post_init__(self) -> None:
        if self.at.tzinfo is None:  # nothing that batcher wrote: taken as UTC
            force_setattr(self, "at", self.at.replace(tzinfo=UTC))


class Control(
    msgspec.Struct, frozen=True, kw_only=True, tag_field="event", tag="control"
):
    """A running run was told something by hand."""

    at: datetime
    command: str
    value: Decimal | None = None


class End(msgspec.Struct, frozen=True, kw_only=True, tag_field="event", tag="end"):
    """A run ends; carries the summary's counts."""

    at: datetime
    run: str
    reason: str
    total: int
    succeeded: int
    failed: int
    rejected: int
    unknown: int
    pending: int
    skipped: int
    images: int
    attempts: int
    spent_usd: Decimal | None
    maybe_billed_usd: Decimal | None
    errors: Mapping[str, int]
    warnings: Mapping[str, int]
    seconds: float
    exit_code: int
    message: str | None = None

    @classmethod
    def of(cls, summary: Summary, *, at: datetime, run: str, reason: str) -> End:
        """Make the last line of a run from its summary."""
        counts = {
            name: getattr(summary, name)
            for name in cls.__struct_fields__
            if hasattr(summary, name)
        }
        message = summary.stopped["message"] if summary.stopped else None
        return cls(at=at, run=run, reason=reason, message=message, **counts)


class Compacted(
    msgspec.Struct, frozen=True, kw_only=True, tag_field="event", tag="compacted"
):
    """What the lines that a compaction left out add to the sums.

    As a ledger's first line: whose segments were merged into it, and count no more.
    """

    at: datetime
    attempts: int
    cost_usd: Decimal | None
    writers: tuple[str, ...] | UnsetType = UNSET


Event = Run | Attempt | Retry | Reply | Unknown | Result | Control | End | Compacted


def now() -> datetime:
    """Give the time that a line is stamped with."""
    return datetime.now(UTC)


def encode(event: Event) -> bytes:
    """Make an event's line, its newline included.

    Raises:
        StoreError: No reader would take it, so it must not be written.
    """
    try:
        line = to_json(event) + b"\n"
        Standings().take(line)  # what an empty ledger takes, every ledger does
    except (ValueError, RecursionError) as error:
        kind = type(event).__name__.lower()
        words = f"cannot write the ledger's {kind!r} line: {error}"
        raise StoreError(words) from error
    return line

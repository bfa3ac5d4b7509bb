"""The values that pass between the parts: requests, images, failures, summaries.

Knows nothing of files, sockets or clocks. Every value is frozen; change one with
`msgspec.structs.replace`.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping
from decimal import Decimal
from enum import StrEnum

import msgspec


class Status(StrEnum):
    """How a request ended (README, Ledger)."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    REJECTED = "rejected"


class ErrorClass(StrEnum):
    """What kind of failure an attempt met (README, Errors of a request)."""

    CONNECT = "connect"
    RATE_LIMITED = "rate_limited"
    OVERLOADED = "overloaded"
    SERVER = "server"
    AMBIGUOUS = "ambiguous"
    BAD_REPLY = "bad_reply"
    DOWNLOAD = "download"
    MODERATION = "moderation"
    INVALID = "invalid"
    AUTH = "auth"
    QUOTA = "quota"
    CONFIG = "config"
    STORE = "store"
    LEASE = "lease"
    SPEND = "spend"


MAYBE_BILLED = frozenset({ErrorClass.AMBIGUOUS, ErrorClass.BAD_REPLY})
"""Classes after which the gateway may have drawn, and charged for, an image."""


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """Why an attempt, or a whole run, did not succeed.

    Attributes:
        error_class: What kind of failure it was.
        message: The gateway's or the system's own words, cleaned for a terminal.
        status: The HTTP status, when there was one.
        code: The body's `error.code`, when it had one.
        retry_after: Seconds the gateway asked to wait, when it did.
        request_id: The gateway's id for this attempt, needed for refunds.
        final: The gateway said that trying again is of no use.
        parameter: The field that the gateway does not know, when it refused one.
        seconds: How long the attempt had lasted.
    """

    error_class: ErrorClass
    message: str
    status: int | None = None
    code: str | None = None
    retry_after: float | None = None
    request_id: str | None = None
    final: bool = False
    parameter: str | None = None
    seconds: float | None = None

    @property
    def maybe_billed(self) -> bool:
        """Tell whether the attempt may have cost money."""
        return self.error_class in MAYBE_BILLED


class RateHint(msgspec.Struct, frozen=True, kw_only=True):
    """What a reply's `x-ratelimit-*` headers say.

    Attributes:
        limit_requests: Requests a minute.
        remaining_requests: Requests left until the reset.
        limit_images: Images a minute.
        remaining_images: Images left until the reset.
        reset_seconds: Until the counts are full again.
    """

    limit_requests: int | None = None
    remaining_requests: int | None = None
    limit_images: int | None = None
    remaining_images: int | None = None
    reset_seconds: float | None = None


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """One mistake in a manifest or its files.

    Attributes:
        file: The file as the user named it.
        line: 1-based line, or None when the file as a whole is wrong.
        field: The field's path, such as `requests[2].size`.
        message: What is wrong and what to do about it.
    """

    file: str
    line: int | None
    field: str | None
    message: str

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        return ": ".join(part for part in (place, self.field, self.message) if part)


class Reference(msgspec.Struct, frozen=True, kw_only=True):
    """A reference image of a request.

    Attributes:
        text: What stands on the wire for a URL, a data: URI or Base64 text; for a
            file, its path.
        digest: `sha256:…` of the image's bytes; None for a URL, which is itself.
        is_file: `text` is a path, read when the request is sent.
    """

    text: str
    digest: str | None = None
    is_file: bool = False


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """One unit of paid work: one POST's content, with a stable id.

    Attributes:
        id: Content hash of the wire request and its sample's number.
        name: The user's label.
        body: Every field to send but `image`.
        references: The reference images, in order.
        single_reference: `image` was given as one value, not as a list.
        vars: The variables the request was made from.
        output: Relative path of the image without its ending, `/`-separated.
        origin: `file:line` of the manifest entry.
        dropped: Fields that the gateway does not take and that are not sent.
    """

    id: str
    name: str
    body: Mapping[str, object]
    references: tuple[Reference, ...] = ()
    single_reference: bool = False
    vars: Mapping[str, object]
    output: str
    origin: str
    dropped: tuple[str, ...] = ()

    @property
    def n(self) -> int:
        """Number of images asked for."""
        n = self.body.get("n")
        return n if isinstance(n, int) and n > 0 else 1

    @property
    def model(self) -> str:
        """Model's name as sent."""
        return str(self.body["model"])

    @property
    def size(self) -> str | None:
        """Size as sent, `WIDTHxHEIGHT` or `auto`, or None when not set."""
        return _text(self.body.get("size"))

    @property
    def quality(self) -> str | None:
        """Quality as sent, or None when not set."""
        return _text(self.body.get("quality"))

    def without(self, fields: Iterable[str]) -> Request:
        """Give the same request, under the same id, that does not send some fields."""
        dropped = tuple(field for field in fields if field in self.body)
        if not dropped:
            return self
        body = {key: value for key, value in self.body.items() if key not in dropped}
        return msgspec.structs.replace(
            self, body=body, dropped=(*self.dropped, *dropped)
        )

    def described(self) -> dict[str, object]:
        """Give the request as the ledger keeps it: image data as digests."""
        if not self.references:
            return dict(self.body)
        images = [reference.digest or reference.text for reference in self.references]
        return {**self.body, "image": images[0] if self.single_reference else images}


class Image(msgspec.Struct, frozen=True, kw_only=True):
    """One kept file.

    Attributes:
        index: 0-based position in the reply.
        path: Relative to the run directory, `/`-separated.
        bytes: Size of the file.
        sha256: Hex digest of the file.
        format: `png`, `jpeg`, `webp` or `gif`, told from the bytes.
        width: Pixels.
        height: Pixels.
        revised_prompt: The prompt as the gateway rewrote it, when it said so.
    """

    index: int
    path: str
    bytes: int
    sha256: str
    format: str
    width: int
    height: int
    revised_prompt: str | None = None


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """What a run directory holds, in numbers (README, Ledger).

    Attributes:
        total: Requests asked for.
        succeeded: Kept.
        failed: Transient failures whose attempts are used up.
        rejected: The gateway will not make them.
        unknown: Sent, outcome not known, maybe billed.
        pending: Not ended yet, or lost.
        skipped: Left alone by the run that wrote this, most of them kept before.
        images: Files kept.
        attempts: POSTs announced in the ledger.
        spent_usd: Cost of what succeeded; None when nothing has a price.
        maybe_billed_usd: Cost of what may have been billed without an image.
        errors: Ended requests by class of their last error.
        warnings: Kept requests by warning code.
        seconds: Duration of the run.
        out: The run directory.
        exit_code: What the command exits with.
        stopped: Why the run stopped early, `{class, message}`.
        estimated_usd: What the plan of this run said it would cost.
        paid_usd: What this run did cost, without what is maybe billed.
        notes: What the user should know of how it went.
        lost: Of the pending ones, those kept before; the file is gone or changed.
    """

    total: int
    succeeded: int = 0
    failed: int = 0
    rejected: int = 0
    unknown: int = 0
    pending: int = 0
    skipped: int = 0
    images: int = 0
    attempts: int = 0
    spent_usd: Decimal | None = None
    maybe_billed_usd: Decimal | None = None
    errors: Mapping[str, int]
    warnings: Mapping[str, int]
    seconds: float = 0.0
    out: str
    exit_code: int = 0
    stopped: Mapping[str, str] | None = None
    estimated_usd: Decimal | None = None
    paid_usd: Decimal | None = None
    notes: tuple[str, ...] = ()
    lost: int = 0

    def __await__(self) -> Generator[None, None, Summary]:
        """Be its own result: `await run(…)` and `run(…)` read alike."""
        yield from ()
        return self


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None

"""Reads ledger lines: of any event, the fields that a resume and `status` decide by.

What stands in a line besides is skipped, not made; `event` holds the lines in full.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

import msgspec

from batcher.models import Status

LARGEST_USD = Decimal(10**9)
"""Beyond it, a sum of money in a line is damage."""

KNOWN = frozenset(
    {"run", "attempt", "retry", "reply", "unknown", "result", "end", "compacted"}
)
"""The events this version writes and the fold reads."""


class ImageLine(msgspec.Struct, frozen=True):
    """Of an image's record, what a resume checks."""

    path: str
    bytes: int


class ErrorLine(msgspec.Struct, frozen=True):
    """Of an error's record, what a resume decides by."""

    error_class: str = msgspec.field(name="class")


class ReplyLine(msgspec.Struct, frozen=True, kw_only=True):
    """Of a reply that held URLs, what a later fetch needs."""

    attempt: int
    urls: tuple[str, ...]
    indexes: dict[int, int] = {}
    request_id: str | None = None
    revised_prompts: tuple[str | None, ...] = ()
    usage: dict[str, object] | None = None


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """Of any event, the fields that the fold reads; the rest is skipped.

    Raises:
        ValueError: A sum of money is none.
    """

    event: str
    id: str | None = None
    name: str | None = None
    attempt: int = 0
    attempts: int = 0
    reserved_usd: Decimal | None = None
    maybe_billed: bool = False
    error: ErrorLine | None = None
    urls: tuple[str, ...] = ()
    indexes: dict[int, int] = {}
    request_id: str | None = None
    revised_prompts: tuple[str | None, ...] = ()
    usage: dict[str, object] | None = None
    status: Status | None = None
    images: tuple[ImageLine, ...] | int = ()
    warnings: tuple[str, ...] | dict[str, int] = ()
    cost_usd: Decimal | None = None
    maybe_billed_usd: Decimal | None = None

    def __post_init__(self) -> None:
        for usd in (self.reserved_usd, self.cost_usd, self.maybe_billed_usd):
            if usd is not None and not (usd.is_finite() and 0 <= usd < LARGEST_USD):
                raise ValueError(f"{str(usd)!r} is not a sum of money")


class RunLine(msgspec.Struct, frozen=True, kw_only=True):
    """Of a `run` line, what `status` and a resume read."""

    at: datetime
    run: str
    total: int
    shard: tuple[int, int] | None = None
    manifests: tuple[dict[str, str], ...] = ()
    endpoint: dict[str, str] = {}
    orphans: tuple[str, ...] = ()


class EndLine(msgspec.Struct, frozen=True, kw_only=True):
    """Of an `end` line, what `status` reads."""

    at: datetime
    run: str
    reason: str
    seconds: float = 0.0
    skipped: int = 0
    exit_code: int | None = None
    message: str | None = None


class _Head(msgspec.Struct, frozen=True):
    event: str


def read_line(raw: bytes) -> Line | None:
    """Read one line; None for an unknown event whose fields are of other types.

    Raises:
        msgspec.DecodeError: The line is damaged.
    """
    try:
        return _line(raw)
    except msgspec.ValidationError:
        if _is_known(raw):
            raise
        return None
    except (UnicodeDecodeError, RecursionError) as error:
        raise msgspec.DecodeError(str(error)) from error


def _is_known(raw: bytes) -> bool:
    """Tell whether a line that does not fit is one of ours, or none at all."""
    try:
        return _head(raw).event in KNOWN
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return True


_line = msgspec.json.Decoder(Line).decode
_head = msgspec.json.Decoder(_Head).decode
read_run = msgspec.json.Decoder(RunLine).decode
read_end = msgspec.json.Decoder(EndLine).decode

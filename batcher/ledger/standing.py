"""Says where one request stands, and how each line about it moves it on.

Pure: a table of steps by event. What a whole ledger says is `fold`'s.
"""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING

import msgspec

from batcher.ledger.line import ImageLine, Line, ReplyLine
from batcher.models import ErrorClass, Status

if TYPE_CHECKING:
    from collections.abc import Callable

ZERO = Decimal(0)


class State(StrEnum):
    """Where a request stands."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    REJECTED = "rejected"
    UNKNOWN = "unknown"  # sent, outcome not known
    PENDING = "pending"  # tried, known not to be kept, not ended
    REPLIED = "replied"  # paid: its URLs are known and not yet fetched
    LOST = "lost"  # succeeded, but its file is gone or has another size


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """What the ledger says of one request.

    Attributes:
        state: Where it stands.
        attempts: The highest attempt number announced.
        images: Files kept.
        warnings: Codes of its last result.
        error_class: Class of its last error.
        maybe_billed: USD of attempts that may have been billed for nothing.
        open_usd: USD reserved for the attempt that has no outcome yet.
        reply: Its URLs, when it was paid and has to be fetched yet.
        paid: USD of that reply which a result has counted already.
    """

    state: State
    attempts: int = 0
    images: int = 0
    warnings: tuple[str, ...] = ()
    error_class: str | None = None
    maybe_billed: Decimal = ZERO
    open_usd: Decimal | None = None
    reply: ReplyLine | None = None
    paid: Decimal = ZERO

    @property
    def is_open(self) -> bool:
        """Tell whether an image may yet be found: half kept, or at its URL.

        Also of a kept request whose next attempt, a forced one, was interrupted.
        """
        return (
            self.state is State.UNKNOWN
            or self.reply is not None
            or self.open_usd is not None
        )


NEW = Standing(state=State.PENDING)
"""Where a request stands that no line has named yet."""


def _attempt(before: Standing, line: Line) -> Standing:
    """Open an attempt; one that was still open has become a maybe-billed one.

    A kept image stays kept: who announces another attempt may not have known of it,
    because it came late, from a worker that had lost its shard in the meantime.
    """
    is_kept = before.state is State.SUCCEEDED
    return Standing(
        state=State.SUCCEEDED if is_kept else State.UNKNOWN,
        attempts=max(before.attempts, line.attempt),
        images=before.images if is_kept else 0,
        warnings=before.warnings if is_kept else (),
        maybe_billed=before.maybe_billed + (before.open_usd or ZERO),
        open_usd=line.reserved_usd or ZERO,
    )


def _is_late(before: Standing, attempt: int) -> bool:
    """Tell whether a line is about an attempt that a later one has made good for."""
    return before.state is State.SUCCEEDED and attempt < before.attempts


def is_told(before: Standing, line: Line) -> bool:
    """Tell whether a result is the second one of an attempt, which is paid once.

    A worker that was frozen has kept what another had adopted meanwhile.
    """
    is_settled = before.state is State.SUCCEEDED and before.open_usd is None
    return is_settled and before.attempts == line.attempts > 0


def _retry(before: Standing, line: Line) -> Standing:
    """Close an attempt; one that was ambiguous is unknown until the next is known.

    Without an open attempt it puts a kept request back, to be made anew.
    """
    if _is_late(before, line.attempt):
        return before
    reserved = before.open_usd or ZERO
    maybe_billed = before.maybe_billed + (reserved if line.maybe_billed else ZERO)
    if before.state is State.SUCCEEDED and before.open_usd is not None:
        changes = {"maybe_billed": maybe_billed, "open_usd": None}
        return msgspec.structs.replace(before, **changes)
    error_class = _error_class(line)
    is_unknown = error_class == ErrorClass.AMBIGUOUS
    return Standing(
        state=State.UNKNOWN if is_unknown else State.PENDING,
        attempts=before.attempts,
        maybe_billed=maybe_billed,
        error_class=error_class,
    )


def _reply(before: Standing, line: Line) -> Standing:
    if _is_late(before, line.attempt):
        return before
    return msgspec.structs.replace(
        before,
        state=State.REPLIED,
        reply=ReplyLine(
            attempt=line.attempt,
            urls=line.urls,
            indexes=line.indexes,
            request_id=line.request_id,
            revised_prompts=line.revised_prompts,
            usage=line.usage,
        ),
    )


def _unknown(before: Standing, line: Line) -> Standing:
    if before.state is State.SUCCEEDED:
        return before
    return msgspec.structs.replace(
        before, state=State.UNKNOWN, error_class=_error_class(line)
    )


def _result(before: Standing, line: Line) -> Standing:
    status = State(line.status or Status.FAILED)
    if _is_late(before, line.attempts) and status is not State.SUCCEEDED:
        return before
    error_class = _error_class(line)
    is_lost = error_class == ErrorClass.DOWNLOAD and before.reply is not None
    cost = before.paid if line.cost_usd is None else line.cost_usd
    return Standing(
        state=status,
        attempts=max(before.attempts, line.attempts),
        images=len(images_of(line)),
        warnings=line.warnings if isinstance(line.warnings, tuple) else (),
        error_class=error_class,
        maybe_billed=line.maybe_billed_usd or ZERO,
        open_usd=before.open_usd if line.attempts < before.attempts else None,
        reply=before.reply if is_lost else None,
        paid=cost if is_lost else ZERO,
    )


def _error_class(line: Line) -> str | None:
    return line.error.error_class if line.error else None


def images_of(line: Line) -> tuple[ImageLine, ...]:
    """Give the kept images that a line names."""
    return line.images if isinstance(line.images, tuple) else ()


STEPS: dict[str, Callable[[Standing, Line], Standing]] = {
    "attempt": _attempt,
    "retry": _retry,
    "reply": _reply,
    "unknown": _unknown,
    "result": _result,
}
"""What a line does to where its request stands, by event; the others do nothing."""

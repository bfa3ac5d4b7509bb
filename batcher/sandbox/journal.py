"""Writes down what the sandbox was asked and what it charged: the other side's books.

Tests and users compare it with the ledger. It never sees a header, so no key is in it.
"""

from __future__ import annotations

from collections import deque
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from batcher.sandbox.reply import Document, encode

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

KEPT = 2000
"""Lines kept in memory; the file, if there is one, has them all."""

AS_SENT = ("prompt", "model", "size", "n", "watermark")


class Journal:
    """An append-only record, in memory and perhaps in a file.

    Args:
        path: File to append to; every line is there before `write` returns.

    Attributes:
        posts: POSTs received.
        images: Images drawn.
        billed: Images charged for.
        billed_micros: What was charged, in micro-dollars.
        downloads: Files asked for.
        keys_seen: Requests beyond the API that carried an Authorization header.
    """

    def __init__(self, path: Path | None) -> None:
        self.file = None if path is None else path.open("ab", buffering=0)
        self.lines: deque[Document] = deque(maxlen=KEPT)
        self.posts = self.images = self.billed = self.billed_micros = 0
        self.downloads = self.keys_seen = 0

    def __iter__(self) -> Iterator[Document]:
        return iter(tuple(self.lines))

    def __len__(self) -> int:
        return len(self.lines)

    @property
    def billed_usd(self) -> Decimal:
        """What was charged, in dollars."""
        return Decimal(self.billed_micros).scaleb(-6)

    def write(self, event: str, line: Mapping[str, object]) -> None:
        """Append a line with its event and the time (RFC 3339, UTC)."""
        at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        record: Document = {"event": event, "at": at, **line}
        self.lines.append(record)
        if self.file is not None:
            self.file.write(encode(record) + b"\n")

    def text(self) -> bytes:
        """Give the lines in memory as JSON lines."""
        return b"".join(encode(line) + b"\n" for line in self.lines)

    def close(self) -> None:
        """Close the file."""
        if self.file is not None:
            self.file.close()


def described(document: Mapping[str, object]) -> Document:
    """Describe a POST without its images: the fields as sent, absent if not sent."""
    return {
        **{field: document.get(field) for field in AS_SENT[:4]},
        **{field: document[field] for field in AS_SENT[4:] if field in document},
        "has_image": bool(document.get("image")),
        "fields": list(document),
    }

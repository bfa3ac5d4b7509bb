"""What the page is told of one request.

Pure. Merges a request's last result with where it stands now; knows neither the page
nor the disk. Field names are the ledger's (README, Ledger).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from pathlib import PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import quote

import msgspec

from batcher.ledger import Standing, State
from batcher.ledger.event import ErrorRecord

if TYPE_CHECKING:
    from batcher.ledger.event import Result
    from batcher.models import Image


class Picture(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One kept file, as the page links it.

    Attributes:
        path: Relative to the run directory, `/`-separated.
        src: URL relative to the page; None when the file is gone.
        thumb: URL of its thumbnail, relative to the page; None without one.
        bytes: Size of the file.
        format: `png`, `jpeg`, `webp` or `gif`.
        width: Pixels.
        height: Pixels.
        revised_prompt: The gateway's own wording, where it differs from the prompt.
    """

    path: str
    src: str | None = None
    thumb: str | None = None
    bytes: int
    format: str
    width: int
    height: int
    revised_prompt: str | None = None


class Sighting(msgspec.Struct, frozen=True, kw_only=True):
    """The last that was heard of a request that has not ended."""

    at: datetime
    name: str | None = None
    error: ErrorRecord | None = None


class Entry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One request of the page; a field the ledger does not know is left out.

    Attributes:
        id: The request's id.
        status: `succeeded`, `failed`, `rejected`, `unknown`, `pending` or `lost`.
        name: The user's label.
        at: When it ended, or was last heard of.
        attempts: How often it was tried.
        prompt: The prompt as sent.
        request: Every other field that was sent.
        vars: The variables it was made from.
        images: The kept files.
        cost_usd: What it cost.
        maybe_billed_usd: What may have been billed for nothing.
        latency: Seconds of the last attempt.
        request_id: The gateway's id.
        warnings: Short codes.
        error: Why it has no image.
        is_replied: It is paid, and its image is still to be fetched.
    """

    id: str
    status: str
    name: str | None = None
    at: datetime | None = None
    attempts: int = 0
    prompt: str | None = None
    request: Mapping[str, object] = {}
    vars: Mapping[str, object] = {}
    images: tuple[Picture, ...] = ()
    cost_usd: Decimal | None = None
    maybe_billed_usd: Decimal | None = None
    latency: float | None = None
    request_id: str | None = None
    warnings: tuple[str, ...] = ()
    error: ErrorRecord | None = None
    is_replied: bool = False


def ended(
    result: Result, standing: Standing | None, pictures: tuple[Picture, ...]
) -> Entry:
    """Describe a request that has ended at least once.

    Args:
        result: Its last result.
        standing: Where it stands now: it may have been sent again since.
        pictures: Its files, as the page links them.
    """
    request = dict(result.request)
    prompt = request.pop("prompt", None)
    prompt = prompt if isinstance(prompt, str) else None
    status = _status(standing) if standing else result.status.value
    # The file may have gone since the ledger was read, as on a page that is live.
    if status == State.SUCCEEDED and any(each.src is None for each in pictures):
        status = State.LOST.value
    return Entry(
        id=result.id,
        status=status,
        name=result.name,
        at=result.at,
        attempts=max(result.attempts, standing.attempts if standing else 0),
        prompt=prompt,
        request=request,
        vars=result.vars,
        images=tuple(_without_echo(picture, prompt) for picture in pictures),
        cost_usd=result.cost_usd,
        maybe_billed_usd=result.maybe_billed_usd or None,
        latency=result.latency,
        request_id=result.request_id,
        warnings=result.warnings,
        error=result.error,
        is_replied=standing is not None and standing.state is State.REPLIED,
    )


def unfinished(id_: str, standing: Standing, sighting: Sighting | None) -> Entry:
    """Describe a request that was sent and has never ended: little is known of it."""
    open_usd = standing.open_usd if standing.state is State.UNKNOWN else None
    return Entry(
        id=id_,
        status=_status(standing),
        name=sighting.name if sighting else None,
        at=sighting.at if sighting else None,
        attempts=standing.attempts,
        maybe_billed_usd=(standing.maybe_billed + (open_usd or 0)) or None,
        error=sighting.error if sighting else None,
        is_replied=standing.state is State.REPLIED,
    )


def hang(image: Image, *, src: str | None, thumb: str | None) -> Picture:
    """Link a kept file.

    Args:
        image: As the ledger names it.
        src: Its URL, when it is there.
        thumb: Its thumbnail's URL, when it has one.
    """
    return Picture(
        path=image.path,
        src=src,
        thumb=thumb,
        bytes=image.bytes,
        format=image.format,
        width=image.width,
        height=image.height,
        revised_prompt=image.revised_prompt,
    )


def link(base: str, path: str) -> str | None:
    """Make a kept file's URL, or None for a path that leaves the run directory.

    Args:
        base: URL of the run directory, relative to the page, with its last `/`.
        path: As the ledger names the file.
    """
    if path.startswith("/") or ".." in PurePosixPath(path).parts:
        return None
    return base + quote(path, safe="/")


def _status(standing: Standing) -> str:
    state = standing.state
    return (State.PENDING if state is State.REPLIED else state).value


def _without_echo(picture: Picture, prompt: str | None) -> Picture:
    """Drop a revised prompt that is no revision."""
    if picture.revised_prompt != prompt:
        return picture
    return msgspec.structs.replace(picture, revised_prompt=None)

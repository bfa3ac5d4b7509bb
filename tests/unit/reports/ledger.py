"""Writes small run directories for the report's tests."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from PIL import Image as Pillow

from batcher.ledger.event import (
    Attempt,
    EndpointRecord,
    ErrorRecord,
    Event,
    ManifestRecord,
    Result,
    Run,
    encode,
)
from batcher.models import Image, Status

START = datetime(2026, 5, 4, 20, tzinfo=UTC)
REFUSAL = ErrorRecord(error_class="moderation", status=400, message="not <b>safe</b>")


def run_line(total: int, **settings: object) -> Run:
    return Run(
        at=START,
        run="run-1",
        batcher="0",
        manifests=(ManifestRecord(path="/home/somebody/night.yaml", sha256="0" * 64),),
        endpoint=EndpointRecord(name="octopusx", base_url="https://example.org/v1"),
        settings=settings,
        total=total,
    )


def attempt_line(id_: str) -> Attempt:
    return Attempt(at=START, id=id_, attempt=1, reserved_usd=Decimal("0.05"))


def kept(
    number: int,
    image: Image,
    *,
    prompt: str = "a cube",
    name: str | None = None,
    **variables: object,
) -> Result:
    return Result(
        at=START + timedelta(seconds=number),
        id=f"{number:020x}",
        name=f"cube {number}" if name is None else name,
        status=Status.SUCCEEDED,
        attempts=1,
        request={"model": "gpt-image-2-pro", "prompt": prompt, "size": "640x480"},
        vars=variables,
        images=(image,),
        cost_usd=Decimal("0.04"),
        maybe_billed_usd=Decimal(0),
        latency=1.5,
    )


def rejected(number: int, **variables: object) -> Result:
    return Result(
        at=START + timedelta(seconds=number),
        id=f"{number:020x}",
        name=f"cube {number}",
        status=Status.REJECTED,
        attempts=1,
        request={"model": "gpt-image-2-pro", "prompt": "a red cube"},
        vars=variables,
        error=REFUSAL,
    )


def draw(folder: Path, path: str, size: tuple[int, int] = (640, 480)) -> Image:
    """Draw a picture into a run directory; gives its record."""
    file = folder / path
    file.parent.mkdir(parents=True, exist_ok=True)
    colour = tuple(hashlib.sha256(path.encode()).digest()[:3])
    Pillow.new("RGB", size, colour).save(file, "PNG")
    data = file.read_bytes()
    return Image(
        index=0,
        path=path,
        bytes=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
        format="png",
        width=size[0],
        height=size[1],
    )


def write_ledger(folder: Path, events: Iterable[Event]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "ledger.jsonl").open("wb") as stream:
        stream.writelines(encode(event) for event in events)

"""Compares what came with what was asked: pixels, format, number, quality.

Pure. A mismatch is a short code; what follows from it is the user's choice.
Source of the token formula: see `pricing`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from batcher import sizes
from batcher.quality import drawn_quality, is_downgrade

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from batcher.images import Properties
    from batcher.models import Request

_FORMAT_NAMES = {"jpg": "jpeg"}


def mismatches(
    request: Request,
    images: Sequence[Properties],
    *,
    quality: str | None,
    usage: Mapping[str, object] | None,
) -> tuple[str, ...]:
    """Name what is not as asked.

    Args:
        request: What was asked.
        images: What came.
        quality: The quality that the reply says it drew.
        usage: The reply's token counts.

    Returns:
        Codes among `size_mismatch`, `format_mismatch`, `fewer_images` and
        `quality_downgraded`, each once.
    """
    found = []
    wanted = sizes.parse(request.size) if request.size else None
    if wanted and any((image.width, image.height) != wanted for image in images):
        found.append("size_mismatch")
    if any(image.format != _format(request) for image in images if _format(request)):
        found.append("format_mismatch")
    if len(images) < request.n:
        found.append("fewer_images")
    if images and _is_cheaper(request, images, quality, usage):
        found.append("quality_downgraded")
    return tuple(found)


def _format(request: Request) -> str | None:
    name = request.body.get("output_format")
    if not isinstance(name, str):
        return None
    return _FORMAT_NAMES.get(name.lower(), name.lower())


def _is_cheaper(
    request: Request,
    images: Sequence[Properties],
    quality: str | None,
    usage: Mapping[str, object] | None,
) -> bool:
    if is_downgrade(request.quality, quality):
        return True
    tokens = usage.get("output_tokens") if usage else None
    if not isinstance(tokens, int) or isinstance(tokens, bool):
        return False
    size = (images[0].width, images[0].height)
    return is_downgrade(request.quality, drawn_quality(size, tokens // len(images)))

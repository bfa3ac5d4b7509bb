"""How long a run may take: a forecast from the limits in force and typical latencies.

Pure. Source of the latencies: measurements published for gpt-image-2 in 2026, 1024x1024
medium about 80 s and high about 195 s, 2K and 4K at high three to five minutes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from batcher import sizes

if TYPE_CHECKING:
    from collections.abc import Mapping

TYPICAL_SECONDS: Mapping[str, float] = {"low": 20.0, "medium": 80.0, "high": 195.0}
"""Of one image of the base tier, by quality; a quality not known counts as medium."""

LARGE = 1.5
"""How much longer an image from 2K up takes."""


def request_seconds(size: str | None, quality: str | None, n: int = 1) -> float:
    """Give the typical latency of one request."""
    seconds = TYPICAL_SECONDS.get(quality or "", TYPICAL_SECONDS["medium"])
    is_large = size is not None and sizes.is_large(size)
    return seconds * n * (LARGE if is_large else 1.0)


def run_seconds(
    busy: float,
    *,
    images: int,
    requests: int,
    concurrency: int,
    ipm: float | None = None,
    rpm: float | None = None,
) -> float:
    """Give how long a run takes at its limits.

    Args:
        busy: Sum of the latencies of its requests.
        images: How many it asks for.
        requests: How many it sends.
        concurrency: Requests in flight.
        ipm: Images a minute, None without a limit.
        rpm: Requests a minute, None without a limit.
    """
    return max(
        busy / concurrency,
        60 * images / ipm if ipm else 0.0,
        60 * requests / rpm if rpm else 0.0,
    )

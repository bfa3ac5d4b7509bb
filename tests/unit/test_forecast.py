from __future__ import annotations

import pytest

from batcher.forecast import request_seconds, run_seconds


@pytest.mark.parametrize(
    ("size", "quality", "n", "seconds"),
    [
        ("1024x1024", "low", 1, 20.0),
        ("1024x1024", None, 1, 80.0),
        (None, "high", 2, 390.0),
        ("3840x2160", "high", 1, 292.5),
        ("auto", "best", 1, 80.0),
    ],
)
def test_a_request_takes_as_long_as_its_quality_and_size(
    size: str | None, quality: str | None, n: int, seconds: float
) -> None:
    assert request_seconds(size, quality, n) == seconds


@pytest.mark.parametrize(
    ("limits", "seconds"),
    [
        ({"concurrency": 8}, 100.0),
        ({"concurrency": 8, "ipm": 5}, 120.0),
        ({"concurrency": 8, "rpm": 1}, 600.0),
        ({"concurrency": 1, "ipm": 600, "rpm": 600}, 800.0),
    ],
)
def test_the_tightest_limit_decides(limits: dict[str, int], seconds: float) -> None:
    assert run_seconds(800.0, images=10, requests=10, **limits) == seconds

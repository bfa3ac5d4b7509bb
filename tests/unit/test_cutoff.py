from __future__ import annotations

import pytest

from batcher.cutoff import Cuts


def cut_at(*seconds: float) -> str | None:
    cuts = Cuts()
    for each in seconds:
        cuts.note(each)
    return cuts.verdict()


@pytest.mark.parametrize(
    ("seconds", "words"),
    [((60.1, 60.0, 59.8), "60 s"), ((125.6, 126.0, 122.0, 124.0), "123 s")],
)
def test_failures_at_one_time_name_the_limit(
    seconds: tuple[float, ...], words: str
) -> None:
    assert words in (cut_at(*seconds) or "")


@pytest.mark.parametrize(
    "seconds",
    [(), (60.0, 60.0), (12.0, 47.0, 300.0, 80.0), (60.0, 60.0, 60.0, 5.0, 8.0)],
    ids=["none", "too few", "scattered", "too many others"],
)
def test_other_failures_name_none(seconds: tuple[float, ...]) -> None:
    assert cut_at(*seconds) is None

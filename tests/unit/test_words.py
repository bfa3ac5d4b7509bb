"""How plans and summaries read, without a run."""

from __future__ import annotations

import re

import pytest
from msgspec.structs import replace

from batcher.cli.words import duration, plan_lines, summary_lines
from batcher.models import Summary
from batcher.plan import Plan

ONE = Summary(
    total=1, succeeded=1, images=1, attempts=1, errors={}, warnings={}, out="out"
)
SEVERAL_OF_ONE = re.compile(r"\b1 (requests|images|attempts)\b")


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.25, "0.2 s"),
        (59.4, "59 s"),
        (61.0, "1 min 01 s"),
        (3600.0, "1 h 00 min"),
        (47 * 3600.0 + 59 * 60, "47 h 59 min"),
        (48 * 3600.0, "2 days 00 h"),
        (729 * 86400.0 + 3600, "729 days 01 h"),
        (731 * 86400.0, "2 years"),
        (694_444 * 3600.0, "79 years"),
        (1e12, "31,688 years"),
    ],
)
def test_a_duration_is_told_in_units_that_somebody_can_imagine(
    seconds: float, words: str
) -> None:
    assert duration(seconds) == words


def test_one_of_a_kind_is_not_told_as_several() -> None:
    plan = Plan(total=1, new=1, images=1, warnings={}, groups=())
    told = [*plan_lines(plan, "out", 1.0, is_estimate=False), *summary_lines(ONE)]
    assert "1 request for out" in told
    assert "kept 1 of 1 request, 1 image in out" in told
    assert not SEVERAL_OF_ONE.search("\n".join(told))


def test_none_and_many_are_several() -> None:
    told = "\n".join(summary_lines(replace(ONE, succeeded=0, images=0, attempts=1200)))
    assert "0 images" in told
    assert "1,200 attempts" in told

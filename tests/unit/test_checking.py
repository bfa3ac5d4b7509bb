"""What a terminal is shown while many requests are checked."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator
from io import StringIO

import pytest

from batcher.cli.checking import FEW, checking, counted_aloud
from batcher.models import Request

FOX = Request(id="0", name="n", body={}, vars={}, output="n", origin="m.yaml:1")


class Screen(StringIO):
    """A terminal's stream."""

    def isatty(self) -> bool:
        return True


def foxes(number: int) -> Iterator[Request]:
    return (FOX for _ in range(number))


@pytest.mark.parametrize("number", [0, 1, FEW])
def test_of_few_requests_nothing_is_shown(number: int) -> None:
    screen = Screen()
    assert len(list(counted_aloud(foxes(number), screen))) == number
    assert screen.getvalue() == ""


def test_of_many_the_count_is_shown_and_nothing_is_left_of_it() -> None:
    screen = Screen()
    assert len(list(counted_aloud(foxes(FEW + 5), screen))) == FEW + 5
    *_, shown, erased, rest = screen.getvalue().split("\r")
    assert shown.startswith(f"checking: {FEW} requests")
    assert (erased.strip(), rest) == ("", "")


def test_whoever_stops_midway_leaves_no_line_behind() -> None:
    screen = Screen()
    requests = counted_aloud(foxes(FEW + 5), screen)
    for _ in range(FEW + 2):
        next(requests)
    del requests
    assert screen.getvalue().rpartition("\r")[2] == ""
    assert not screen.getvalue().split("\r")[-2].strip()


@pytest.mark.parametrize(
    ("stream", "flags"),
    [
        (None, {}),
        (StringIO(), {}),
        (Screen(), {"quiet": True}),
        (Screen(), {"log_format": "json"}),
    ],
    ids=["closed", "file", "quiet", "log"],
)
def test_what_is_no_panels_place_is_told_nothing(
    stream: StringIO | None, flags: dict[str, object]
) -> None:
    assert checking(Namespace(**flags), stream) is iter

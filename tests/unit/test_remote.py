"""Commands as words and as lines."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from batcher.control import changed
from batcher.errors import UsageError
from batcher.governor import Limits
from batcher.remote import COMMANDS, WITH_VALUE, Command, parse_command

BAD = ["nan", "-nan", "sNaN", "inf", "-inf", "-1", "1e10", "1e999999999"]


@pytest.mark.parametrize("name", sorted(WITH_VALUE))
@pytest.mark.parametrize("value", BAD)
def test_what_is_no_number_to_go_by_is_refused(name: str, value: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_command(name, value)
    assert str(caught.value).startswith(f"{name}: expected a")
    line = msgspec.json.encode({"name": name, "value": value})
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(line, type=Command)


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("fly", None, "expected one of pause, resume, stop, status, concurrency, "),
        ("ipm", None, "ipm takes a number"),
        ("pause", "1", "pause takes no number"),
        ("ipm", "fast", "ipm: expected a number, got 'fast'"),
        (
            *("concurrency", "0"),
            "concurrency: expected a whole number from 1 to 1,000,000,000, got '0'",
        ),
        ("concurrency", "1.5", "concurrency: expected a whole number from 1 to 1,0"),
    ],
)
def test_what_is_no_command_is_refused(name: str, value: str | None, told: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_command(name, value)
    assert str(caught.value).startswith(told)


@pytest.mark.parametrize(
    ("name", "value", "command"),
    [
        ("pause", None, Command(name="pause")),
        ("concurrency", "3.0", Command(name="concurrency", value=Decimal("3.0"))),
        ("ipm", "0", Command(name="ipm", value=Decimal(0))),
        ("max-spend", "$2.50", Command(name="max-spend", value=Decimal("2.50"))),
    ],
)
def test_a_command_is_read_from_words(
    name: str, value: str | None, command: Command
) -> None:
    assert parse_command(name, value) == command


@given(st.sampled_from(sorted(COMMANDS)), st.decimals() | st.none())
def test_whatever_the_value_the_limits_take_it_or_it_is_refused(
    name: str, value: Decimal | None
) -> None:
    try:
        limits = changed(Limits(), Command(name=name, value=value))
    except (UsageError, ValueError):
        return
    assert limits.concurrency >= 1
    assert limits.max_spend is None or limits.max_spend >= 0

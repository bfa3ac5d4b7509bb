from __future__ import annotations

import msgspec
import pytest

from batcher.ledger.fold import Standings
from batcher.ledger.line import read_line

DEEP = b"[" * 100_000 + b"]" * 100_000


def test_unknown_fields_are_passed_over() -> None:
    line = read_line(b'{"event":"attempt","id":"a","attempt":2,"colour":{"x":[1]}}\n')
    assert line is not None
    assert (line.event, line.id, line.attempt) == ("attempt", "a", 2)


@pytest.mark.parametrize(
    "raw",
    [b'{"event":"dream","id":7}', b'{"event":"dream","images":{"a":"b"}}'],
    ids=["id", "images"],
)
def test_an_unknown_event_may_hold_anything(raw: bytes) -> None:
    assert read_line(raw) is None
    standings = Standings()
    standings.take(raw)
    standings.take(b'{"event":"dream","id":"a"}')
    assert len(standings) == 0


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\0" * 40,
        b"\xff\xfe",
        b"[]",
        b"17",
        b"null",
        b"{}",
        b'{"event":1}',
        b'{"id":"a"}',
        b'{"event":"attempt","id":"a","att',
        b'{"event":"attempt","id":"\xff"}',
        b'{"event":"attempt","id":"\\ud800"}',
        b'{"event":"attempt","id":7}',
        b'{"event":"attempt","id":"a","attempt":"x"}',
        b'{"event":"attempt","id":"a","attempt":1e400}',
        b'{"event":"result","id":"a","status":"superb"}',
        b'{"event":"result","id":"a","images":[{"path":1}]}',
        b'{"event":"result","id":"a","cost_usd":"NaN"}',
        b'{"event":"result","id":"a","cost_usd":-1}',
        b'{"event":"result","id":"a","maybe_billed_usd":1e99}',
        b'{"event":"attempt","id":"a","reserved_usd":"Infinity"}',
        b'{"event":"retry","id":"a","error":{"status":1}}',
        b'{"event":"attempt","attempt":1}',
        b'{"event":"result","id":null,"status":"succeeded"}',
        b'{"event":"run","run":"r"}',
        b'{"event":"end","at":"yesterday","run":"r","reason":"x"}',
        b'{"event":"attempt","id":7,"x":' + DEEP + b"}",
        b'{"event":"attempt","id":"a","x":' + DEEP + b"}",
    ],
)
def test_a_damaged_line_is_named_and_changes_nothing(raw: bytes) -> None:
    standings = Standings()
    with pytest.raises(msgspec.DecodeError):
        standings.take(raw)
    assert (len(standings), standings.attempts) == (0, 0)
    assert standings.spent == 0
    assert standings.run is None
    assert standings.end is None

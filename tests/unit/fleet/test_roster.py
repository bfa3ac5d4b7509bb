from __future__ import annotations

from datetime import UTC, datetime, timedelta

from batcher.fleet.roster import Roster, beacon_name, label_of, order_name, session_name
from batcher.stores.directory import Entry

NOW = datetime(2026, 11, 22, tzinfo=UTC)


def entry(name: str, age: float = 0.0) -> Entry:
    return Entry(name=name, bytes=1, modified=NOW - timedelta(seconds=age))


def test_a_shard_has_one_label() -> None:
    assert label_of((0, 5)) == label_of((5, 5)) == "0005-of-0005"
    assert label_of((12345, 20000)) == "12345-of-20000"


def test_a_listing_tells_who_lives_and_what_is_new() -> None:
    roster = Roster.read(
        [
            entry(beacon_name("0001-of-0003", 2), 61.0),
            entry(beacon_name("0002-of-0003", 4), 3.0),
            entry(beacon_name("0002-of-0003", 3), 500.0),
            entry(session_name(8), 2.0),
            entry(session_name(7)),
            entry(order_name(2)),
            entry(order_name(1)),
            entry("fleet/pace", 9.0),
            entry("fleet/.shard-0001-of-0003-e000002.1f"),
        ],
        now=NOW,
    )
    assert roster.live(60.0) == ("0002-of-0003",)
    assert roster.beacons["0002-of-0003"].epoch == 4
    assert (roster.session, roster.age(roster.renewed)) == (8, 2.0)
    assert roster.orders == (1, 2)
    assert roster.pace is not None
    assert roster.age(roster.pace) == 9.0


def test_an_empty_listing_is_nobody() -> None:
    roster = Roster.read([], now=NOW)
    assert (roster.live(60.0), roster.session, roster.pace) == ((), 0, None)

"""Who is at work, told from one listing of `fleet/`.

Every name that the members of a fleet look at again and again lies in that one folder,
so that one listing a heartbeat tells them everything. Pure: knows no clock but that of
whoever keeps the files.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable

    from batcher.stores.directory import Entry

FOLDER = "fleet/"
PACE = "fleet/pace"
DRIVER = "fleet/driver"

_BEACON = re.compile(r"fleet/shard-(\d+-of-\d+)-e(\d+)")
_SESSION = re.compile(r"fleet/session-(\d+)")
_ORDER = re.compile(r"fleet/control-(\d+)\.json")


class Beacon(msgspec.Struct, frozen=True, kw_only=True):
    """The sign of life of a shard's holder.

    Attributes:
        epoch: Which of the shard's holders.
        modified: When it last wrote.
    """

    epoch: int
    modified: datetime


class Roster(msgspec.Struct, frozen=True, kw_only=True):
    """What a listing showed.

    Attributes:
        now: When the asker's own file was written, by the clock of all the others.
        beacons: The latest holder of each shard, by the shard's label.
        session: Number of the latest session, 0 for none yet.
        renewed: When that session was last said to go on.
        pace: When somebody last said what the gateway lets in.
        orders: Numbers of all orders, in order.
        driver: When a driver last said that it hands out shards.
    """

    now: datetime
    beacons: Mapping[str, Beacon]
    session: int
    renewed: datetime
    pace: datetime | None
    orders: tuple[int, ...]
    driver: datetime | None = None

    @classmethod
    def read(cls, entries: Iterable[Entry], *, now: datetime) -> Roster:
        """Make sense of a listing; strange names are ignored."""
        beacons: dict[str, Beacon] = {}
        session, renewed, pace, driver = 0, now, None, None
        orders: list[int] = []
        for entry in entries:
            if match := _BEACON.fullmatch(entry.name):
                label, epoch = match[1], int(match[2])
                if label not in beacons or beacons[label].epoch < epoch:
                    beacons[label] = Beacon(epoch=epoch, modified=entry.modified)
            elif match := _SESSION.fullmatch(entry.name):
                if int(match[1]) > session:
                    session, renewed = int(match[1]), entry.modified
            elif match := _ORDER.fullmatch(entry.name):
                orders.append(int(match[1]))
            elif entry.name == PACE:
                pace = entry.modified
            elif entry.name == DRIVER:
                driver = entry.modified
        return cls(
            now=now,
            beacons=beacons,
            session=session,
            renewed=renewed,
            pace=pace,
            orders=tuple(sorted(orders)),
            driver=driver,
        )

    def age(self, modified: datetime) -> float:
        """Give the seconds since a file was written."""
        return (self.now - modified).total_seconds()

    def live(self, ttl: float) -> tuple[str, ...]:
        """Give the labels of the shards whose holders may be at work."""
        return tuple(
            label
            for label, beacon in self.beacons.items()
            if self.age(beacon.modified) < ttl
        )


def label_of(shard: tuple[int, int]) -> str:
    """Name a shard, `0003-of-0016`; `(0, 5)` and `(5, 5)` are one."""
    part, parts = shard
    return f"{part % parts or parts:04}-of-{parts:04}"


def beacon_name(label: str, epoch: int) -> str:
    """Name the file in which a shard's holder says that it lives."""
    return f"{FOLDER}shard-{label}-e{epoch:06}"


def session_name(number: int) -> str:
    """Name the file that lives as long as anybody in the session."""
    return f"{FOLDER}session-{number:06}"


def order_name(number: int) -> str:
    """Name the file of an order."""
    return f"{FOLDER}control-{number:06}.json"

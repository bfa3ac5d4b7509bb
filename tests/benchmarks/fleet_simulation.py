"""Counts what a large fleet asks of its directory, and what S3 would charge for it.

A thousand real leases, sessions, shares and purses on one directory in memory, on a
clock that jumps: all join, go a few rounds, take a slot and leave, and every operation
is counted. What a night costs follows from those few rounds, since all cost the same.
Segments of the ledger and images are reckoned from the parameters.
Run it with `python -m tests.benchmarks.fleet_simulation [WORKERS [REQUESTS]]`.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from decimal import Decimal

from batcher.fleet import Lease, PurseTerms, Quota, Round
from batcher.fleet.lease import TTL
from batcher.fleet.member import BEATS
from batcher.fleet.purse import PER_SHARD
from tests.unit.fleet.memory import FakeClock, MemoryDirectory

PUT = LIST = COPY = 0.005 / 1000
GET = 0.0004 / 1000
"""USD of one request: S3 Standard, us-east-1, aws.amazon.com/s3/pricing, as quoted by
c3x.dev/blog/s3-request-fees-explained, seen in November 2026. HEAD is charged as GET;
DELETE is free; a listing is charged for each page of 1,000 names."""

PRICES = {
    "create": PUT,
    "write": PUT,
    "pages": LIST,
    "copy": COPY,
    "read": GET,
    "entry": GET,
    "remove": 0.0,
}

CONCURRENCY = 8
LATENCY = 30.0
PRICE = Decimal("0.20")
ROUNDS = 3
SEGMENTS = 1.0
"""Segments of the ledger a second, of each worker that is busy."""

ROLLED = 256
"""Segments in a roll-up: each is read again once, and the roll-up written."""

IMAGE = Counter({"write": 1, "copy": 1, "entry": 1, "remove": 1})
"""What one image costs: put aside, its final name looked at and taken by a copy."""


class Fleet:
    """A thousand workers, and what they have asked for."""

    def __init__(self, workers: int, requests: int) -> None:
        self.clock = FakeClock()
        self.directory = MemoryDirectory(self.clock)
        self.parts = workers
        self.max_spend = requests * PRICE
        wish = Quota(ipm=60_000.0, max_spend=self.max_spend)
        leases = [
            Lease(self.directory, (part + 1, workers), clock=self.clock)
            for part in range(workers)
        ]
        self.leases = leases
        self.rounds = [Round(lease, wish) for lease in leases]
        self.used = Decimal(0)

    def counted(self, do: Callable[[], None]) -> Counter[str]:
        """Do something, and give what was asked of the directory for it."""
        before = self.directory.counts.copy()
        do()
        counts = self.directory.counts - before
        del counts["list"]  # its pages are counted
        return counts

    def join(self) -> None:
        """Have all join, a few milliseconds apart, and wait until they are known."""
        for lease in self.leases:
            lease.acquire()
            self.clock.now += TTL / 12 / self.parts

    def go_rounds(self) -> None:
        """Have all go a few rounds, in turn."""
        for each in self.rounds * ROUNDS:
            each.visit()
            each.catch_up()
            self.clock.now += TTL / BEATS / self.parts

    def open(self) -> None:
        """Have all open the purse and take their first slot."""
        terms = PurseTerms.fit(
            self.max_spend, base=Decimal(0), usual=PRICE, parts=self.parts
        )
        for each in self.rounds:
            each.open(terms, spent=Decimal(0), used=lambda: self.used)
            each.wanted = PRICE
            each.refill()

    def refill(self) -> None:
        """Have all take one more slot."""
        slot = self.rounds[0].purse
        self.used += slot.limit() if slot else 0
        for each in self.rounds:
            each.wanted = PRICE
            each.refill()

    def leave(self) -> None:
        """Have all end well."""
        for each in self.rounds:
            each.leave()


def survey(workers: int, requests: int) -> dict[str, Counter[str]]:
    """Count the operations of a whole night, by what they are for."""
    seconds = requests * LATENCY / (workers * CONCURRENCY)
    beats = seconds / (TTL / BEATS)
    fleet = Fleet(workers, requests)
    join = fleet.counted(fleet.join)
    fleet.go_rounds()
    fleet.go_rounds()  # until all are settled
    first = fleet.counted(fleet.open)
    rounds = fleet.counted(fleet.go_rounds)
    again = fleet.counted(fleet.refill)
    leave = fleet.counted(fleet.leave)
    segments = int(seconds * SEGMENTS * workers)
    return {
        "joining and leaving": join + leave,
        "heartbeats": times(rounds, beats / ROUNDS),
        "purse": first + times(again, PER_SHARD - 1),
        "ledger segments": Counter(
            write=segments // ROLLED,
            create=segments,
            read=segments,
            remove=segments // 1000,
        ),
        "images": times(IMAGE, requests),
    }


def times(counts: Mapping[str, int], factor: float) -> Counter[str]:
    return Counter({name: round(count * factor) for name, count in counts.items()})


def usd(counts: Mapping[str, int]) -> float:
    return sum(PRICES[name] * count for name, count in counts.items())


def main(workers: int = 1_000, requests: int = 10_000_000) -> None:
    start = time.perf_counter()
    rows = survey(workers, requests)
    hours = requests * LATENCY / (workers * CONCURRENCY) / 3600
    print(f"{workers:,} workers, {requests:,} requests, {hours:.1f} hours")
    head = ("for", "PUT", "LIST", "GET", "DELETE", "USD", "USD/1,000 images")
    print("{:<20}{:>12}{:>12}{:>12}{:>12}{:>10}{:>18}".format(*head))
    for name, counts in (*rows.items(), ("all", sum(rows.values(), Counter()))):
        puts = counts["create"] + counts["write"] + counts["copy"]
        gets = counts["read"] + counts["entry"]
        cost = usd(counts)
        print(
            f"{name:<20}{puts:>12,}{counts['pages']:>12,}{gets:>12,}"
            f"{counts['remove']:>12,}{cost:>10,.2f}{1000 * cost / requests:>18.5f}"
        )
    print(f"the images themselves: {requests * PRICE:,.2f} USD at {PRICE} each")
    print(f"simulated in {time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:]))

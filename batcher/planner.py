"""Counts and prices a manifest's requests against the ledger, one by one.

Pure: walks requests and standings it is given, and makes the plan of them.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from batcher.choice import KINDS, Choice
from batcher.count import Count
from batcher.forecast import request_seconds
from batcher.ledger.standing import ZERO, State
from batcher.manifest.field import warnings
from batcher.manifest.output import collision_key
from batcher.plan import Group, Plan
from batcher.pricing import Price, Rate, rate, usd_of

if TYPE_CHECKING:
    from decimal import Decimal

    from batcher.ledger.fold import Standings
    from batcher.models import Request

MOST_GROUPS = 200
"""Groups a plan tells apart; what is beyond is one group, `others`."""

MOST_SHAPES = 1024
"""Shapes of requests that a planner remembers; it holds no more, however many."""


_KEY_BITS = (1 << 60) - 1


def key_of(id_: str) -> int:
    """Give a number for an id: what a set of a million holds of each.

    Of 60 bits, so that among 10^6 requests two agree by chance with a probability below
    10^-6; with more, each number would take half as much memory again.
    """
    return hash(id_) & _KEY_BITS


class Planner:
    """Counts a manifest's requests against the ledger, one by one.

    Args:
        standings: What the ledger says.
        choice: What the user wants sent again.
        prices: USD per image, as the endpoint's profile says.

    Attributes:
        clashes: Output paths that two requests share, folded.
        count: The selected requests, by where they stand.
    """

    def __init__(
        self, standings: Standings, choice: Choice, prices: tuple[Price, ...]
    ) -> None:
        self.clashes: set[str] = set()
        self.count = Count()
        self._standings = standings
        self._choice = choice
        self._prices = prices
        self._seen: set[int] = set()
        self._outputs: set[int] = set()
        self._warnings: Counter[str] = Counter()
        self._total = 0
        self._duplicates = 0
        self._groups: dict[tuple[str, str | None, str | None], _Sum] = {}
        self._shapes: dict[tuple[object, ...], _Shape] = {}
        self._fetched = _Sum()
        self._lost = _Sum()
        self._unknown_usd = ZERO

    def add(self, request: Request) -> bool:
        """Count one request of the manifest; false for one that repeats another."""
        key = key_of(request.id)
        if key in self._seen:
            self._duplicates += 1
            self._warnings["duplicate"] += 1
            return False
        self._seen.add(key)
        output = collision_key(request.output)
        place = key_of(output)
        if place in self._outputs:
            self.clashes.add(output)
        self._outputs.add(place)
        return True

    def choose(self, request: Request) -> None:
        """Count one request that is asked for in this run."""
        self._total += 1
        if codes := warnings(request.body):
            self._warnings.update(codes)
        standing = self._standings.get(request.id)
        if standing is not None:
            self.count.move(None, standing)
            if standing.state is State.UNKNOWN:
                self._unknown_usd += standing.maybe_billed + (standing.open_usd or ZERO)
            if not self._choice.sends(standing):
                return
            if standing.reply is not None:
                self._fetched.requests += 1
                self._fetched.images += request.n
                return
        shape = self._shape(request)
        shape.add(request, shape.group)
        if standing is not None and standing.state is State.LOST:
            shape.add(request, self._lost)

    @property
    def is_empty(self) -> bool:
        """Tell whether the manifest asks for nothing at all."""
        return not self._seen

    def orphans(self) -> frozenset[str]:
        """Give the ids the ledger names and the manifest does not."""
        return frozenset(
            id_ for id_ in self._standings if key_of(id_) not in self._seen
        )

    def finish(self, *, changed: int = 0, orphaned: int = 0, accepted: int = 0) -> Plan:
        """Make the plan.

        Args:
            changed: How many of the new requests have an orphaned one's name.
            orphaned: How many orphaned ones there are whose name nobody has.
            accepted: How many of these it was accepted before to lack.
        """
        kinds: Counter[str] = Counter()
        for state, number in self.count.states.items():
            kinds[KINDS[state].value] += number
        kinds["new"] = self._total - kinds.total() + kinds["new"] - changed
        asked = _Sum()
        for group in (self._fetched, *self._groups.values()):
            asked.join(group)
        low, expected, worst = asked.usd()
        return Plan(
            total=self._total,
            **kinds,
            changed=changed,
            orphaned=orphaned,
            accepted=accepted,
            duplicates=self._duplicates,
            images=asked.images,
            estimated_usd=expected,
            unpriced=asked.unpriced,
            warnings=dict(sorted(self._warnings.items())),
            low_usd=low,
            worst_usd=worst,
            lost=self._lost.requests,
            lost_usd=self._lost.usd()[1],
            to_send=asked.requests,
            busy_seconds=round(asked.seconds, 1),
            unknown_usd=self._unknown_usd or None,
            fetched=self._fetched.images,
            groups=tuple(
                Group(
                    entry=entry,
                    size=size,
                    quality=quality,
                    requests=group.requests,
                    images=group.images,
                    estimated_usd=group.usd()[1],
                )
                for (entry, size, quality), group in self._groups.items()
            ),
        )

    def _shape(self, request: Request) -> _Shape:
        """Find what is alike for many requests; a table's rows are one entry."""
        entry, get = request.origin, request.body.get
        file, _, _ = entry.rpartition(":")
        if not file.endswith((".yaml", ".yml", ".json")):
            entry = file
        # Fields as sent, for a million properties would be felt.
        key = (entry, get("model"), get("size"), get("quality"), get("n"))
        shape = self._shapes.get(key)
        if shape is None:
            if len(self._shapes) >= MOST_SHAPES:
                self._shapes.clear()
            group = self._group((entry, request.size, request.quality))
            shape = self._shapes[key] = _Shape(request, self._prices, group)
            self.count.is_priced |= shape.rate is not None
        return shape

    def _group(self, key: tuple[str, str | None, str | None]) -> _Sum:
        if key not in self._groups and len(self._groups) >= MOST_GROUPS:
            key = ("others", None, None)
        return self._groups.setdefault(key, _Sum())


class _Sum:
    """What some requests add up to; money in micro-dollars."""

    def __init__(self) -> None:
        self.requests = 0
        self.images = 0
        self.unpriced = 0
        self.low = self.expected = self.worst = 0
        self.seconds = 0.0

    def join(self, other: _Sum) -> None:
        """Add what others add up to."""
        for name, value in vars(other).items():
            setattr(self, name, getattr(self, name) + value)

    def usd(self) -> tuple[Decimal, Decimal, Decimal] | tuple[None, None, None]:
        """Give low, expected and worst; None when not one of them has a price."""
        if self.requests and self.unpriced == self.requests:
            return None, None, None
        return usd_of(self.low), usd_of(self.expected), usd_of(self.worst)


class _Shape:
    """What requests of one entry, model, size, quality and n have in common."""

    def __init__(
        self, request: Request, prices: tuple[Price, ...], group: _Sum
    ) -> None:
        self.rate: Rate | None = rate(request, prices)
        self.group = group
        self._n = request.n
        self._seconds = request_seconds(request.size, request.quality, self._n)

    def add(self, request: Request, total: _Sum) -> None:
        """Count one more of them into a sum."""
        total.requests += 1
        total.images += self._n
        total.seconds += self._seconds
        if self.rate is None:
            total.unpriced += 1
            return
        low, expected, worst = self.rate.micros(request)
        total.low += low
        total.expected += expected
        total.worst += worst

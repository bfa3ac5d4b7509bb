"""Says what a run will do, given the manifest's requests and the ledger.

Pure: walks requests and standings it is given, decides per request whether it is sent,
counts, prices, and says when a person must agree first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Iterable, Mapping
from decimal import Decimal
from enum import StrEnum

import msgspec

from batcher.count import Count
from batcher.forecast import request_seconds
from batcher.ledger.standing import Standing, Standings, State
from batcher.manifest.field import warnings
from batcher.manifest.output import collision_key
from batcher.models import ErrorClass, Request
from batcher.pricing import Price, quote

MOST_GROUPS = 200
"""Groups a plan tells apart; what is beyond is one group, `others`."""


class Kind(StrEnum):
    """What a request is to a plan."""

    NEW = "new"
    DONE = "done"
    FAILED = "failed"
    REJECTED = "rejected"
    UNKNOWN = "unknown"


_KINDS: Mapping[State, Kind] = {
    State.SUCCEEDED: Kind.DONE,
    State.FAILED: Kind.FAILED,
    State.REJECTED: Kind.REJECTED,
    State.UNKNOWN: Kind.UNKNOWN,
    State.REPLIED: Kind.UNKNOWN,
    State.PENDING: Kind.NEW,
    State.LOST: Kind.NEW,
}

RETRY_WORDS: Mapping[str, frozenset[Kind]] = {
    "failed": frozenset({Kind.FAILED}),
    "rejected": frozenset({Kind.REJECTED}),
    "unknown": frozenset({Kind.UNKNOWN}),
    "all": frozenset({Kind.FAILED, Kind.REJECTED, Kind.UNKNOWN}),
    "none": frozenset(),
}
"""The words of `--retry`, and which ended requests each sends again."""


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """Which requests the user wants sent, besides new ones.

    Attributes:
        kinds: Kinds to send again.
        retry_unknown: Send again what may have been billed.
        buy_lost_urls: Buy anew what was paid and cannot be fetched any more.
    """

    kinds: frozenset[Kind]
    retry_unknown: bool = True
    buy_lost_urls: bool = False

    @classmethod
    def of(
        cls, words: tuple[str, ...], *, retry_unknown: bool, buy_lost_urls: bool = False
    ) -> Choice:
        """Make a choice from the words of `--retry`; without any, the default one."""
        kinds = {Kind.FAILED} | ({Kind.UNKNOWN} if retry_unknown else set())
        if words:
            kinds = set().union(*(RETRY_WORDS[word] for word in words))
        return cls(
            kinds=frozenset(kinds),
            retry_unknown=retry_unknown or Kind.UNKNOWN in kinds,
            buy_lost_urls=buy_lost_urls,
        )

    def sends(self, standing: Standing | None) -> bool:
        """Tell whether a request that stands so is worked on."""
        if standing is None or standing.reply is not None:
            return True
        kind = kind_of(standing)
        if kind is Kind.FAILED and standing.error_class == ErrorClass.AMBIGUOUS:
            return Kind.FAILED in self.kinds and self.retry_unknown
        if kind is Kind.FAILED and standing.error_class == ErrorClass.DOWNLOAD:
            return Kind.FAILED in self.kinds and self.buy_lost_urls
        return kind is Kind.NEW or kind in self.kinds


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """The requests to be sent that come from one entry and cost alike.

    Attributes:
        entry: The manifest's entry as `file:line`, or the table it reads.
        size: As sent, None when not set.
        quality: As sent, None when not set.
        requests: How many.
        images: Images they ask for.
        estimated_usd: What they will cost, None when they have no price.
    """

    entry: str
    size: str | None
    quality: str | None
    requests: int
    images: int
    estimated_usd: Decimal | None


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What a run will do (DESIGN §3, `plan --json`).

    Attributes:
        total: Requests asked for; the numbers from `new` to `changed` sum to it.
        new: Never sent, or known not to have been made.
        done: Kept.
        failed: Ended by a transient failure.
        rejected: The gateway would not make them.
        unknown: Sent, outcome not known, or paid and not yet fetched.
        changed: Bought before under the same name with other content.
        orphaned: Bought before, and no longer in the manifest, not even by name.
        duplicates: Rows that repeat another one and are bought once.
        images: Images this run will ask for.
        estimated_usd: What they will cost, None when nothing has a price.
        unpriced: Requests to be sent that have no price.
        warnings: What deserves a look, by code.
        low_usd: The estimate if everything comes as cheap as it may.
        worst_usd: The estimate if everything comes as dear as it may.
        to_send: Requests this run will work on.
        busy_seconds: Sum of their typical latencies, see `forecast`.
        groups: The requests to be sent, by entry, size and quality.
    """

    total: int
    new: int = 0
    done: int = 0
    failed: int = 0
    rejected: int = 0
    unknown: int = 0
    changed: int = 0
    orphaned: int = 0
    duplicates: int = 0
    images: int = 0
    estimated_usd: Decimal | None = None
    unpriced: int = 0
    warnings: Mapping[str, int]
    low_usd: Decimal | None = None
    worst_usd: Decimal | None = None
    to_send: int = 0
    busy_seconds: float = 0.0
    groups: tuple[Group, ...] = ()

    @property
    def needs_consent(self) -> bool:
        """Tell whether going on would buy anew what was bought before."""
        return self.changed > 0 or (self.new > 0 and self.orphaned > 0)

    def __await__(self) -> Generator[None, None, Plan]:
        """Be its own result: `await plan(…)` and `plan(…)` read alike."""
        yield from ()
        return self


def kind_of(standing: Standing | None) -> Kind:
    """Say what a request is to a plan."""
    return Kind.NEW if standing is None else _KINDS[standing.state]


def was_bought(standing: Standing | None) -> bool:
    """Tell whether a request was paid for, or may have been."""
    return standing is not None and (
        standing.is_open or standing.state in {State.SUCCEEDED, State.LOST}
    )


def key_of(id_: str) -> int:
    """Give a number for an id: what a set of a million holds of each."""
    return hash(id_)


class Survey:
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
        self._kinds: Counter[Kind] = Counter()
        self._warnings: Counter[str] = Counter()
        self._duplicates = 0
        self._images = 0
        self._to_send = 0
        self._unpriced = 0
        self._low = self._expected = self._worst = Decimal(0)
        self._busy = 0.0
        self._groups: dict[tuple[str, str | None, str | None], _Sum] = {}

    def add(self, request: Request) -> bool:
        """Count one request of the manifest; false for one that repeats another."""
        key = key_of(request.id)
        if key in self._seen:
            self._duplicates += 1
            self._warnings["duplicate"] += 1
            return False
        self._seen.add(key)
        self._claim_output(request)
        self._warnings.update(warnings(request.body))
        return True

    def choose(self, request: Request) -> None:
        """Count one request that is asked for in this run."""
        standing = self._standings.get(request.id)
        self.count.move(None, standing)
        self._kinds[kind_of(standing)] += 1
        if not self._choice.sends(standing):
            return
        self._to_send += 1
        self._images += request.n
        if standing is not None and standing.reply is not None:
            return
        price = quote(request, self._prices)
        self._busy += request_seconds(request.size, request.quality, request.n)
        self._group(request).add(request.n, price.expected if price else None)
        if price is None:
            self._unpriced += 1
            return
        self.count.is_priced = True
        self._low += price.low
        self._expected += price.expected
        self._worst += price.worst

    def orphans(self) -> frozenset[str]:
        """Give the ids the ledger names and the manifest does not."""
        return frozenset(
            id_ for id_ in self._standings if key_of(id_) not in self._seen
        )

    def finish(self, *, changed: int = 0, orphaned: int = 0) -> Plan:
        """Make the plan.

        Args:
            changed: How many of the new requests have an orphaned one's name.
            orphaned: How many orphaned ones there are whose name nobody has.
        """
        is_priced = self._to_send == 0 or self._unpriced < self._to_send
        counts = {kind.value: self._kinds[kind] for kind in Kind}
        counts["new"] -= changed
        return Plan(
            total=self._kinds.total(),
            **counts,
            changed=changed,
            orphaned=orphaned,
            duplicates=self._duplicates,
            images=self._images,
            estimated_usd=self._expected if is_priced else None,
            unpriced=self._unpriced,
            warnings=dict(sorted(self._warnings.items())),
            low_usd=self._low if is_priced else None,
            worst_usd=self._worst if is_priced else None,
            to_send=self._to_send,
            busy_seconds=round(self._busy, 1),
            groups=tuple(
                Group(
                    entry=entry,
                    size=size,
                    quality=quality,
                    requests=group.requests,
                    images=group.images,
                    estimated_usd=group.usd,
                )
                for (entry, size, quality), group in self._groups.items()
            ),
        )

    def _group(self, request: Request) -> _Sum:
        """Find the group of a request; a table's rows are one entry."""
        file, _, _ = request.origin.rpartition(":")
        entry = request.origin if file.endswith((".yaml", ".yml", ".json")) else file
        key = (entry, request.size, request.quality)
        group = self._groups.get(key)
        if group is None:
            if len(self._groups) >= MOST_GROUPS:
                key = ("others", None, None)
            group = self._groups.setdefault(key, _Sum())
        return group

    def _claim_output(self, request: Request) -> None:
        key = collision_key(request.output)
        place = hash(key)
        if place in self._outputs:
            self.clashes.add(key)
        self._outputs.add(place)


class _Sum:
    """What one group of requests adds up to."""

    def __init__(self) -> None:
        self.requests = 0
        self.images = 0
        self.usd: Decimal | None = None

    def add(self, images: int, usd: Decimal | None) -> None:
        self.requests += 1
        self.images += images
        if usd is not None:
            self.usd = (self.usd or Decimal(0)) + usd


def taken_names(
    requests: Iterable[Request], orphans: Mapping[str, str]
) -> frozenset[str]:
    """Find the names of orphaned requests that others have now.

    Args:
        requests: The manifest's requests.
        orphans: Names of the orphaned ids.
    """
    names = frozenset(orphans.values())
    return frozenset(request.name for request in requests if request.name in names)

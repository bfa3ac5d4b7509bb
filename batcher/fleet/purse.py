"""The fleet's one purse: `max_spend` cut into slots, each in one shard's hands at most.

A worker spends only within the slots of its shard, so no order of events can bring the
fleet past its limit, though no worker knows what the others spend.

A purse belongs to a session. What was spent before, by whomever and whether it is known
or only maybe billed, is what the ledger says when nobody works: it is taken off first.
So shards of another number, or another `max_spend`, simply find the purse of another
session. Within one, a shard's slots go over to whoever holds the shard next.

A slot is taken by making `slot-NNNNNN-tNNNNNN` and given back by making the same name
with `.free`; the next to take it makes the next turn. Nothing is ever removed, so a
request that a slow network delivers twice can undo nobody's claim.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

import msgspec

from batcher.errors import StoreError, UsageError
from batcher.fleet.roster import FOLDER, Roster

if TYPE_CHECKING:
    from collections.abc import Mapping

    from batcher.stores.directory import Directory

__all__ = ["Note", "Purse", "PurseTerms", "has_purse"]

PER_SHARD = 8
"""Slots for each shard: what a shard has left of its last one when it ends is out of
the others' reach until the next session, an eighth of an even share at most."""

TRIES = 4
"""Names lost to others after which to try again at the next heartbeat."""

MICRO = Decimal("0.000001")
NOTHING = Decimal(0)

_SLOT = re.compile(r"slot-(\d+)-t(\d+)(\.free)?")


class PurseTerms(msgspec.Struct, frozen=True, kw_only=True):
    """What the members of a session agree upon before anybody spends.

    Attributes:
        max_spend: USD the whole run directory may cost.
        base: USD spent, or maybe billed, before the session.
        slot: USD of one slot.
    """

    max_spend: Decimal
    base: Decimal
    slot: Decimal

    @classmethod
    def fit(
        cls, max_spend: Decimal, *, base: Decimal, usual: Decimal, parts: int
    ) -> PurseTerms:
        """Cut what is left into slots, in each of which a usual request fits.

        Args:
            max_spend: USD the whole run directory may cost.
            base: USD spent, or maybe billed, before the session.
            usual: USD that a request costs at most, on average; for a dearer one, a
                shard takes several slots.
            parts: How many shards there are.
        """
        even = (max_spend - base) / (parts * PER_SHARD)
        slot = max(even.quantize(MICRO, rounding="ROUND_DOWN"), usual, MICRO)
        return cls(max_spend=max_spend, base=base, slot=slot)


class Note(msgspec.Struct, frozen=True, kw_only=True):
    """What a shard's next holder has to know of its money.

    Attributes:
        session: Which session it is about.
        before: USD spent on the shard's requests before the session.
        slots: Its slots, each a number and a turn.
    """

    session: int | None = None
    before: Decimal = NOTHING
    slots: tuple[tuple[int, int], ...] = ()


def has_purse(directory: Directory) -> bool:
    """Tell whether the money of the last session is counted; blocks.

    Raises:
        StoreError: The directory cannot be read.
    """
    never = datetime.min.replace(tzinfo=UTC)
    session = Roster.read(directory.entries(FOLDER), now=never).session
    return any(True for _ in directory.entries(_folder(session)))


class Purse:
    """One shard's part in the fleet's purse; its methods block, and one thread calls.

    Attributes:
        terms: What all agreed upon; None until it is open.
        max_spend: The limit in force, USD; an order may have changed it.
        slots: The shard's slots, each a number and a turn.
        before: USD spent on the shard's requests before the session.
        is_dry: At the last look there was no slot to be had.
    """

    def __init__(
        self, directory: Directory, *, session: int, shard: tuple[int, int], owner: str
    ) -> None:
        self.terms: PurseTerms | None = None
        self.max_spend = NOTHING
        self.slots: list[tuple[int, int]] = []
        self.before = NOTHING
        self.is_dry = False
        self._directory = directory
        self._session = session
        self._shard = shard
        self._owner = owner.encode()
        self._folder = _folder(session)

    @property
    def note(self) -> Note:
        """Give what the shard's next holder has to know."""
        return Note(session=self._session, before=self.before, slots=tuple(self.slots))

    def open(self, wish: PurseTerms, *, spent: Decimal, inherited: Note) -> None:
        """Agree with the others upon the terms, and take the shard's slots over.

        Args:
            wish: The terms, should nobody have set any yet.
            spent: USD spent, or maybe billed, on this shard's requests, by a ledger
                that was read since the shard is held.
            inherited: What the shard's last holder has left.

        Raises:
            UsageError: The others work under another limit.
            StoreError: The directory cannot be read or written.
        """
        name = f"{self._folder}terms.json"
        self._directory.create(name, msgspec.json.encode(wish))
        data = self._directory.read(name)
        if data is None:
            raise StoreError(f"{name!r} was written and is not there")
        terms = msgspec.json.decode(data, type=PurseTerms)
        if terms.max_spend != wish.max_spend:
            raise UsageError(
                f"the others work under max_spend {terms.max_spend} USD, not "
                f"{wish.max_spend}; start with theirs, then change it for all"
            )
        self.before = spent
        if inherited.session == self._session:
            self.before = inherited.before
            known = self._look()
            self.slots = [
                each for each in inherited.slots if known.get(each[0]) == each
            ]
        self.terms, self.max_spend = terms, terms.max_spend

    def change(self, max_spend: Decimal) -> None:
        """Go by another limit; what is taken stays taken, and may be spent."""
        if max_spend > self.max_spend:
            self.is_dry = False
        self.max_spend = max_spend

    def limit(self) -> Decimal:
        """Give the USD that the shard's requests may cost in all, as things are."""
        slot = self.terms.slot if self.terms else NOTHING
        return self.before + slot * len(self.slots)

    def refill(self, used: Decimal, *, ahead: Decimal) -> None:
        """Take slots until there is enough for what is to come, or none are left.

        Args:
            used: USD spent, maybe billed or reserved on the shard's requests.
            ahead: USD to have at hand beyond that.

        Raises:
            StoreError: The directory cannot be read or written; what was taken until
                then is kept.
        """
        if self.limit() - used >= ahead:
            return
        tries = TRIES
        known = self._look()
        while self.limit() - used < ahead and tries:
            number = self._choice(known)
            self.is_dry = number is None
            if number is None:
                return
            slot = (number, abs(known.get(number, (number, 0))[1]) + 1)
            if self._directory.create(self._name(slot), self._owner):
                self.slots.append(slot)
            else:
                tries -= 1
            known[number] = slot

    def give_back(self, used: Decimal) -> None:
        """Let others have the slots of which nothing was spent; nothing is in flight.

        Raises:
            StoreError: The directory refuses; what is not given back stays the shard's.
        """
        while self.terms and self.slots and self.limit() - used >= self.terms.slot:
            slot = self.slots.pop()
            self._directory.create(f"{self._name(slot)}.free", self._owner)

    def _look(self) -> dict[int, tuple[int, int]]:
        """List the last turn of each slot ever taken; a free one's is negative."""
        known: dict[int, tuple[int, int]] = {}
        for entry in self._directory.entries(f"{self._folder}slot-"):
            match = _SLOT.fullmatch(entry.name.removeprefix(self._folder))
            if match is None:
                continue
            number, turn = int(match[1]), int(match[2])
            last = known.get(number, (number, 0))[1]
            if turn > abs(last) or (turn == abs(last) and match[3]):
                known[number] = (number, -turn if match[3] else turn)
        return known

    def _choice(self, known: Mapping[int, tuple[int, int]]) -> int | None:
        """Choose a free slot, in the shard's own part of the row where it can be."""
        count = self._count(known)
        part, parts = self._shard
        home = count * (part % parts) // parts
        for step in range(count):
            number = (home + step) % count
            if known.get(number, (number, 0))[1] <= 0:
                return number
        return None

    def _count(self, known: Mapping[int, tuple[int, int]]) -> int:
        """Tell below which number slots may be taken.

        After the limit was lowered, slots may be taken that lie beyond it. The row is
        shortened by as many, so that all that can be taken together stay within it.
        """
        if self.terms is None:
            return 0
        allowed = int(max(self.max_spend - self.terms.base, NOTHING) // self.terms.slot)
        taken = sorted(number for number, turn in known.values() if turn > 0)
        count = allowed
        while count and count + len(taken) - bisect_left(taken, count) > allowed:
            count -= 1
        return count

    def _name(self, slot: tuple[int, int]) -> str:
        return f"{self._folder}slot-{slot[0]:06}-t{slot[1]:06}"


def _folder(session: int) -> str:
    return f"purse/{session:06}/"

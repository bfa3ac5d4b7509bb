"""The time in which anybody works: what money and orders belong to.

A session's file is renewed by whichever member finds it `T/12` old, `T` being the time
to live of a lease; so one that is `T` old has no members left. A newcomer that is alone
begins the next session, and so does one that finds the last one over; any other joins.

Who was not alone sends nothing for `T/2`: by then every other has seen it, or lapsed.
Should another session have begun meanwhile, it changes over, having done nothing yet.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from batcher.fleet.roster import beacon_name, session_name

if TYPE_CHECKING:
    from collections.abc import Callable

    from batcher.fleet.roster import Roster
    from batcher.stores.directory import Directory

__all__ = ["Session"]


class Session:
    """One worker's membership of a session; its methods are called by one thread.

    Attributes:
        number: Of the session, counted from 1; 0 before it is a member.
        first_order: Orders up to this number are older than the session.
    """

    def __init__(
        self, directory: Directory, *, ttl: float, clock: Callable[[], float]
    ) -> None:
        self.number = 0
        self.first_order = 0
        self._directory = directory
        self._ttl = ttl
        self._clock = clock
        self._data = b""
        self._settled_at = 0.0

    def is_settled(self) -> bool:
        """Tell whether everybody else must have noticed this member by now."""
        return self.number > 0 and self._clock() >= self._settled_at

    def attend(self, roster: Roster, label: str) -> bool:
        """Become a member, or see to it that the session goes on.

        Args:
            roster: Who is at work, listed after this worker's own sign of life.
            label: This worker's shard.

        Returns:
            False when the session went on without this worker.

        Raises:
            StoreError: The directory cannot be read or written.
        """
        if roster.session != self.number or self.number == 0:
            if self.is_settled():
                return False
            self._join(roster, label)
        elif roster.age(roster.renewed) >= self._ttl / 12:
            self._directory.write(session_name(self.number), self._data)
        return True

    def _join(self, roster: Roster, label: str) -> None:
        number = roster.session
        is_alone = roster.live(self._ttl) == (label,)
        if number == 0 or is_alone or roster.age(roster.renewed) >= self._ttl:
            self._tidy(roster)
            number += 1
            first = {"first_order": max(roster.orders, default=0)}
            # Another may have been faster: then this is its session as well.
            self._directory.create(session_name(number), msgspec.json.encode(first))
        self._data = self._directory.read(session_name(number)) or b"{}"
        self._directory.write(session_name(number), self._data)
        terms = msgspec.json.decode(self._data, type=dict[str, int])
        self.first_order = terms.get("first_order", 0)
        self._settled_at = self._clock() + (0.0 if is_alone else self._ttl / 2)
        self.number = number

    def _tidy(self, roster: Roster) -> None:
        """Remove what members of sessions that are over have left behind."""
        dead = [
            beacon_name(label, beacon.epoch)
            for label, beacon in roster.beacons.items()
            if roster.age(beacon.modified) >= self._ttl
        ]
        if roster.session > 1:
            dead.append(session_name(roster.session - 1))
        self._directory.remove(dead)

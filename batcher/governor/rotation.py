"""Several keys and endpoints as one governor.

Each account, an endpoint with its keys, has a governor of its own, since limits and
outages are an account's; the budget and the run's own pace are one for all. Work goes
to the first account that has room, and to its least busy key. A key that runs dry or is
refused leaves the rotation, an account with its last key; when none is left, the run
stops. Where a quota is to be waited for, it is the last key that waits.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from msgspec.structs import replace

from batcher.governor.admission import Admission, Halt, Hold, Limits, Outcome, Snapshot
from batcher.governor.bucket import Bucket
from batcher.governor.governor import FULL, Governor
from batcher.models import ErrorClass, Failure

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from decimal import Decimal

__all__ = ["Account", "Rotation"]

DROPPING = frozenset({ErrorClass.AUTH, ErrorClass.QUOTA})
"""Classes after which a key is of no more use, though others of its account may be."""


class Account:
    """One endpoint and its keys.

    Args:
        governor: What holds for all of its keys.
        routes: The name of each key.
        ipm: Images a minute that this account bears, whatever the run's limit is.
        rpm: Requests a minute, the same way.

    Attributes:
        governor: What holds for all of its keys.
        routes: Requests in flight by the name of each key still in use.
    """

    def __init__(
        self,
        governor: Governor,
        routes: Sequence[str],
        *,
        ipm: float | None = None,
        rpm: float | None = None,
    ) -> None:
        self.governor = governor
        self.routes = dict.fromkeys(routes, 0)
        self._ipm = ipm
        self._rpm = rpm

    def change(self, now: float, limits: Limits) -> None:
        """Go by the run's limits from now on, within what the account bears."""
        ipm, rpm = _least(limits.ipm, self._ipm), _least(limits.rpm, self._rpm)
        self.governor.change(now, replace(limits, ipm=ipm, rpm=rpm))

    def least_busy(self) -> str:
        """Give the key with the fewest requests in flight."""
        return min(self.routes, key=self.routes.__getitem__)


class Rotation:
    """Lets requests out along several routes; stands where a `Governor` stands.

    Args:
        accounts: Each endpoint with its keys, in the order of preference.
        limits: What the user allows to all of them together.
        now: The time.

    Attributes:
        dropped: Why each route that left the rotation did.
        in_flight: Numbers of the admissions not yet settled.
    """

    def __init__(
        self, accounts: Sequence[Account], limits: Limits, *, now: float
    ) -> None:
        self.dropped: dict[str, Failure] = {}
        self.in_flight: set[int] = set()
        self._accounts = list(accounts)
        self._out: dict[int, tuple[Account, Admission]] = {}
        self._number = 0
        self._images = Bucket(now)
        self._requests = Bucket(now)
        self.change(now, limits)

    @property
    def limits(self) -> Limits:
        """What the user allows to all routes together."""
        return self._limits

    @property
    def survives(self) -> bool:
        """Tell whether another route is left after one has failed."""
        return any(account.routes for account in self._accounts)

    def ask(
        self, now: float, *, images: int, usd: Decimal | None, again: bool = False
    ) -> Admission | Hold | Halt:
        """Ask for leave along whichever route has room; see `Governor.ask`."""
        if len(self.in_flight) >= self._limits.concurrency:
            return FULL
        wait = self._wait(now)
        if wait > 0.0 and self.survives:
            return Hold(until=now + wait, reason="pace")
        holds: list[Hold] = []
        for account in [each for each in self._accounts if each.routes]:
            answer = account.governor.ask(now, images=images, usd=usd, again=again)
            if isinstance(answer, Admission):
                return self._admit(account, answer)
            if isinstance(answer, Hold):
                holds.append(answer)
            elif answer.failure.error_class is ErrorClass.SPEND:
                return answer
            else:
                self._drop_account(account, answer.failure)
        if holds:
            return min(holds, key=lambda hold: hold.until or float("inf"))
        return Halt(failure=next(reversed(self.dropped.values())))

    def settle(self, now: float, admission: Admission, outcome: Outcome) -> None:
        """Take what became of an admission; see `Governor.settle`."""
        self.in_flight.remove(admission.number)
        account, own = self._out.pop(admission.number)
        route = admission.route
        if route in account.routes:
            account.routes[route] -= 1
        failure = outcome.failure
        if failure is not None and self._is_useless(route, failure):
            self._drop(account, route, failure)
            if account.routes:
                # The other keys of this account are not to blame.
                outcome = Outcome(hint=outcome.hint)
        account.governor.settle(now, own, outcome)

    def change(self, now: float, limits: Limits) -> None:
        """Go by other limits from now on, each account within its own."""
        self._limits = limits
        for account in self._accounts:
            account.change(now, limits)

    def pause(self) -> None:
        """Let nothing leave until `resume`."""
        for account in self._accounts:
            account.governor.pause()

    def resume(self, now: float) -> None:
        """Go on after a pause by hand."""
        for account in self._accounts:
            account.governor.resume(now)

    def snapshot(self, now: float) -> Snapshot:
        """Tell where things stand, all accounts together."""
        live = [a.governor.snapshot(now) for a in self._accounts if a.routes]
        every = [a.governor.snapshot(now) for a in self._accounts]
        known = live or every
        limits = [inf if each.limit is None else each.limit for each in known]
        told, borne = self._limits.ipm or inf, sum(limits)
        running = [each for each in known if each.paused is None]
        first = (running or known)[0]
        return replace(
            first,
            in_flight=len(self.in_flight),
            concurrency=self._limits.concurrency,
            rate=sum(each.rate for each in every),
            limit=None if told == borne == inf else min(told, borne),
            is_learned=first.is_learned and borne < told,
        )

    def _wait(self, now: float) -> float:
        """Tell in how many seconds the run's own pace lets the next one leave."""
        ipm, rpm = self._limits.ipm or inf, self._limits.rpm or inf
        return max(self._images.wait(now, ipm / 60), self._requests.wait(now, rpm / 60))

    def _admit(self, account: Account, own: Admission) -> Admission:
        route = account.least_busy()
        admission = replace(own, number=self._number, route=route)
        self._number += 1
        self._images.take(own.images)
        self._requests.take(1)
        account.routes[route] += 1
        self.in_flight.add(admission.number)
        self._out[admission.number] = (account, own)
        return admission

    def _is_useless(self, route: str, failure: Failure) -> bool:
        """Tell whether a key is of no more use: unless it is the last, and waits."""
        if failure.error_class is ErrorClass.QUOTA and self._limits.wait_for_quota:
            return [route] != [name for each in self._accounts for name in each.routes]
        return failure.error_class in DROPPING

    def _drop(self, account: Account, route: str, failure: Failure) -> None:
        if account.routes.pop(route, None) is not None:
            self.dropped[route] = failure

    def _drop_account(self, account: Account, failure: Failure) -> None:
        for route in tuple(account.routes):
            self._drop(account, route, failure)


def _least(*rates: float | None) -> float | None:
    """Give the lowest rate; None is no limit."""
    return min((rate for rate in rates if rate is not None), default=None)


def reasons(dropped: Mapping[str, Failure]) -> str:
    """Say which routes left the rotation, and why."""
    return ", ".join(f"{name} ({f.error_class.value})" for name, f in dropped.items())

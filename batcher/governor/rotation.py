"""Several keys and endpoints as one governor.

Each account, an endpoint with its keys, has a governor of its own, since limits and
outages are an account's; the budget is one for all. Work goes to the first account that
has room, and to its least busy key. A key that runs dry or is refused leaves the
rotation, an account with its last key; when none is left, the run stops.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from batcher.governor.admission import Admission, Halt, Hold, Limits, Outcome, Standing
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

    Attributes:
        governor: What holds for all of its keys.
        routes: Requests in flight by the name of each key still in use.
    """

    def __init__(self, governor: Governor, routes: Sequence[str]) -> None:
        self.governor = governor
        self.routes = dict.fromkeys(routes, 0)

    def least_busy(self) -> str:
        """Give the key with the fewest requests in flight."""
        return min(self.routes, key=self.routes.__getitem__)


class Rotation:
    """Lets requests out along several routes; stands where a `Governor` stands.

    Attributes:
        dropped: Why each route that left the rotation did.
        in_flight: Numbers of the admissions not yet settled.
    """

    def __init__(self, accounts: Sequence[Account]) -> None:
        self.dropped: dict[str, Failure] = {}
        self.in_flight: set[int] = set()
        self._accounts = list(accounts)
        self._out: dict[int, tuple[Account, Admission]] = {}
        self._number = 0
        self._limits = accounts[0].governor.limits

    @property
    def limits(self) -> Limits:
        """What the user allows; the concurrency is that of all routes together."""
        return self._limits

    @property
    def survives(self) -> bool:
        """Tell whether another route is left after one has failed."""
        return any(account.routes for account in self._accounts)

    def ask(
        self, now: float, *, images: int, usd: Decimal | None
    ) -> Admission | Hold | Halt:
        """Ask for leave along whichever route has room; see `Governor.ask`."""
        if len(self.in_flight) >= self._limits.concurrency:
            return FULL
        holds: list[Hold] = []
        for account in [each for each in self._accounts if each.routes]:
            answer = account.governor.ask(now, images=images, usd=usd)
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
        is_dry = failure is not None and failure.error_class in DROPPING
        waits = self._limits.wait_for_quota
        if failure is not None and is_dry and not waits:
            self._drop(account, route, failure)
            if account.routes:
                # The other keys of this account are not to blame.
                outcome = Outcome(hint=outcome.hint)
        account.governor.settle(now, own, outcome)

    def change(self, now: float, limits: Limits) -> None:
        """Go by other limits from now on, every account by the same."""
        self._limits = limits
        for account in self._accounts:
            account.governor.change(now, limits)

    def pause(self) -> None:
        """Let nothing leave until `resume`."""
        for account in self._accounts:
            account.governor.pause()

    def resume(self, now: float) -> None:
        """Go on after a pause by hand."""
        for account in self._accounts:
            account.governor.resume(now)

    def snapshot(self, now: float) -> Standing:
        """Tell where things stand, all accounts together."""
        live = [a.governor.snapshot(now) for a in self._accounts if a.routes]
        every = [a.governor.snapshot(now) for a in self._accounts]
        known = live or every
        limits = [each.limit for each in known]
        running = [each for each in known if each.paused is None]
        first = (running or known)[0]
        return replace(
            first,
            in_flight=len(self.in_flight),
            concurrency=self._limits.concurrency,
            rate=sum(each.rate for each in every),
            limit=None if None in limits else sum(filter(None, limits)),
        )

    def _admit(self, account: Account, own: Admission) -> Admission:
        route = account.least_busy()
        admission = replace(own, number=self._number, route=route)
        self._number += 1
        account.routes[route] += 1
        self.in_flight.add(admission.number)
        self._out[admission.number] = (account, own)
        return admission

    def _drop(self, account: Account, route: str, failure: Failure) -> None:
        if account.routes.pop(route, None) is not None:
            self.dropped[route] = failure

    def _drop_account(self, account: Account, failure: Failure) -> None:
        for route in tuple(account.routes):
            self._drop(account, route, failure)


def reasons(dropped: Mapping[str, Failure]) -> str:
    """Say which routes left the rotation, and why."""
    return ", ".join(f"{name} ({f.error_class.value})" for name, f in dropped.items())

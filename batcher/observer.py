"""Who is told what happens while a run goes on, of one process or of many.

The two differ in what is known of a request, and in what may be looked at meanwhile.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from batcher.ledger.event import Result
    from batcher.models import Failure

R_contra = TypeVar("R_contra", contravariant=True)
"""What is known of a request."""

V_contra = TypeVar("V_contra", contravariant=True)
"""What may be looked at meanwhile."""


class RequestObserver(Protocol[R_contra]):
    """Is told what becomes of requests, as it happens; must not block or raise."""

    def attempted(self, request: R_contra, attempt: int) -> None:
        """An attempt was announced and is about to leave."""

    def retrying(
        self, request: R_contra, failure: Failure, delay: float | None
    ) -> None:
        """An attempt failed; another follows after so many seconds, None: a later run.

        The seconds are those that will be waited, the gateway's wish included.
        """

    def ended(self, request: R_contra, result: Result | None) -> None:
        """A request has ended; None when it was left unknown."""


class Observer(RequestObserver[R_contra], Protocol[R_contra, V_contra]):
    """Is told of the run as a whole as well."""

    def started(self, view: V_contra) -> None:
        """The run has begun; the view shows how it gets on."""

    def draining(self, in_flight: int, failure: Failure | None = None) -> None:
        """Nothing new leaves any more; so many are still out.

        Told once for the failure that ends the run, and for the first interruption,
        which has none.
        """

"""An observer that says nothing."""

from __future__ import annotations

from batcher.ledger.event import Result
from batcher.models import Failure, Request
from batcher.run_view import RunView


class Silence:
    def started(self, view: RunView) -> None:
        pass

    def attempted(self, request: Request, attempt: int) -> None:
        pass

    def retrying(self, request: Request, failure: Failure, delay: float | None) -> None:
        pass

    def ended(self, request: Request, result: Result | None) -> None:
        pass

    def draining(self, in_flight: int, failure: Failure | None = None) -> None:
        pass

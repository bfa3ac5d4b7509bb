"""What is the same for all requests of a run."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import msgspec

from batcher import sizes
from batcher.choice import Choice
from batcher.pricing import Price, rate, usd_of
from batcher.retry import Policy

if TYPE_CHECKING:
    from decimal import Decimal

    from batcher.models import Request
    from batcher.settings import Settings

SECONDS_BASE = 360.0
SECONDS_LARGE = 600.0
"""Time limits of an attempt: 4K and high quality take minutes (gateway practice)."""


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """What is the same for all requests of a run.

    Attributes:
        endpoint: Name of the endpoint, for the ledger.
        prices: USD per image, as the user set them.
        choice: Which ended requests are sent again.
        policy: How often a failed attempt is followed by another.
        timeout: Seconds of an attempt, None for the defaults.
        on_mismatch: What to do with an image that is not as asked.
        as_data_uri: How reference files stand on the wire.
        prices_by_route: The prices of each route, where there are several.
        stop_on: Error classes that stop the run when a request ends with one.
        embeds: Images' files are told whence they came.
        chance: Gives numbers from 0 to 1, for the jitter.
    """

    endpoint: str
    prices: tuple[Price, ...]
    choice: Choice
    policy: Policy
    timeout: float | None = None
    on_mismatch: str = "keep"
    as_data_uri: bool = False
    prices_by_route: Mapping[str, tuple[Price, ...]] = {}
    stop_on: frozenset[str] = frozenset()
    embeds: bool = False
    chance: Callable[[], float] = random.random

    @classmethod
    def of(
        cls,
        settings: Settings,
        choice: Choice,
        *,
        endpoint: str,
        prices: Mapping[str, tuple[Price, ...]],
        chance: Callable[[], float] = random.random,
    ) -> Terms:
        """Take from the settings what a worker needs."""
        return cls(
            endpoint=endpoint,
            prices=next(iter(prices.values())),
            prices_by_route=prices,
            choice=choice,
            policy=Policy(
                max_attempts=settings.max_attempts,
                by_class=settings.retry,
                retry_unknown=settings.on_unknown == "retry",
                wait_for_quota=settings.wait_for_quota,
                longest_wait=settings.longest_wait,
            ),
            timeout=settings.timeout,
            on_mismatch=settings.on_mismatch,
            as_data_uri=settings.references_as == "data_uri",
            stop_on=frozenset(settings.stop_on),
            embeds=settings.embed_metadata,
            chance=chance,
        )

    def prices_of(self, route: str) -> tuple[Price, ...]:
        """Give the prices along a route."""
        return self.prices_by_route.get(route, self.prices)

    def worst(self, request: Request) -> Decimal | None:
        """Give the most a request can cost along any route; None if unpriced."""
        tables = self.prices_by_route.values() or (self.prices,)
        rates = [rate(request, prices) for prices in tables]
        known = [each.micros(request)[2] for each in rates if each is not None]
        return usd_of(max(known)) if len(known) == len(rates) else None

    def seconds(self, request: Request) -> float:
        """Give the time limit of one attempt."""
        if self.timeout is not None:
            return self.timeout
        large = request.size is not None and sizes.is_large(request.size)
        return SECONDS_LARGE if large else SECONDS_BASE

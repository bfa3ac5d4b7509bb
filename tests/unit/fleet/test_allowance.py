from __future__ import annotations

from decimal import Decimal

import pytest

from batcher.fleet.allowance import REFILLING, Allowance
from batcher.governor import Admission, Halt, Hold, Limits

LIMITS = Limits(max_spend=Decimal(10))


def allowance(*, may_come: bool) -> Allowance:
    return Allowance(lambda _: may_come, spent=Decimal(7), unknown=Decimal(2))


def test_what_fits_passes_and_counts_as_used() -> None:
    sums = allowance(may_come=False)
    assert sums.check(LIMITS, images=1, usd=Decimal(1)) is None
    sums.reserve(Admission(number=0, at=0.0, images=1, usd=Decimal(1), others=0))
    assert sums.used == Decimal(10)


def test_what_does_not_fit_waits_as_long_as_the_purse_may_have_more() -> None:
    sums = allowance(may_come=True)
    assert sums.check(LIMITS, images=1, usd=Decimal(2)) is REFILLING


def test_an_empty_purse_stops_the_worker() -> None:
    verdict = allowance(may_come=False).check(LIMITS, images=1, usd=Decimal(2))
    assert isinstance(verdict, Halt)
    assert "whole fleet" in verdict.failure.message


def test_with_an_empty_purse_what_is_in_flight_is_waited_for() -> None:
    sums = Allowance(lambda _: False)
    sums.reserve(Admission(number=0, at=0.0, images=1, usd=Decimal(9), others=0))
    verdict = sums.check(LIMITS, images=1, usd=Decimal(2))
    assert isinstance(verdict, Hold)
    assert verdict is not REFILLING


@pytest.mark.parametrize("may_come", [True, False])
def test_a_request_without_a_price_never_passes(may_come: bool) -> None:
    verdict = allowance(may_come=may_come).check(LIMITS, images=1, usd=None)
    assert isinstance(verdict, Halt)
    assert "no price" in verdict.failure.message

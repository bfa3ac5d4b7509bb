from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batcher.governor.admission import Admission, Halt, Hold, Limits, Outcome
from batcher.governor.budget import Budget
from batcher.models import ErrorClass, Failure

DOLLAR = Decimal(1)


def budget(spent: int = 0, unknown: int = 0, images: int = 0) -> Budget:
    return Budget(spent=Decimal(spent), unknown=Decimal(unknown), images=images)


def admission(usd: Decimal | None = DOLLAR, images: int = 1) -> Admission:
    return Admission(number=0, at=0.0, images=images, usd=usd, others=0)


def failed(error_class: ErrorClass) -> Failure:
    return Failure(error_class=error_class, message="no")


def test_without_a_limit_everything_fits() -> None:
    assert budget().check(Limits(), images=10**6, usd=None) is None


@pytest.mark.parametrize(
    ("sums", "usd"),
    [(budget(spent=9), 1), (budget(unknown=9), 1), (budget(spent=4, unknown=5), 1)],
    ids=["spent", "unknown", "both"],
)
def test_what_just_fits_is_let_through_and_a_cent_more_is_not(
    sums: Budget, usd: int
) -> None:
    limits = Limits(max_spend=Decimal(10))
    assert sums.check(limits, images=1, usd=Decimal(usd)) is None
    more = Decimal(usd) + Decimal("0.01")
    assert isinstance(sums.check(limits, images=1, usd=more), Halt)


def test_what_may_come_to_fit_is_held() -> None:
    sums = budget(spent=8)
    sums.reserve(admission(DOLLAR * 2))
    limits = Limits(max_spend=Decimal(10))
    assert isinstance(sums.check(limits, images=1, usd=DOLLAR * 2), Hold)
    assert isinstance(sums.check(limits, images=1, usd=DOLLAR * 3), Halt)


def test_a_request_without_a_price_does_not_pass_a_budget() -> None:
    verdict = budget().check(Limits(max_spend=DOLLAR), images=1, usd=None)
    assert isinstance(verdict, Halt)
    assert verdict.failure.error_class is ErrorClass.SPEND


def test_images_are_counted_with_those_in_flight() -> None:
    sums, limits = budget(images=3), Limits(max_images=6)
    sums.reserve(admission(images=2))
    assert sums.check(limits, images=1, usd=None) is None
    assert isinstance(sums.check(limits, images=2, usd=None), Hold)
    assert isinstance(sums.check(limits, images=4, usd=None), Halt)


@pytest.mark.parametrize(
    ("outcome", "spent", "unknown", "images"),
    [
        (Outcome(images=2, spent=Decimal("0.4")), "0.4", "0", 2),
        (Outcome(images=1), "1", "0", 1),
        (Outcome(), "0", "0", 0),
        (Outcome(failure=failed(ErrorClass.SERVER)), "0", "0", 0),
        (Outcome(failure=failed(ErrorClass.AMBIGUOUS)), "0", "1", 2),
        (
            Outcome(failure=failed(ErrorClass.AMBIGUOUS), maybe_billed=Decimal("0.2")),
            "0",
            "0.2",
            2,
        ),
    ],
    ids=["priced", "unpriced success", "unsent", "failed", "ambiguous", "priced one"],
)
def test_a_settlement_puts_the_outcome_in_the_place_of_the_worst_case(
    outcome: Outcome, spent: str, unknown: str, images: int
) -> None:
    sums, one = budget(), admission(images=2)
    sums.reserve(one)
    sums.settle(one, outcome)
    assert (sums.spent, sums.unknown) == (Decimal(spent), Decimal(unknown))
    assert (sums.images, sums.reserved_images) == (images, 0)
    assert sums.reserved == 0


cents = st.integers(1, 300).map(lambda number: Decimal(number) / 100)


@given(
    most=st.integers(0, 1000).map(lambda number: Decimal(number) / 100),
    most_images=st.integers(0, 30),
    steps=st.lists(
        st.tuples(
            st.booleans(),
            cents,
            st.integers(1, 4),
            st.sampled_from(["success", "cheaper", "failed", "ambiguous", "unsent"]),
            st.integers(0, 9),
        ),
        max_size=80,
    ),
)
def test_no_order_of_events_passes_the_budget(
    most: Decimal,
    most_images: int,
    steps: list[tuple[bool, Decimal, int, str, int]],
) -> None:
    sums, limits = budget(), Limits(max_spend=most, max_images=most_images)
    flying: list[Admission] = []
    for is_asking, usd, images, end, place in steps:
        if is_asking or not flying:
            if sums.check(limits, images=images, usd=usd) is None:
                flying.append(admission(usd, images))
                sums.reserve(flying[-1])
        else:
            one = flying.pop(place % len(flying))
            sums.settle(one, outcome_of(one, end))
        assert sums.spent + sums.unknown + sums.reserved <= most
        assert sums.images + sums.reserved_images <= most_images
    assert sums.reserved == sum((one.usd or 0 for one in flying), Decimal(0))


def outcome_of(one: Admission, end: str) -> Outcome:
    assert one.usd is not None
    return {
        "success": Outcome(images=one.images),
        "cheaper": Outcome(images=1, spent=one.usd / 2),
        "failed": Outcome(failure=failed(ErrorClass.SERVER)),
        "ambiguous": Outcome(failure=failed(ErrorClass.AMBIGUOUS)),
        "unsent": Outcome(),
    }[end]

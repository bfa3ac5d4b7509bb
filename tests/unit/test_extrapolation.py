from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from itertools import accumulate

from hypothesis import given
from hypothesis import strategies as st

from batcher.extrapolation import PROBES, draw_strata, extrapolated
from batcher.plan import Group, Plan

TOTALS = st.lists(st.integers(0, 2000), min_size=1, max_size=6).filter(any)
GROUP = Group(
    entry="m:1",
    size=None,
    quality=None,
    requests=4,
    images=8,
    estimated_usd=Decimal("0.25"),
)


@given(TOTALS, st.integers(1, 9), st.integers(0, 8))
def test_what_is_drawn_is_in_the_pool_and_in_its_part(
    totals: list[int], step: int, start: int
) -> None:
    pool = range(start % step, sum(totals), step)
    strata = draw_strata(totals, pool, len(pool))
    ends = accumulate(totals)
    for stratum, total, end in zip(strata, totals, ends, strict=True):
        own = [index for index in pool if end - total <= index < end]
        assert stratum.start == end - total
        assert stratum.share == len(own)
        assert list(stratum.places) == sorted(set(stratum.places))
        probed = [stratum.start + place for place in stratum.places]
        assert set(probed) <= set(own)
        if own:
            assert (probed[0], probed[-1]) == (own[0], own[-1])
    assert sum(stratum.share for stratum in strata) == len(pool)


def test_some_are_drawn_of_each_part_by_its_size_and_always_the_same() -> None:
    totals = [1, 10**9, 3 * 10**9, 0]
    pool = range(sum(totals))
    strata = draw_strata(totals, pool, 1000)
    one, small, large, none = (len(stratum.places) for stratum in strata)
    assert (one, none) == (1, 0)
    assert PROBES / 4 <= small <= PROBES / 4 + 3
    assert 3 * PROBES / 4 <= large <= 3 * PROBES / 4 + 3
    assert sum(stratum.share for stratum in strata) == 1000
    assert strata == draw_strata(totals, pool, 1000)


def test_a_plan_grows_to_what_it_stands_for() -> None:
    some = Plan(
        total=10,
        new=3,
        done=4,
        failed=1,
        rejected=1,
        unknown=1,
        images=12,
        estimated_usd=Decimal("0.5"),
        low_usd=Decimal("0.1"),
        worst_usd=Decimal(1),
        to_send=6,
        busy_seconds=20.0,
        warnings={"unlisted_size": 5},
        groups=(GROUP,),
    )
    one = Plan(total=1, new=1, images=2, unpriced=1, to_send=1, warnings={"rare": 1})
    none = Plan(total=0, warnings={})
    plans = [(some, Fraction(1000)), (one, Fraction(1)), (none, Fraction(0))]
    assert extrapolated(plans, total=1001, duplicates=3) == Plan(
        total=1001,
        new=301,
        done=400,
        failed=100,
        rejected=100,
        unknown=100,
        duplicates=3,
        images=1202,
        estimated_usd=Decimal(50),
        unpriced=1,
        low_usd=Decimal(10),
        worst_usd=Decimal(100),
        to_send=601,
        busy_seconds=2000.0,
        warnings={"duplicate": 3, "rare": 1, "sampled": 1, "unlisted_size": 500},
        groups=(
            Group(
                entry="m:1",
                size=None,
                quality=None,
                requests=400,
                images=800,
                estimated_usd=Decimal(25),
            ),
        ),
    )


def test_what_has_no_price_has_none_when_there_is_more_of_it() -> None:
    some = Plan(total=2, new=2, unpriced=2, to_send=2, warnings={})
    plan = extrapolated([(some, Fraction(10))], total=10)
    assert plan.unpriced == 10
    assert plan.estimated_usd is plan.low_usd is plan.worst_usd is None


def test_a_rare_warning_is_not_rounded_away() -> None:
    some = Plan(total=9, new=9, to_send=9, warnings={"rare": 1})
    assert extrapolated([(some, Fraction(1))], total=1).warnings["rare"] == 1

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from batcher.sandbox.gate import Bucket, Wallet

STEPS = st.lists(
    st.tuples(st.integers(1, 10), st.floats(0, 30)), min_size=1, max_size=60
)


@given(ipm=st.floats(0.5, 600), burst=st.integers(10, 20), steps=STEPS)
def test_a_bucket_never_lets_more_through_than_its_burst_and_its_rate(
    ipm: float, burst: int, steps: list[tuple[int, float]]
) -> None:
    bucket, now, passed = Bucket(ipm, burst), 0.0, 0
    for images, pause in steps:
        now += pause
        if bucket.take(images, now=now) == 0:
            passed += images
        assert passed <= burst + now * ipm / 60 + 1e-3


@given(ipm=st.floats(0.5, 600), images=st.integers(1, 10))
def test_whoever_waits_as_told_is_let_through(ipm: float, images: int) -> None:
    bucket = Bucket(ipm, 10)
    assert bucket.take(10, now=5.0) == 0
    wait = bucket.take(images, now=5.0)
    assert wait > 0
    assert bucket.take(images, now=5.0 + wait + 1e-6) == 0


def test_an_order_larger_than_the_bucket_passes_when_it_is_full_and_is_owed() -> None:
    bucket = Bucket(60, 2)
    assert bucket.take(5, now=0.0) == 0
    assert bucket.take(1, now=3.5) > 0
    assert bucket.take(1, now=4.0) == 0


def test_without_a_limit_everything_passes() -> None:
    bucket = Bucket(None, 1)
    assert all(bucket.take(10, now=0.0) == 0 for _ in range(100))


@given(balance=st.integers(0, 100), costs=st.lists(st.integers(1, 30)))
def test_a_wallet_never_gives_more_than_it_holds(
    balance: int, costs: list[int]
) -> None:
    wallet = Wallet(balance / 1_000_000)
    for cost in costs:
        before = wallet.used
        assert wallet.reserve(cost) == (before + cost <= balance)
        assert wallet.used <= balance


def test_a_refund_can_be_spent_again() -> None:
    wallet = Wallet(1.0)
    assert wallet.reserve(1_000_000)
    assert not wallet.reserve(1)
    wallet.refund(1_000_000)
    assert wallet.reserve(1)


def test_quota_is_told_in_new_api_units() -> None:
    wallet = Wallet(2.0)
    assert wallet.reserve(500_000)
    quota = wallet.quota()
    assert quota["total_granted"] == 1_000_000
    assert quota["total_used"] == 250_000
    assert quota["total_available"] == 750_000
    assert quota["unlimited_quota"] is False
    assert Wallet(None).quota()["unlimited_quota"] is True

from __future__ import annotations

import hashlib
from collections import Counter
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batcher.errors import UsageError
from batcher.models import Request
from batcher.selection import Selection, parse_sample, parse_shard


def request(number: int) -> Request:
    id_ = hashlib.sha256(str(number).encode()).hexdigest()[:20]
    return Request(
        id=id_, name=str(number), body={}, vars={}, output=str(number), origin="m:1"
    )


def numbers(selection: Selection, total: int) -> list[int]:
    """Numbers of the selected requests, of `total` in the shard."""
    requests = [request(number) for number in range(total)]
    in_shard = sum(map(selection.has_shard, requests))
    return [int(chosen.name) for chosen in selection.choose(requests, in_shard)]


def test_everything_is_selected_when_nothing_is_set() -> None:
    assert numbers(Selection(), 5) == [0, 1, 2, 3, 4]
    assert not Selection().is_sampled


@given(st.integers(1, 9), st.integers(0, 60))
def test_shards_are_disjoint_and_complete(parts: int, total: int) -> None:
    shards = [
        numbers(Selection(shard=(part, parts)), total) for part in range(1, parts + 1)
    ]
    assert sorted(number for shard in shards for number in shard) == [*range(total)]


@given(st.integers(1, 9), st.integers(0, 60), st.integers(0, 60))
def test_a_shard_stays_the_same_while_the_manifest_grows(
    parts: int, total: int, more: int
) -> None:
    before = numbers(Selection(shard=(1, parts)), total)
    assert numbers(Selection(shard=(1, parts)), total + more)[: len(before)] == before


def test_counting_shards_from_0_or_from_1_are_the_same_parts() -> None:
    zero, last = (numbers(Selection(shard=(part, 5)), 50) for part in (0, 5))
    assert zero == last
    assert zero


@given(st.integers(0, 40), st.integers(0, 50), st.integers())
def test_a_sample_has_its_size_and_is_drawn_by_its_seed(
    total: int, sample: int, seed: int
) -> None:
    selection = Selection(sample=sample, seed=seed)
    chosen = numbers(selection, total)
    assert len(chosen) == len(set(chosen)) == min(sample, total)
    assert chosen == sorted(chosen)
    assert chosen == numbers(selection, total)


@pytest.mark.parametrize(
    ("percent", "total", "size"),
    [(0, 10, 0), (10, 10, 1), (50, 9, 4), (33.3, 1000, 333), (100, 7, 7)],
)
def test_a_percentage_is_of_what_is_in_the_shard(
    percent: float, total: int, size: int
) -> None:
    assert len(numbers(Selection(percent=percent), total)) == size
    half = Selection(percent=50, shard=(1, 2))
    assert len(numbers(half, 100)) == round(
        len(numbers(Selection(shard=(1, 2)), 100)) / 2
    )


def test_every_request_is_drawn_as_often_as_any_other() -> None:
    drawn = Counter(
        number
        for seed in range(3000)
        for number in numbers(Selection(sample=3, seed=seed), 10)
    )
    # 900 each are expected; five standard deviations are 126.
    assert all(abs(drawn[number] - 900) < 126 for number in range(10))


def test_every_pair_is_drawn_as_often_as_any_other() -> None:
    drawn = Counter(
        tuple(numbers(Selection(sample=2, seed=seed), 5)) for seed in range(3000)
    )
    # 300 each are expected; five standard deviations are 83.
    assert len(drawn) == 10
    assert all(abs(times - 300) < 83 for times in drawn.values())


def test_the_first_are_counted_after_shard_and_sample() -> None:
    sampled = numbers(Selection(sample=10, seed=1), 50)
    assert numbers(Selection(sample=10, seed=1, first=3), 50) == sampled[:3]
    assert numbers(Selection(first=0), 5) == []


def test_no_more_requests_are_made_than_are_asked_for() -> None:
    source = map(request, count())
    assert len(list(Selection(first=3).choose(source, 0))) == 3
    assert next(source).name == "3"


def test_a_manifest_that_shrank_since_it_was_counted_ends_the_drawing() -> None:
    requests = [request(number) for number in range(3)]
    chosen = Selection(percent=100).choose(requests, 9)
    assert len(list(chosen)) == 3


@pytest.mark.parametrize(
    ("text", "shard"),
    [("1/5", (1, 5)), ("0/5", (0, 5)), (" 5/5 ", (5, 5)), ("1/1", (1, 1))],
)
def test_a_shard_is_a_part_of_several(text: str, shard: tuple[int, int]) -> None:
    assert parse_shard(text) == shard


@pytest.mark.parametrize(
    "text",
    ["", "1", "6/5", "0/0", "-1/5", "1/-5", "a/b", "1/5/9", "1.5/2", "1/" + "9" * 9999],
)
def test_what_is_no_shard_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--shard: expected I/N with I from 1 to N"):
        parse_shard(text)


@pytest.mark.parametrize(
    ("text", "sample"),
    [
        ("10", (10, None)),
        ("0", (0, None)),
        ("10%", (None, 10.0)),
        (" 0.5 % ", (None, 0.5)),
        ("100%", (None, 100.0)),
    ],
)
def test_a_sample_is_a_number_or_a_percentage(
    text: str, sample: tuple[int | None, float | None]
) -> None:
    assert parse_sample(text) == sample


@pytest.mark.parametrize(
    "text", ["", "x", "-1", "1.5", "%", "101%", "-1%", "nan%", "inf%", "9" * 9999]
)
def test_what_is_no_sample_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--sample: expected a number or a percentage"):
        parse_sample(text)


@given(st.integers(1, 9), st.integers(0, 60))
def test_shards_by_index_are_disjoint_and_complete(parts: int, total: int) -> None:
    shards = [
        Selection(shard=(part, parts)).indices(total) for part in range(1, parts + 1)
    ]
    assert sorted(index for shard in shards for index in shard) == [*range(total)]


@given(
    shard=st.none() | st.tuples(st.integers(0, 3), st.just(3)),
    first=st.none() | st.integers(0, 30),
    sample=st.none() | st.integers(0, 60),
    percent=st.none() | st.floats(0, 100),
    total=st.integers(0, 50),
)
def test_as_many_are_selected_by_index_as_by_a_walk(
    shard: tuple[int, int] | None,
    first: int | None,
    sample: int | None,
    percent: float | None,
    total: int,
) -> None:
    selection = Selection(shard=shard, first=first, sample=sample, percent=percent)
    indices = list(selection.indices(total))
    pool = selection.pool(total)
    assert indices == sorted(set(indices))
    assert set(indices) <= set(pool)
    walked = list(selection.choose(map(request, range(len(pool))), len(pool)))
    if shard is None:
        assert len(indices) == len(walked)
    if sample is None and percent is None:
        assert indices == list(pool)


def test_every_index_is_drawn_as_often_as_any_other() -> None:
    drawn = Counter(
        index
        for seed in range(3000)
        for index in Selection(sample=3, seed=seed).indices(10)
    )
    # 900 each are expected; five standard deviations are 126.
    assert all(abs(drawn[index] - 900) < 126 for index in range(10))


def test_a_few_of_a_billion_are_drawn_at_once_and_spread_evenly() -> None:
    indices = Selection(sample=1000, shard=(1, 3)).indices(10**9)
    assert len(set(indices)) == 1000
    assert all(index % 3 == 1 for index in indices)
    # The mean of 1000 draws has a standard deviation of 9.1 millions.
    assert abs(sum(indices) / 1000 - 5 * 10**8) < 46_000_000

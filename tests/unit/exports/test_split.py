from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batcher.errors import UsageError
from batcher.exports.split import Splits, parse_splits

IDS = [f"{number:020x}" for number in range(4000)]


def test_splits_are_as_large_as_their_weights_say() -> None:
    splits = parse_splits("train=0.9, test=0.1")
    counts = Counter(map(splits.split_of, IDS))
    assert 3500 < counts["train"] < 3700
    assert counts.total() == 4000


@pytest.mark.parametrize("text", ["a=9,b=1", "a=0.9,b=0.1", "a=90,b=10"])
def test_weights_need_not_add_up_to_one(text: str) -> None:
    assert parse_splits(text) == parse_splits("a=.9,b=.1")


def test_a_split_that_is_cut_in_two_moves_no_other_image() -> None:
    before, after = parse_splits("a=8,b=2"), parse_splits("a=8,b=1,c=1")
    for id_ in IDS:
        assert before.split_of(id_) == after.split_of(id_).replace("c", "b")


@given(
    st.lists(st.decimals("0.001", 1000, places=3), min_size=1, max_size=5), st.text()
)
def test_every_id_is_in_a_split(weights: list[object], id_: str) -> None:
    text = ",".join(f"s{number}={each}" for number, each in enumerate(weights))
    splits = parse_splits(text)
    assert splits.split_of(id_) in splits.names
    assert splits.bounds[-1] == 1 << 64


def test_without_splits_all_is_train() -> None:
    assert {Splits().split_of(id_) for id_ in IDS} == {"train"}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "train",
        "train=",
        "train=x",
        "train=0",
        "train=-1",
        "train=nan",
        "train=inf",
        "train=1e999999",
        "train=1e-999999",
        "=1",
        "all=1",
        "Train=1",
        "../x=1",
        "a-b=1",
        "a=1,,b=1",
        "a=1,a=2",
    ],
)
def test_what_is_no_split_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--split"):
        parse_splits(text)

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batcher.manifest.matrix import Axis, Matrix, TooLargeError

Combination = dict[str, object]
NAMES = "abcde"


def same(one: object, other: object) -> bool:
    return one == other and isinstance(one, bool) == isinstance(other, bool)


def agrees(combination: Mapping[str, object], wanted: Mapping[str, object]) -> bool:
    return all(k in combination and same(combination[k], wanted[k]) for k in wanted)


def brute_force(
    axes: Sequence[Axis], exclude: Sequence[Combination], include: Sequence[Combination]
) -> list[Combination]:
    """GitHub's rules, as their documentation tells them, step by step."""
    names = {name for axis in axes for name in axis.names}
    places = product(*(range(len(axis)) for axis in axes)) if axes else ()
    originals: list[Combination] = []
    for place in places:
        combination: Combination = {}
        for axis, at in zip(axes, place, strict=True):
            combination |= axis.at(at)
        if not any(agrees(combination, wanted) for wanted in exclude):
            originals.append(combination)
    extended = [original.copy() for original in originals]
    added = []
    for addition in include:
        own = {name: addition[name] for name in addition if name in names}
        fits = [agrees(original, own) for original in originals]
        for combination, is_fitting in zip(extended, fits, strict=True):
            if is_fitting:
                combination.update(addition)
        if not any(fits):
            added.append(addition)
    return extended + added


VALUES = st.sampled_from([0, 1, 2, True, False, "x", None])


@st.composite
def matrices(
    draw: st.DrawFn,
) -> tuple[list[Axis], list[Combination], list[Combination]]:
    names = draw(st.lists(st.sampled_from(NAMES), unique=True, max_size=4))
    axes = []
    while names:
        group = [names.pop() for _ in range(draw(st.integers(1, min(2, len(names)))))]
        length = draw(st.integers(1, 4))
        columns: dict[str, Sequence[object]] = {
            name: draw(
                st.just(range(length))
                | st.lists(VALUES, min_size=length, max_size=length)
            )
            for name in group
        }
        axes.append(Axis(columns))
    known = [name for axis in axes for name in axis.names]
    exclude = draw(st.lists(_combinations(known), max_size=5)) if known else []
    include = draw(st.lists(_combinations([*known, "new", "other"]), max_size=4))
    return axes, exclude, include


def _combinations(names: list[str]) -> st.SearchStrategy[Combination]:
    return st.dictionaries(st.sampled_from(names), VALUES, min_size=1, max_size=3)


@given(matrices())
def test_combinations_are_githubs(
    matrix: tuple[list[Axis], list[Combination], list[Combination]],
) -> None:
    expected = brute_force(*matrix)
    made = Matrix(*matrix)
    assert len(made) == len(expected)
    assert [made[index] for index in range(len(made))] == expected
    assert list(made) == expected


@given(matrices())
def test_walking_again_gives_the_same(
    matrix: tuple[list[Axis], list[Combination], list[Combination]],
) -> None:
    made = Matrix(*matrix)
    first = [dict(combination) for combination in made]
    for combination in made:
        assert isinstance(combination, dict)
        combination["a"] = "changed by who was given it"
    if first:
        assert made[0] == {**first[0], **{k: v for k, v in made[0].items() if k == "a"}}


def test_githubs_own_example_comes_out_as_documented() -> None:
    made = Matrix(
        [Axis({"fruit": ["apple", "pear"]}), Axis({"animal": ["cat", "dog"]})],
        include=[
            {"color": "green"},
            {"color": "pink", "animal": "cat"},
            {"fruit": "apple", "shape": "circle"},
            {"fruit": "banana"},
            {"fruit": "banana", "animal": "cat"},
        ],
    )
    assert list(made) == [
        {"fruit": "apple", "animal": "cat", "color": "pink", "shape": "circle"},
        {"fruit": "apple", "animal": "dog", "color": "green", "shape": "circle"},
        {"fruit": "pear", "animal": "cat", "color": "pink"},
        {"fruit": "pear", "animal": "dog", "color": "green"},
        {"fruit": "banana"},
        {"fruit": "banana", "animal": "cat"},
    ]
    assert made.names == {"fruit", "animal", "color", "shape"}


def test_a_billion_combinations_are_counted_and_found_at_once() -> None:
    axes = [Axis({name: range(1000)}) for name in "abc"]
    made = Matrix(
        axes, exclude=[{"a": 7}, {"b": 3, "c": 5}], include=[{"a": 1, "z": 2}]
    )
    assert len(made) == 10**9 - 10**6 - 999
    assert made[0] == {"a": 0, "b": 0, "c": 0}
    assert made[10**6 - 1] == {"a": 1, "b": 0, "c": 0, "z": 2}
    assert made[-1] == {"a": 999, "b": 999, "c": 999}
    assert made[3005] == {"a": 0, "b": 3, "c": 6}


def test_ten_thousand_exclusions_are_counted_and_found_at_once() -> None:
    axes = [Axis({"a": list(range(1000))}), Axis({"b": range(1000)})]
    exclude: list[Combination] = [{"a": n % 100, "b": n // 100} for n in range(10_000)]
    made = Matrix(axes, exclude)
    assert len(made) == 10**6 - 10_000
    assert made[0] == {"a": 0, "b": 100}


def test_without_axes_only_what_is_included_is_there() -> None:
    assert list(Matrix([])) == []
    assert list(Matrix([], include=[{"a": 1}, {"a": 2}])) == [{"a": 1}, {"a": 2}]


def test_an_exclusion_of_an_unknown_name_excludes_nothing() -> None:
    assert len(Matrix([Axis({"a": [1, 2]})], exclude=[{"a": 1, "nowhere": 1}])) == 2


def test_true_is_not_one() -> None:
    made = Matrix([Axis({"a": [1, True]}), Axis({"b": range(2)})], [{"a": True}])
    assert [combination["a"] for combination in made] == [1, 1]
    assert len(Matrix([Axis({"b": range(2)})], [{"b": True}])) == 2


@pytest.mark.parametrize("index", [2, -3])
def test_an_index_outside_is_refused(index: int) -> None:
    with pytest.raises(IndexError):
        Matrix([Axis({"a": [1, 2]})])[index]


def test_a_slice_is_refused_as_it_would_hold_its_combinations() -> None:
    with pytest.raises(TypeError, match="one combination at a time"):
        Matrix([Axis({"a": [1, 2]})])[0:1]


def test_more_combinations_than_anyone_wants_are_refused() -> None:
    with pytest.raises(TooLargeError, match="has more than"):
        Matrix([Axis({name: range(1000)}) for name in "abcdefg"])


def test_exclusions_that_take_forever_to_count_are_refused() -> None:
    axes = [Axis({f"n{number}": [0, 1]}) for number in range(40)]
    rules: list[Combination] = [
        {f"n{first}": 0, f"n{39 - first}": 1} for first in range(20)
    ]
    with pytest.raises(TooLargeError, match="too many exclusions that overlap"):
        Matrix(axes, rules)

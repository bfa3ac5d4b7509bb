"""Rows that repeat others: which are named, and what makes them different."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from batcher.manifest import Problems
from batcher.manifest.duplicate import Numbering, Repetitions, name_clashes
from batcher.manifest.recipe import request_id
from batcher.models import Request
from tests.unit.manifest.folder import Folder


def numbered(requests: list[Request]) -> list[Request]:
    return [*map(Numbering().numbered, requests)]


def unchanged(requests: list[Request]) -> list[str]:
    repetitions, seen = Repetitions(), set()
    for request in requests:
        if request.id in seen:
            repetitions.add(request)
        seen.add(request.id)
    return [str(problem) for problem in repetitions.told(requests)]


def test_the_second_of_a_kind_is_what_a_second_sample_is(folder: Folder) -> None:
    rows = "prompt\na fox\na hen\na fox\na fox\n"
    samples = "requests: [{prompt: a fox, samples: 3}, {prompt: a hen}]"
    wanted = {request.id for request in folder.yaml(samples).right()}
    assert {r.id for r in numbered(folder.csv(rows).right())} == wanted


def test_what_repeats_nothing_stays_as_it_is(folder: Folder) -> None:
    requests = folder.csv("prompt,name\na fox,1\na hen,2\n").right()
    assert numbered(requests) == requests


def test_default_names_follow_the_id(folder: Folder) -> None:
    requests = numbered(folder.csv("prompt\na fox\na fox\n").right())
    for request in requests:
        assert request.name == request.output == f"a-fox-{request.id[:8]}"


def test_names_of_their_own_stay_and_shared_ones_are_numbered(folder: Folder) -> None:
    rows = "prompt,name\na fox,one\na fox,two\na fox,one\n"
    requests = numbered(folder.csv(rows).right())
    assert [request.name for request in requests] == ["one", "two", "one-3"]
    assert [request.output for request in requests] == ["one", "two", "one-3"]


def test_an_output_with_an_id_follows_it(folder: Folder) -> None:
    text = 'output: "{{ id }}"\nrequests: [{prompt: a}, {prompt: a}]'
    requests = numbered(folder.yaml(text).right())
    assert [request.output for request in requests] == [r.id for r in requests]


@given(st.permutations([("a", 1), ("a", 1), ("a", 3), ("b", 2), ("a", 2), ("b", 1)]))
def test_in_any_order_as_many_ids_come_out_and_the_same(
    entries: list[tuple[str, int]],
) -> None:
    found = numbered([made(p, s) for p, n in entries for s in range(1, n + 1)])
    wanted = [made("a", s).id for s in range(1, 8)] + [made("b", s).id for s in (1, 2)]
    assert {request.id for request in found} >= set(wanted)
    assert len({request.id for request in found}) == len(found) == 10


def made(prompt: str, sample: int) -> Request:
    """Make a request as a recipe does."""
    body = {"prompt": prompt}
    id_ = request_id(body, (), single=False, sample=sample)
    return Request(id=id_, name=id_, body=body, vars={}, output=id_, origin="m:1")


def test_repetitions_are_named_with_both_places(folder: Folder) -> None:
    requests = folder.csv("prompt\na fox\na hen\na fox\n").right()
    (told,) = unchanged(requests)
    file = folder.path / "manifest.csv"
    assert told.startswith(f"{file}:4: asks for the same as {file}:2; bought once")


def test_each_repetition_is_named_with_the_first_of_its_kind(folder: Folder) -> None:
    rows = "prompt\na hen\na fox\na cow\na fox\na cow\na fox\n"
    places = [told.partition("; ")[0] for told in unchanged(folder.csv(rows).right())]
    file = folder.path / "manifest.csv"
    same = "asks for the same as"
    assert places == [
        f"{file}:{line}: {same} {file}:{first}"
        for line, first in ((5, 3), (6, 4), (7, 3))
    ]


def test_what_is_gone_since_is_still_told(folder: Folder) -> None:
    repetitions = Repetitions()
    repetitions.add(folder.csv("prompt\na fox\n").right()[0])
    (told,) = repetitions.told(())
    assert "the same as an earlier one" in str(told)


def test_combinations_of_one_entry_that_are_the_same_are_named(folder: Folder) -> None:
    text = "requests: [{prompt: a, matrix: {x: [1, 2]}}]"
    (told,) = unchanged(folder.yaml(text).right())
    assert "the same as another of this entry" in told


def test_an_entry_that_repeats_itself_is_named_once_with_how_often(
    folder: Folder,
) -> None:
    text = "requests: [{prompt: a, matrix: {x: [1, 2, 3, 4, 5, 6, 7, 8]}}, {prompt: a}]"
    told = unchanged(folder.yaml(text).right())
    file = folder.path / "manifest.yaml"
    where = f"{file}:1: 8 of its requests repeat others, the first of them another of"
    assert len(told) == 1
    assert told[0].startswith(f"{where} this entry; bought once")


def test_one_more_that_is_not_named_is_one_request(folder: Folder) -> None:
    told = unchanged(folder.csv("prompt\n" + "a fox\n" * 7).right())
    assert told[-1].endswith("and 1 more request of that kind")


def test_only_the_first_repetitions_are_named_one_by_one(folder: Folder) -> None:
    told = unchanged(folder.csv("prompt\n" + "a fox\n" * 1010).right())
    assert len(told) == 6
    assert told[-1].endswith("and 1,004 more requests of that kind")


def test_without_repetitions_nothing_is_read_or_said() -> None:
    assert Repetitions().told(iter(())) == []


def test_who_takes_the_file_of_another_is_told_where_it_stands(folder: Folder) -> None:
    rows = "prompt,name\na fox,one\na hen,One\na fox,ONE\na cow,two\na dog,one\n"
    problems = Problems()
    name_clashes(folder.csv(rows).right(), {"one"}, problems)
    told = [(p.line, p.field, p.message.partition(";")[0]) for p in problems.all()]
    first = f"is also the file of {folder.path / 'manifest.csv'}:2 ('one')"
    # The third row repeats the first, so it takes no file at all.
    assert told == [(3, "output", f"'One' {first}"), (6, "output", f"'one' {first}")]

"""Every request is found by index, and is the one that a walk would come to."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from batcher.errors import ManifestError
from batcher.manifest import Expansion, Problems, Wanted, read_manifest
from batcher.models import Request
from tests.unit.manifest.folder import MODEL, Folder

THOROUGH = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    deadline=None,
    max_examples=60,
)
VALUES = st.sampled_from(["a", "b", 1, 2, True])
TABLES = {
    "rows.csv": "word,tone\nfox,red\n\nheron,\n",
    "one.csv": "word\nowl\n",
    "empty.csv": "word\n",
    "table.csv": "prompt,size\none,\n,\ntwo,1024x1024\nthree\n",
    "lines.jsonl": '{"prompt": "four"}\n\n{"prompt": "five"}\n',
}


@st.composite
def entries(draw: st.DrawFn) -> dict[str, object]:
    """Entries of every kind; `include` may give another `z` than the manifest's."""
    lengths = draw(st.dictionaries(st.sampled_from("abcd"), st.integers(1, 3)))
    entry: dict[str, object] = {"samples": draw(st.integers(1, 3))}
    axes = {
        name: draw(
            st.just({"range": [1, length]})
            | st.lists(VALUES, min_size=length, max_size=length)
        )
        for name, length in lengths.items()
    }
    if axes:
        entry["matrix"] = axes
        alike = [name for name in axes if lengths[name] == lengths[min(axes)]]
        if len(alike) > 1 and draw(st.booleans()):
            entry["zip"] = [alike]
    known = st.sampled_from(sorted(axes)) if axes else st.nothing()
    some = st.dictionaries(known, VALUES, min_size=1, max_size=2)
    if axes:
        entry["exclude"] = draw(st.lists(some, max_size=2))
    added = st.dictionaries(known | st.just("z"), VALUES, min_size=1, max_size=2)
    entry["include"] = draw(st.lists(added, max_size=2))
    if draw(st.booleans()):
        entry["rows"] = draw(st.sampled_from(["rows.csv", "one.csv", "empty.csv"]))
    names = [*axes, *(["word"] if "rows" in entry else []), "z"]
    words = " ".join(f"{{{{ {name} | default('-') }}}}" for name in names)
    entry["prompt"] = words
    return entry


def opened(folder: Folder, listed: list[dict[str, object]], *more: str) -> Expansion:
    """Expand a manifest of these entries, and other manifests after it."""
    for name, content in TABLES.items():
        folder.write(name, content)
    path = folder.write("m.json", json.dumps({"vars": {"z": "-"}, "requests": listed}))
    paths = [path, *(folder.path / name for name in more)]
    read = [read_manifest(str(each), Problems()) for each in paths]
    manifests = [manifest for manifest in read if manifest is not None]
    return Expansion(manifests, model=MODEL, overrides={})


def at(expansion: Expansion, indices: Sequence[int]) -> list[Request]:
    """Find the requests at some indices."""
    return list(expansion.only(Wanted(indices, expansion.totals())))


@THOROUGH
@given(data=st.data())
def test_an_index_finds_what_the_walk_comes_to(
    folder: Folder, data: st.DataObject
) -> None:
    listed = data.draw(st.lists(entries(), min_size=1, max_size=3))
    more = data.draw(st.sampled_from([[], ["table.csv"], ["lines.jsonl", "table.csv"]]))
    expansion = opened(folder, listed, *more)
    problems = Problems()
    walked = list(expansion.checked(problems))
    assume(not problems.total)  # an exclusion may leave nothing
    assert sum(expansion.totals()) == len(walked) <= expansion.most()
    assert at(expansion, range(len(walked))) == walked
    places = st.sets(st.sampled_from(range(len(walked)))) if walked else st.just(set())
    indices = sorted(data.draw(places))
    assert at(expansion, indices) == [walked[index] for index in indices]


def test_each_part_is_counted(folder: Folder) -> None:
    table: dict[str, object] = {
        "prompt": "{{ word }} {{ a }}",
        "rows": "rows.csv",
        "matrix": {"a": {"range": [1, 5]}},
        "samples": 2,
    }
    expansion = opened(folder, [table, {"prompt": "x"}], "table.csv", "lines.jsonl")
    assert expansion.totals() == [20, 1, 3, 2]


def test_a_billion_combinations_are_counted_and_found_at_once(folder: Folder) -> None:
    axes = {name: {"range": [1, 1000]} for name in "abc"}
    entry: dict[str, object] = {"prompt": "{{ a }} {{ b }} {{ c }}", "matrix": axes}
    expansion = opened(folder, [{"prompt": "x"}, entry])
    assert expansion.totals() == [1, 10**9]
    found = at(expansion, [0, 1, 5 * 10**8, 10**9])
    prompts = [request.body["prompt"] for request in found]
    assert prompts == ["x", "1 1 1", "500 1000 1000", "1000 1000 1000"]


def test_repetitions_are_numbered_among_those_that_are_found(folder: Folder) -> None:
    folder.write("m.csv", "prompt\nx\nx\nx\n")
    manifest = read_manifest(str(folder.path / "m.csv"), Problems())
    assert manifest is not None
    whole = Expansion([manifest], model=MODEL, overrides={}, each=True)
    ids = [request.id for request in whole]
    assert [request.id for request in at(whole, [1, 2])] == ids[:2]


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("m.csv", "prompt\nx\ny\nz,1\n", ":4: has 2 cells, but the header names 1"),
        ("m.jsonl", '{"prompt": "x"}\n[]\n', ":2: not a JSON object"),
        ("m.yaml", "requests: [{prompt: x}, {prompt: y, size: 9x}]", ":1: size: '9x'"),
        ("m.yaml", "requests: [{prompt: x, samples: 2}, {prompt: }]", "is missing"),
    ],
)
def test_what_is_not_wanted_is_still_looked_at_as_a_whole(
    folder: Folder, name: str, content: str, told: str
) -> None:
    manifest = read_manifest(str(folder.write(name, content)), Problems())
    assert manifest is not None
    expansion = Expansion([manifest], model=MODEL, overrides={})
    with pytest.raises(ManifestError, match=told.replace("'", ".")):
        at(expansion, [0])


def test_a_table_that_shrank_since_it_was_counted_ends_the_walk(folder: Folder) -> None:
    entry: dict[str, object] = {"prompt": "{{ word }}", "rows": "rows.csv"}
    (part,) = opened(folder, [entry]).parts(Problems())
    assert part.total() == 2
    folder.write("rows.csv", "word,tone\nfox,red\n")
    assert [request.body["prompt"] for request in part.at([0, 1])] == ["fox"]


def test_a_file_that_went_away_has_no_lines(folder: Folder) -> None:
    entry: dict[str, object] = {"prompt": "{{ word }}", "rows": "rows.csv"}
    (part,) = opened(folder, [entry]).parts(Problems())
    (folder.path / "rows.csv").unlink()
    assert (part.most(), part.total()) == (1, 0)

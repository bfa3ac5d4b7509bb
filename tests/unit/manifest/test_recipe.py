"""Ids: what they depend on, and above all what they do not."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from batcher.manifest.field import FieldError
from batcher.manifest.recipe import request_id
from batcher.models import Reference
from tests.unit.manifest.folder import Folder, png

Rows = list[tuple[str, str]]
WORDS = st.text("abcdef", min_size=1, max_size=3)
ROWS = st.lists(st.tuples(WORDS, WORDS), min_size=1, max_size=8)
KEEPS_FIXTURES = settings(
    max_examples=40,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def yaml_ids(folder: Folder, rows: Rows) -> dict[str, str]:
    """Id by prompt, of a manifest with an entry for each row."""
    entries = "".join(f"- {{name: n-{n}, prompt: p-{p}}}\n" for n, p in rows)
    return by_prompt(folder, "m.yaml", f"requests:\n{entries}")


def rows_ids(folder: Folder, rows: Rows) -> dict[str, str]:
    folder.write("rows.csv", "label,text\n" + "".join(f"{n},p-{p}\n" for n, p in rows))
    text = "requests: [{rows: rows.csv, name: '{{ label }}', prompt: '{{ text }}'}]"
    return by_prompt(folder, "m.yaml", text)


def csv_ids(folder: Folder, rows: Rows) -> dict[str, str]:
    text = "name,prompt,kept\n" + "".join(f"n-{n},p-{p},{n}\n" for n, p in rows)
    return by_prompt(folder, "m.csv", text)


def matrix_ids(folder: Folder, rows: Rows) -> dict[str, str]:
    values = ", ".join(f"p-{p}" for _, p in rows)
    text = f"requests: [{{matrix: {{p: [{values}]}}, prompt: '{{{{ p }}}}'}}]"
    return by_prompt(folder, "m.yaml", text)


def by_prompt(folder: Folder, name: str, text: str) -> dict[str, str]:
    requests = folder.expand(name, text).right()
    return {str(request.body["prompt"]): request.id for request in requests}


@pytest.mark.parametrize("ids", [yaml_ids, rows_ids, csv_ids, matrix_ids])
@KEEPS_FIXTURES
@given(rows=ROWS, more=ROWS, data=st.data())
def test_inserting_deleting_reordering_and_renaming_change_no_other_id(
    folder: Folder,
    ids: Callable[[Folder, Rows], dict[str, str]],
    rows: Rows,
    more: Rows,
    data: st.DataObject,
) -> None:
    before = ids(folder, rows)
    kept = data.draw(st.lists(st.sampled_from(rows)))
    changed = data.draw(st.permutations([("renamed", p) for _, p in kept] + more))
    after = ids(folder, changed)
    for prompt in before.keys() & after.keys():
        assert after[prompt] == before[prompt]


@KEEPS_FIXTURES
@given(ROWS)
def test_a_request_has_one_id_whatever_manifest_it_comes_from(
    folder: Folder, rows: Rows
) -> None:
    ids = [make(folder, rows) for make in (yaml_ids, rows_ids, csv_ids, matrix_ids)]
    assert ids[0] == ids[1] == ids[2] == ids[3]
    assert len(set(ids[0].values())) == len(ids[0])


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("prompt: a", "prompt: b"),
        ("prompt: a", "prompt: 'a '"),
        ("prompt: a", "{prompt: a, n: 1}"),
        ("prompt: a", "{prompt: a, model: other}"),
        ("prompt: a", "{prompt: a, watermark: false}"),
        ("prompt: a", "{prompt: a, extra: {seed: 1}}"),
        ("{prompt: a, extra: {seed: 1}}", "{prompt: a, extra: {seed: '1'}}"),
        ("{prompt: a, size: 1:1}", "{prompt: a, size: '1:1(2K)'}"),
        ("{prompt: a, image: a.png}", "prompt: a"),
        ("{prompt: a, image: a.png}", "{prompt: a, image: [a.png]}"),
        ("{prompt: a, image: a.png}", "{prompt: a, image: b.png}"),
        ("{prompt: a, image: [a.png, b.png]}", "{prompt: a, image: [b.png, a.png]}"),
        ("{prompt: a, image: 'http://x.y/1'}", "{prompt: a, image: 'http://x.y/2'}"),
    ],
)
def test_what_is_paid_for_changes_the_id(folder: Folder, one: str, other: str) -> None:
    assert id_of(folder, one) != id_of(folder, other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("prompt: a", "{prompt: a, name: x, output: y, vars: {z: 1}, samples: 1}"),
        ("prompt: a", "{model: gpt-image-2-pro, prompt: a}"),
        ("{prompt: a, n: 1}", "{prompt: a, n: 0}"),
        ("{prompt: a, size: 1:1}", "{prompt: a, size: 1024x1024}"),
        ("{prompt: a, image: a.png}", "{prompt: a, image: same.png}"),
        ("prompt: a", "{prompt: '{{ x }}', vars: {x: a}}"),
        ("prompt: a", "{prompt: a, quality: null}"),
    ],
)
def test_what_is_not_paid_for_does_not(folder: Folder, one: str, other: str) -> None:
    assert id_of(folder, one) == id_of(folder, other)


def id_of(folder: Folder, entry: str) -> str:
    folder.write("a.png", png())
    folder.write("same.png", png())
    folder.write("b.png", png("blue"))
    (request,) = folder.yaml(f"requests:\n- {entry}").right()
    assert len(request.id) == 20
    assert int(request.id, 16) >= 0
    return request.id


def test_samples_have_ids_of_their_own_and_keep_them(folder: Folder) -> None:
    def ids(samples: int) -> list[str]:
        text = f"requests: [{{prompt: a, samples: {samples}}}]"
        return [request.id for request in folder.yaml(text).right()]

    assert len(set(ids(5))) == 5
    assert ids(5)[:3] == ids(3)
    assert ids(1) == [id_of(folder, "prompt: a")]


def test_a_url_is_its_own_digest() -> None:
    def made(reference: Reference) -> str:
        return request_id({}, (reference,), single=True, sample=1)

    url = Reference(text="https://x.test/a.png")
    assert made(url) == made(url)
    assert made(url) != made(Reference(text="x", digest="sha256:0"))


@pytest.mark.parametrize("value", [range(3), "\ud800", object()])
def test_what_json_cannot_say_is_refused(value: object) -> None:
    with pytest.raises(FieldError, match="cannot be sent as JSON"):
        request_id({"x": value}, (), single=False, sample=1)

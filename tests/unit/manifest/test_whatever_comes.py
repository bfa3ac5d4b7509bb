"""Whatever a manifest holds, reading it ends, in requests or in mistakes."""

from __future__ import annotations

import json
from itertools import islice
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from batcher.manifest import Expansion, Problems, read_manifest
from batcher.manifest.entry import ENTRY_KEYS
from batcher.manifest.yaml_manifest import TOP_KEYS
from tests.unit.manifest.folder import MODEL, Folder, png

MOST = 2000
THOROUGH = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    deadline=None,
    max_examples=100,
)


def walk(path: Path) -> Problems:
    """Read and expand a manifest, as far as one looks."""
    problems = Problems()
    manifest = read_manifest(str(path), problems)
    if manifest is not None:
        expansion = Expansion([manifest], model=MODEL, overrides={})
        for request in islice(expansion.checked(problems), MOST):
            json.dumps([request.body, request.vars], allow_nan=False).encode()
            assert request.output
    for problem in problems.all():
        assert problem.message
        assert str(problem).encode()
    return problems


@pytest.mark.parametrize("name", ["m.yaml", "m.json", "m.csv", "m.jsonl"])
@THOROUGH
@given(
    content=st.binary(max_size=200)
    | st.text(max_size=200).map(lambda t: t.encode("utf-8", "surrogatepass"))
)
def test_any_bytes(folder: Folder, name: str, content: bytes) -> None:
    walk(folder.write(name, content))


TEMPLATES = st.sampled_from(
    [
        "{{ a }}",
        "{{ a|upper }}",
        "{{ nosuch }}",
        "{{ a",
        "{{ 'a' * 10**9 }}",
        "{{ range(10**9)|list }}",
        "{{ [a] }}",
        "{{ a.b }}",
        "{{ 1/0 }}",
        "{{ '\\ud800' }}",
        "{{ 2**70 }}",
        "{{ none }}",
        "{% for i in range(9999) %}{% for j in range(9999) %}x{% endfor %}{% endfor %}",
    ]
)
SCALARS = (
    TEMPLATES
    | st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["16:9", "1:1", "t.csv", "a.png", "../x", "/etc/passwd", "\0"])
)
KEYS = st.sampled_from(
    [*ENTRY_KEYS, *TOP_KEYS, "a", "b", "range", "file", "csv", "column", "<<", "x-y"]
) | st.text(max_size=4)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4)
    ),
    max_leaves=10,
)
AXES = st.fixed_dictionaries(
    {},
    optional={
        "a": st.lists(SCALARS, max_size=4)
        | st.just({"range": [1, 10**15]})
        | st.just({"file": "words.txt"})
        | st.just({"csv": "t.csv", "column": "a"}),
        "b": st.lists(SCALARS, max_size=3) | VALUES,
    },
)
ENTRIES = st.fixed_dictionaries(
    {"prompt": TEMPLATES | SCALARS},
    optional={
        "matrix": AXES | VALUES,
        "zip": st.just([["a", "b"]]) | VALUES,
        "exclude": st.lists(st.dictionaries(st.sampled_from("abc"), SCALARS)) | VALUES,
        "include": st.lists(st.dictionaries(st.sampled_from("abc"), SCALARS)) | VALUES,
        "samples": st.integers(0, 10**7) | VALUES,
        "rows": st.just("t.csv") | VALUES,
        "vars": st.dictionaries(st.sampled_from("abc"), VALUES) | VALUES,
        "image": st.sampled_from(["a.png", "t.csv", "."]) | VALUES,
        "extra": VALUES,
        **dict.fromkeys(("size", "n", "style", "name", "output", "model"), VALUES),
    },
)
MANIFESTS = st.fixed_dictionaries(
    {"requests": st.lists(ENTRIES | VALUES, max_size=3) | VALUES},
    optional={
        "defaults": ENTRIES | VALUES,
        "vars": st.dictionaries(st.sampled_from("abc"), SCALARS) | VALUES,
        **dict.fromkeys(("name", "endpoint", "settings", "output", "extra"), VALUES),
    },
)


@THOROUGH
@given(MANIFESTS)
def test_any_manifest(folder: Folder, manifest: dict[str, object]) -> None:
    folder.write("t.csv", "a,b\n1,2\nx,\n")
    folder.write("words.txt", "one\ntwo\n")
    folder.write("a.png", png())
    text = yaml.safe_dump(manifest, allow_unicode=True)
    walk(folder.write("m.yaml", text.encode("utf-8", "surrogatepass")))


GOOD = """
name: city-posters
vars: &vars {style: "35mm film"}
defaults: {size: "16:9(4K)"}
requests:
  - name: "{{ city }}-{{ light }}"
    prompt: "A poster of {{ city }} at {{ light }}, {{ style }}"
    matrix: {city: [Tokyo, Lagos], light: [dawn, dusk], n: {range: [1, 2]}}
    zip: [[city, light]]
    exclude: [{city: Lagos, light: dusk}]
    include: [{city: Oslo, light: polar night}]
    samples: 2
    vars: *vars
  - rows: t.csv
    prompt: "Photo of {{ a|upper }}"
    image: a.png
    watermark: false
    extra: {x: [1, {y: "{{ b }}"}]}
output: "{{ style }}/{{ name }}"
"""


@THOROUGH
@given(st.data())
def test_any_slip_in_a_good_manifest(folder: Folder, data: st.DataObject) -> None:
    folder.write("t.csv", "a,b\n1,2\nx,\n")
    folder.write("a.png", png())
    text = GOOD
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(text)))
        end = data.draw(st.integers(start, min(len(text), start + 6)))
        new = data.draw(st.text("{}[]:&*-|>\"'%#, \nabn019", max_size=4))
        text = text[:start] + new + text[end:]
    walk(folder.write("m.yaml", text))


CELLS = st.text(st.characters(codec="utf-8"), max_size=8) | TEMPLATES | st.just("16:9")


@THOROUGH
@given(st.lists(st.lists(CELLS, max_size=5), max_size=5), st.sampled_from(",;\t"))
def test_any_table(folder: Folder, rows: list[list[str]], separator: str) -> None:
    lines = [separator.join(row) for row in rows]
    header = separator.join(["prompt", "size", "name", "image", "kept"])
    walk(folder.write("m.csv", "\n".join([header, *lines])))


FIELDS = st.dictionaries(KEYS | st.just("prompt"), VALUES, max_size=5)


@THOROUGH
@given(st.lists(FIELDS | st.fixed_dictionaries({"body": FIELDS | VALUES}), max_size=4))
def test_any_json_lines(folder: Folder, lines: list[dict[str, object]]) -> None:
    walk(folder.write("m.jsonl", "\n".join(json.dumps(line) for line in lines)))


HUGE = "9" * 100_000


@pytest.mark.parametrize(
    "text",
    [
        f"requests: [{{prompt: x, n: {HUGE}}}]",
        f"requests: [{{prompt: x, samples: {HUGE}}}]",
        f"requests: [{{prompt: x, size: {HUGE}x{HUGE}}}]",
        f"requests: [{{prompt: x, matrix: {{a: {{range: [1, {HUGE}]}}}}}}]",
        "requests: [{prompt: x, samples: 1000001}]",
        "requests: [" + "{prompt: x, sise: 1}, " * 9999 + "]",
        "requests: [{prompt: x, extra: {x: " + "[" * 99 + "]" * 99 + "}}]",
        'requests: [{prompt: "' + "{{ x }}" * 99_999 + '"}]',
        'requests: [{prompt: "' + "{{ x " * 9999 + '"}]',
        'requests: [{prompt: "' + "{% if x %}" * 999 + "{% endif %}" * 999 + '"}]',
        "requests: [{prompt: " + "x" * 10_000_000 + "}]",
        "requests: [{prompt: x, name: " + "x" * 1_000_000 + "}]",
        "requests: [{prompt: x, image: " + "A" * 4_000_000 + "}]",
        "requests: [{prompt: '{{ [a] * 10**9 }}', matrix: {a: {range: [1, 9999999]}}}]",
        "vars: {"
        + ", ".join(f"v{n}: 1" for n in range(9999))
        + "}\nrequests: [{prompt: x}]",
    ],
    ids=range(15),
)
def test_what_is_huge_is_a_mistake_soon(folder: Folder, text: str) -> None:
    problems = walk(folder.write("m.yaml", text))
    assert bool(problems.total) is not text.startswith("vars")

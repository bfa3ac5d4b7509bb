from __future__ import annotations

from itertools import islice

import pytest

from batcher.manifest import Expansion, Problems, read_manifest
from batcher.manifest.entry import SET_TWICE
from tests.unit.manifest.folder import MODEL, Folder, png

DESIGN = """
name: city-posters
endpoint: octopusx
settings: {concurrency: 8, ipm: 60, max_attempts: 5}
vars: {style: "35mm film"}
defaults: {model: gpt-image-2-pro, size: "16:9(4K)", response_format: b64_json}
requests:
  - name: "{{ city }}-{{ light }}"
    prompt: "A panoramic poster of {{ city }} at {{ light }}, {{ style }}"
    matrix: {city: [Tokyo, Lagos, Quito], light: [dawn, dusk]}
    exclude: [{city: Lagos, light: dawn}]
    include: [{city: Oslo, light: polar night}]
    samples: 2
  - rows: products.csv
    name: "{{ title|lower }}"
    prompt: "Studio photo of {{ title }} on {{ backdrop }}"
  - prompt: "A single hero image"
    size: 2048x2048
    image: refs/logo.png
    watermark: false
    extra: {moderation: low}
output: "{{ style }}/{{ name }}"
"""


@pytest.mark.parametrize(
    ("extra", "beside"),
    [
        ("extra: {moderation: low, seed: 5}", "moderation: low, extra: {seed: 5}"),
        ("extra: {size: '1:1', n: '2'}", "size: '1:1', n: 2"),
        ("extra: {model: dall-e-3}", "model: dall-e-3"),
        ("extra: {model: null}", "extra: {}"),
        ("n: null, extra: {n: 2}", "n: 2"),
        ("n: 2, extra: {n: null}", "n: 2"),
        ("model: null, extra: {model: m}", "model: m"),
        ("extra: {quality: '{{ q }}'}, vars: {q: low}", "quality: low, vars: {q: low}"),
    ],
)
def test_a_known_field_in_extra_is_that_field(
    folder: Folder, extra: str, beside: str
) -> None:
    (inside,) = folder.yaml(f"requests: [{{prompt: a, {extra}}}]").right()
    (outside,) = folder.yaml(f"requests: [{{prompt: a, {beside}}}]").right()
    assert (inside.id, inside.body) == (outside.id, outside.body)


def test_the_command_line_beats_a_known_field_in_extra_too(folder: Folder) -> None:
    text = "requests: [{prompt: a, extra: {quality: low}}]"
    (beaten,) = folder.yaml(text, quality="high").bodies()
    assert beaten["quality"] == "high"
    (absent,) = folder.yaml(text, quality=None).bodies()
    assert "quality" not in absent
    text = "requests: [{prompt: a, quality: low}]"
    (beaten,) = folder.yaml(text, extra_quality="high").bodies()
    assert beaten["quality"] == "high"


def test_the_documented_manifest_means_what_it_says(folder: Folder) -> None:
    folder.write("products.csv", "title,backdrop\nMug,marble\nLamp,wood\n")
    folder.write("refs/logo.png", png())
    requests = folder.yaml(DESIGN).right()
    assert [request.name for request in requests[:4]] == [
        "Tokyo-dawn-1",
        "Tokyo-dawn-2",
        "Tokyo-dusk-1",
        "Tokyo-dusk-2",
    ]
    assert len(requests) == (5 + 1) * 2 + 2 + 1
    assert requests[10].body["prompt"] == (
        "A panoramic poster of Oslo at polar night, 35mm film"
    )
    assert requests[12].body == {
        "model": "gpt-image-2-pro",
        "prompt": "Studio photo of Mug on marble",
        "size": "3840x2160",
        "response_format": "b64_json",
    }
    assert requests[12].output == "35mm film/mug"
    assert requests[12].vars == {"title": "Mug", "backdrop": "marble"}
    assert requests[12].origin == f"{folder.path / 'products.csv'}:2"
    assert requests[14].body == {
        "model": "gpt-image-2-pro",
        "prompt": "A single hero image",
        "size": "2048x2048",
        "response_format": "b64_json",
        "watermark": False,
        "moderation": "low",
    }
    assert requests[14].single_reference
    assert requests[14].origin == f"{folder.path / 'manifest.yaml'}:17"


def test_what_a_manifest_says_of_itself_is_read(folder: Folder) -> None:
    path = folder.write("m.yaml", DESIGN)
    manifest = read_manifest(str(path), Problems())
    assert manifest is not None
    assert manifest.name == "city-posters"
    assert manifest.endpoint is not None
    assert (manifest.endpoint.value, manifest.endpoint.line) == ("octopusx", 3)
    assert {k: node.plain() for k, node in manifest.settings.items()} == {
        "concurrency": 8,
        "ipm": 60,
        "max_attempts": 5,
    }
    assert len(manifest.sha256) == 64
    assert not manifest.remarks


def test_a_manifest_without_a_name_has_its_files(folder: Folder) -> None:
    path = folder.write("a.b.yaml", "requests: [{prompt: x}]\nendpoint:\nsettings:\n")
    manifest = read_manifest(str(path), Problems())
    assert manifest is not None
    assert (manifest.name, manifest.endpoint, dict(manifest.settings)) == (
        "a.b",
        None,
        {},
    )


@pytest.mark.parametrize(
    ("entry", "body"),
    [
        ("{prompt: x, size: 16:9}", {"size": "1920x1080"}),
        ("{prompt: x, watermark: false}", {"watermark": False}),
        ("{prompt: x, n: 0}", {"n": 1}),
        ("{prompt: x, n: '{{ 2 }}'}", {"n": 2}),
        ("{prompt: x, model: other}", {"model": "other"}),
        ("{prompt: x, model: null}", {}),
        ("{prompt: x, quality: '{{ q }}', vars: {q: 5}}", {"quality": "5"}),
        ("{prompt: x, quality: '{{ q }}', vars: {q: null}}", {}),
        ("{prompt: x, quality: '{{ q }}', vars: {q: ''}}", {}),
        ("{prompt: x, style: '{{ q }}', vars: {q: [1]}}", {"style": [1]}),
        ("{prompt: x, image: '{{ q }}', vars: {q: ''}}", {}),
        ("{prompt: x, extra: {seed: '{{ 7 }}', b: [true]}}", {"seed": 7, "b": [True]}),
    ],
)
def test_only_what_the_user_set_is_sent(
    folder: Folder, entry: str, body: dict[str, object]
) -> None:
    (found,) = folder.yaml(f"requests:\n- {entry}").bodies()
    assert found == {"model": MODEL, "prompt": "x"} | body


def test_an_entry_beats_the_defaults_and_a_null_takes_them_away(folder: Folder) -> None:
    text = """
defaults: {quality: low, user: me, model: other, extra: {a: 1, b: 2}}
requests:
- {prompt: x, quality: high, user: null, model: null, extra: {b: 3}}
- {prompt: y, extra: null}
"""
    first, second = folder.yaml(text).bodies()
    assert first == {"model": MODEL, "prompt": "x", "quality": "high", "a": 1, "b": 3}
    assert second["model"] == "other"
    assert (second["a"], second["b"]) == (1, 2)


def test_what_is_forced_beats_every_entry(folder: Folder) -> None:
    text = """
defaults: {quality: low}
requests: [{size: 1:1}, {prompt: x, n: 3, extra: {a: 1}}]
"""
    bodies = folder.yaml(
        text, prompt="forced {{ 1 + 1 }}", quality=None, n=0, extra_a=2
    ).bodies()
    common = {"model": MODEL, "prompt": "forced 2", "n": 1, "a": 2}
    assert bodies == [{**common, "size": "1024x1024"}, common]


def test_variables_are_the_nearest_ones(folder: Folder) -> None:
    folder.write("t.csv", "a,b,c,d\nrow,row,row,\n")
    text = """
vars: {a: top, b: top, c: top, e: top}
requests:
- rows: t.csv
  vars: {a: entry, e: entry}
  matrix: {b: [matrix]}
  prompt: "{{ a }} {{ b }} {{ c }} {{ e }}{{ d }}"
"""
    (request,) = folder.yaml(text).right()
    assert request.body["prompt"] == "row matrix row entry"
    assert request.vars == {
        "a": "row",
        "b": "matrix",
        "c": "row",
        "d": "",
        "e": "entry",
    }


def test_names_and_outputs_are_templates_too(folder: Folder) -> None:
    text = """
vars: {style: noir}
output: "{{ style }}/{{ size }}/{{ name }}-{{ sample }}-{{ id }}"
requests:
- {name: "{{ style }}-{{ '%03d' % sample }}", prompt: x, size: 1:1, samples: 2}
- {prompt: A Cat!, size: auto, output: "{{ name }}"}
- {prompt: x, size: auto, name: "{{ none_such }}", vars: {none_such: }, output: o}
"""
    one, two, cat, unnamed = folder.yaml(text).right()
    assert (one.name, two.name) == ("noir-001", "noir-002")
    assert two.output == f"noir/1024x1024/noir-002-2-{two.id}"
    assert cat.name == cat.output == f"a-cat-{cat.id[:8]}"
    assert (unnamed.name, unnamed.output) == (f"x-{unnamed.id[:8]}", "o")


def test_samples_are_separate_requests(folder: Folder) -> None:
    text = "requests: [{prompt: x, name: cat, samples: 3}, {prompt: y, samples: 2}]"
    requests = folder.yaml(text).right()
    assert [request.name for request in requests[:3]] == ["cat-1", "cat-2", "cat-3"]
    assert len({request.output for request in requests}) == 5


def test_a_million_samples_are_made_one_by_one(folder: Folder) -> None:
    text = "requests: [{prompt: x, samples: 1000000, matrix: {a: {range: [1, 999]}}}]"
    manifest = read_manifest(str(folder.write("m.yaml", text)), Problems())
    assert manifest is not None
    expansion = Expansion([manifest], model=MODEL, overrides={})
    assert len(list(islice(expansion, 5))) == 5


def test_references_are_rendered_read_and_listed(folder: Folder) -> None:
    folder.write("refs/a.png", png())
    folder.write("refs/b.png", png("blue"))
    text = """
requests:
- prompt: x
  image: ["refs/{{ r }}.png", "https://x.test/{{ r }}.png"]
  matrix: {r: [a, b]}
"""
    first, second = folder.yaml(text).right()
    assert [r.text.rpartition("/")[2] for r in first.references] == ["a.png"] * 2
    assert first.references[0].is_file
    assert not first.references[1].is_file
    assert second.references[0].digest != first.references[0].digest


TOO_MANY = "expected a whole number from 1 to 1,000,000, got {'a': [1]}"
ELSEWHERE = "a manifest names an endpoint that batcher.toml describes"

MISTAKES = [
    ("[]", 1, None, "expected a mapping of keys and values"),
    ("text", 1, None, "expected a mapping of keys and values"),
    ("name: x", 1, "requests", "is missing"),
    ("{}", 1, "requests", "is missing"),
    ("request: [{prompt: x}]", 1, "request", "unknown field; did you mean 'requests'?"),
    ("requests: {prompt: x}", 1, "requests", "expected a list of entries"),
    ("requests: []", 1, "requests", "expected a list of entries"),
    ("requests:\n- x", 2, "requests", "expected fields such as prompt:, got 'x'"),
    ("name: [x]\n{R}", 1, "name", "expected text, got ['x']"),
    ("name: ../x\n{R}", 1, "name", "'../x' leaves the run directory"),
    ("name: 'a\\b'\n{R}", 1, "name", "'a\\\\b' holds a backslash; separate folders"),
    ("output: report/x\n{R}", 1, "output", "'report/x' lies in 'report', which holds"),
    ("endpoint: https://evil.test/v1\n{R}", 1, "endpoint", "expected a profile's name"),
    ("endpoint: 5\n{R}", 1, "endpoint", "expected a profile's name, got 5; a URL go"),
    ("api_key: sk-1\n{R}", 1, "api_key", f"unknown field; {ELSEWHERE}"),
    ("base_url: http://x\n{R}", 1, "base_url", f"unknown field; {ELSEWHERE}"),
    ("settings: 5\n{R}", 1, "settings", "expected a mapping of keys and values"),
    ("defaults: [x]\n{R}", 1, "defaults", "expected a mapping of keys and values"),
    ("defaults: {sise: 1:1}\n{R}", 1, "defaults.sise", "unknown field; did you mean '"),
    ("defaults: {name: x}\n{R}", 1, "defaults.name", "unknown field"),
    ("defaults: {size: 17:9}\n{R}", 1, "size", "'17:9' is not a documented size;"),
    ("defaults: {extra: 5}\n{R}", 1, "extra", "expected {field: value}"),
    ("vars: 5\n{R}", 1, "vars", "expected {name: value}"),
    ("vars: {a-b: 5}\n{R}", 1, "vars.a-b", "cannot name a variable; use letters"),
    ("vars: {a: '{{ b }}'}\n{R}", 1, "vars.a", "is kept as it is; put the template"),
    ("output: ../x\n{R}", 1, "output", "'../x' leaves the run directory"),
    ("output: '{{ nmae }}'\n{R}", 1, "output", "'nmae' is not defined; did you mean"),
    ("output: '{{ quality }}'\n{R}", 1, "output", "'quality' is not defined here"),
    ("requests:\n- size: 1:1", 2, "prompt", "is missing"),
    ("requests:\n- prompt:", 2, "prompt", "is missing"),
    ("requests:\n- prompt: ''", 2, "prompt", "is empty; leave the field out instead"),
    ("requests:\n- prompt: 5", 2, "prompt", "expected text, got 5; put it in quotes"),
    ("requests:\n- prompt: {a: 1}", 2, "prompt", "expected text, got {'a': 1}"),
    ("requests:\n- prompt: x\n  promt: y", 3, "promt", "unknown field; did you mean"),
    ("requests:\n- prompt: x\n  seed: 5", 3, "seed", "unknown field; other fields go "),
    ("requests:\n- prompt: x\n  size: 17:9", 3, "size", "'17:9' is not a documented"),
    ("requests:\n- prompt: x\n  n: 11", 3, "n", "must be from 0 to 10, got 11"),
    ("requests:\n- prompt: x\n  name: ''", 3, "name", "is empty"),
    ("requests:\n- prompt: x\n  name: .x", 3, "name", "'.x' has an empty or hidden"),
    ("requests:\n- prompt: x\n  name: [x]", 3, "name", "expected text, got ['x']"),
    ("requests:\n- prompt: x\n  image: no.png", 3, "image", "cannot read 'no.png': No"),
    ("requests:\n- prompt: x\n  image: m.yaml", 3, "image", "'m.yaml' is not a whole"),
    ("requests:\n- prompt: x\n  image: 5", 3, "image", "expected a path, Base64, da"),
    ("requests:\n- prompt: x\n  extra: 5", 3, "extra", "expected {field: value}"),
    ("requests:\n- prompt: x\n  n: 1\n  extra: {n: 5}", 4, "extra.n", SET_TWICE),
    (
        "defaults: {n: 1}\nrequests:\n- {prompt: x, extra: {n: 5}}",
        3,
        "extra.n",
        SET_TWICE,
    ),
    ("requests:\n- prompt: x\n  extra: {n: 11}", 3, "n", "must be from 0 to 10, got"),
    ("requests:\n- prompt: x\n  samples: 0", 3, "samples", "expected a whole number "),
    ("requests:\n- prompt: x\n  samples: yes", 3, "samples", "expected a whole numbe"),
    ("requests:\n- prompt: x\n  samples: true", 3, "samples", "expected a whole numb"),
    ("requests:\n- prompt: x\n  samples: {a: [1]}", 3, "samples", TOO_MANY),
    (
        "requests:\n- prompt: x\n  rows: [a]",
        3,
        "rows",
        "expected a file's path, got ['a'",
    ),
    ("requests:\n- prompt: x\n  samples: 10000000", 3, "samples", "expected a whole "),
    ("requests:\n- prompt: x\n  rows: no.csv", 3, "rows", "there is no file 'no.csv'"),
    ("requests:\n- prompt: x\n  rows:", 3, "rows", "expected a file's path, got None"),
    ("requests:\n- prompt: x\n  vars: 5", 3, "vars", "expected {name: value}"),
    ("requests:\n- prompt: x\n  matrix: 5", 3, "matrix", "expected 1 to 50 names, eac"),
    ("requests:\n- prompt: '{{ x'", 2, "prompt", "wrong template: unexpected end of"),
    ("requests:\n- prompt: '{{ x }}'", 2, "prompt", "'x' is not defined; define it "),
    (
        "requests:\n- prompt: |\n    a\n    {{ city }} {{ citty }}\n  vars: {city: x}",
        4,
        "prompt",
        "'citty' is not defined; did you mean 'city'?",
    ),
    (
        "requests:\n- prompt: x\n  extra:\n    a: ['{{ x }}']",
        4,
        "extra.a",
        "'x' is not defined; define it in vars or matrix",
    ),
    (
        "requests:\n- prompt: '{{ 1/0 }}'\n  matrix: {a: [x, y]}",
        2,
        "prompt",
        "cannot render: division by zero (a='x' and 1 more)",
    ),
    (
        "requests:\n- prompt: '{{b}}'\n  matrix: {a: [x,y]}\n  include: [{a: x, b: 1}]",
        2,
        "prompt",
        "'b' is not defined here (a='y')",
    ),
    (
        "requests:\n- prompt: x\n  extra: {e: '{{ f.upper }}'}\n  vars: {f: x}",
        3,
        "extra.e",
        "gives a builtin_function_or_method, not a value",
    ),
    (
        "requests:\n- prompt: x\n  extra: {e: '{{ [f.upper] }}'}\n  vars: {f: x}",
        3,
        "extra",
        "a value cannot be sent as JSON: ",
    ),
    (
        "requests:\n- prompt: x\n  image: '{{ f }}'\n  vars: {f: no.png}",
        3,
        "image",
        "cannot read 'no.png': No such file or directory (f='no.png')",
    ),
    (
        "requests:\n- prompt: x\n  image: '{{ 1/0 }}'",
        3,
        "image",
        "cannot render: division by zero",
    ),
    (
        "requests:\n- prompt: x\n  name: '{{ 1/0 }}'",
        3,
        "name",
        "cannot render: division by zero",
    ),
    (
        "requests:\n- prompt: x\n  name: '{{ f }}'\n  vars: {f: ../..}",
        3,
        "name",
        "'../..' leaves the run directory (f='../..')",
    ),
    (
        "requests:\n- prompt: x\n  rows: t.csv\n  size: '{{ s }}'",
        4,
        "size",
        "'17:9' is not a documented size; ",
    ),
]


@pytest.mark.parametrize(("text", "line", "field", "words"), MISTAKES)
def test_a_mistake_is_told_with_its_file_line_and_field(
    folder: Folder, text: str, line: int, field: str | None, words: str
) -> None:
    folder.write("m.yaml", "no image")
    folder.write("t.csv", "s\n17:9\n17:9\n")
    expanded = folder.yaml(text.replace("{R}", "requests: [{prompt: x}]"))
    assert expanded.told() == [(line, field)]
    (problem,) = expanded.problems
    assert problem.file == str(folder.path / "manifest.yaml")
    assert problem.message.startswith(words)


def test_every_mistake_of_a_manifest_is_told_at_once(folder: Folder) -> None:
    folder.write("t.csv", "title,n\nmug,99\nlamp,1\nbed,x\ncup,1,2\n")
    text = """
nmae: x
defaults: {quality: 5}
requests:
- prompt: "{{ citty }}"
  size: 17:9
  matrix: {city: []}
  sampels: 2
- rows: t.csv
  prompt: "{{ title|upper }}"
  n: "{{ n }}"
  watermark: maybe
- 5
- prompt: "{{ a }}{{ 1/0 }}"
  n: 99
  matrix: {a: [1, 2]}
"""
    expanded = folder.yaml(text)
    assert not expanded.requests
    assert expanded.told() == [
        (2, "nmae"),
        (13, "requests"),
        (8, "sampels"),
        (7, "matrix.city"),
        (5, "prompt"),
        (6, "size"),
        (3, "quality"),
        (12, "watermark"),
        (11, "n"),
        (11, "n"),
        (5, None),
        (15, "n"),
        (14, "prompt"),
    ]


def test_a_row_that_is_wrong_is_named(folder: Folder) -> None:
    folder.write("t.csv", "title,n\nmug,99\nlamp,1\nbed,99\n")
    text = "requests:\n- {rows: t.csv, prompt: '{{ title }}', n: '{{ n }}'}"
    expanded = folder.yaml(text)
    assert [str(request.body["prompt"]) for request in expanded.requests] == ["lamp"]
    (problem,) = expanded.problems
    row = f"row {folder.path / 't.csv'}:2 and 1 more"
    assert problem.message == f"must be from 0 to 10, got '99' ({row})"


def test_an_entry_that_is_wrong_throughout_is_not_tried_forever(folder: Folder) -> None:
    text = (
        "requests:\n- {prompt: '{{ 1/(a - a) }}', matrix: {a: {range: [1, 999999999]}}}"
        "\n- {prompt: '{{ a }}', n: 99, matrix: {a: {range: [1, 999999999]}}}"
    )
    expanded = folder.yaml(text)
    assert not expanded.requests
    assert [problem.message for problem in expanded.problems] == [
        "cannot render: division by zero (a=1 and 9999 more)",
        "must be from 0 to 10, got 99",
    ]


def test_what_is_forced_is_named_when_it_is_wrong(folder: Folder) -> None:
    expanded = folder.yaml("requests: [{prompt: x}, {prompt: y}]", size="17:9")
    (problem,) = expanded.problems
    assert str(problem).startswith("--set: size: '17:9' is not a documented size")
    expanded = folder.yaml("requests: [{prompt: x}]", prompt="a\n{{ x }}")
    (problem,) = expanded.problems
    assert str(problem).startswith("--set: prompt: 'x' is not defined")
    expanded = folder.yaml("requests: [{prompt: x}]", prompt="{{ x")
    assert expanded.problems[0].file == "--set"
    expanded = folder.yaml("requests: [{prompt: x}]", extra_a=range(3))
    assert str(expanded.problems[0]).startswith("--set: extra: a value cannot be sent")


def test_a_prompt_is_not_missing_when_it_is_forced(folder: Folder) -> None:
    assert folder.yaml("requests: [{size: 1:1}]", prompt="x").prompts() == ["x"]


def test_a_table_that_breaks_off_is_told(folder: Folder) -> None:
    folder.write("t.csv", b"title\nmug\n\xff\n")
    expanded = folder.yaml("requests:\n- {rows: t.csv, prompt: '{{ title }}'}")
    assert [str(problem) for problem in expanded.problems] == [
        f"{folder.path / 't.csv'}:3: is not UTF-8 text; save it as UTF-8"
    ]
    folder.write("t.csv", 'title\nmug\n"x\n')
    expanded = folder.yaml("requests:\n- {rows: t.csv, prompt: '{{ title }}'}")
    assert [str(problem) for problem in expanded.problems] == [
        f"{folder.path / 't.csv'}:3: not CSV: unexpected end of data"
    ]

from __future__ import annotations

import json

import pytest

from batcher.manifest import Problems, read_manifest
from tests.unit.manifest.folder import MODEL, Folder, png


def test_a_csv_row_is_a_request(folder: Folder) -> None:
    folder.write("a.png", png())
    (request,) = folder.csv(
        "name,prompt,size,n,watermark,image,output,city\n"
        "one,a cat,16:9(4K),0,false,a.png,sub/x,Tokyo\n"
    ).right()
    assert request.body == {
        "model": MODEL,
        "prompt": "a cat",
        "size": "3840x2160",
        "n": 1,
        "watermark": False,
    }
    assert (request.name, request.output) == ("one", "sub/x")
    assert request.vars == {"city": "Tokyo"}
    assert request.single_reference
    assert request.references[0].is_file
    assert request.origin == f"{folder.path / 'manifest.csv'}:2"


def test_an_empty_cell_is_an_absent_field(folder: Folder) -> None:
    first, second = folder.csv("name,prompt,size,n,image,x\n,a,,,,\nb,b\n").right()
    assert first.body == {"model": MODEL, "prompt": "a"}
    assert first.name == first.output == f"a-{first.id[:8]}"
    assert (first.vars, second.vars) == ({"x": ""}, {"x": ""})


def test_a_cell_is_literal(folder: Folder) -> None:
    prompt = "{{ city }} {% if %} ${x} 50%"
    (request,) = folder.csv(f"prompt,city\n{prompt},Tokyo\n").right()
    assert request.body["prompt"] == prompt


def test_an_excel_sheet_is_read(folder: Folder) -> None:
    sheet = "\ufeffname;prompt;size;;\r\nposter 1;a cat, sitting;16:9;;\r\n;;;;\r\n"
    (request,) = folder.csv(sheet).right()
    assert request.body["prompt"] == "a cat, sitting"
    assert request.name == "poster 1"


def test_a_cell_may_list_several_references(folder: Folder) -> None:
    folder.write("a.png", png())
    folder.write("b.png", png("blue"))
    cell = '"[""a.png"", ""b.png""]"'
    (request,) = folder.csv(f"prompt,image\nx,{cell}\n").right()
    names = [each.text.rpartition("/")[2] for each in request.references]
    assert names == ["a.png", "b.png"]
    assert not request.single_reference


def test_a_header_in_capitals_is_suggested(folder: Folder) -> None:
    expanded = folder.csv("sep=;\nNAME;PROMPT\na;b\n")
    assert expanded.told() == [(2, "prompt")]
    hint = "the header has no column 'prompt'; did you mean 'PROMPT'?"
    assert expanded.problems[0].message == hint


def test_a_column_that_is_nearly_a_field_is_remarked(folder: Folder) -> None:
    path = folder.write("m.csv", "prompt,Size,promt,colour\na,,,\n")
    manifest = read_manifest(str(path), Problems())
    assert manifest is not None
    assert [(code, str(problem)) for code, problem in manifest.remarks] == [
        (
            "near_miss",
            f"{path}:1: Size: is kept as a variable; did you mean the field 'size'?",
        ),
        (
            "near_miss",
            f"{path}:1: promt: is kept as a variable; did you mean the field 'prompt'?",
        ),
    ]
    assert (manifest.name, manifest.endpoint, dict(manifest.settings)) == (
        "m",
        None,
        {},
    )


CSV_MISTAKES = [
    ("prompt,size\na,17:9\n", [(2, "size")], "'17:9' is not a documented size"),
    ("prompt,n\na,1\nb,x\n", [(3, "n")], "expected a whole number, got 'x'"),
    ("prompt,name\na,a\n,b\n", [(3, "prompt")], "is missing"),
    ("prompt,watermark\na,maybe\n", [(2, "watermark")], "expected true or false"),
    ("prompt,image\na,no.png\n", [(2, "image")], "cannot read 'no.png'"),
    ("prompt,image\na,manifest.csv\n", [(2, "image")], "'manifest.csv' is not a who"),
    ("prompt,name\na,../x\n", [(2, "name")], "'../x' leaves the run directory"),
    ("prompt,output\na,/x\n", [(2, "output")], "'/x' leaves the run directory"),
    ("prompt,name\na, \n", [(2, "name")], "is empty"),
    ("prompt\n \n", [(2, "prompt")], "is empty; leave the field out instead"),
    (f"prompt\n{'x' * 32_001}\n", [(2, "prompt")], "has 32,001 characters; at most "),
    ("prompt\na,b\n", [(2, None)], "has 2 cells, but the header names 1"),
    ('prompt\n"a\n', [(2, None)], "not CSV: unexpected end of data"),
    ("Prompt\na\n", [(1, "prompt")], "the header has no column 'prompt'; did you mea"),
    ("text\na\n", [(1, "prompt")], "the header has no column 'prompt'"),
    ("", [(1, None)], "has no header line"),
    ("prompt,prompt\n", [(1, None)], "column 'prompt' is there twice"),
    (b"prompt\na\n\xe9\n", [(3, None)], "is not UTF-8 text; save it as UTF-8"),
    ("text,size\na,17:9\n", [(1, "prompt"), (2, "size")], "the header has no column"),
    ("prompt,size,n\na,x,y\n", [(2, "size"), (2, "n")], "'x' is not a documented si"),
    ("prompt,n\na,x\nb\nc,y\n", [(2, "n"), (4, "n")], "expected a whole number, got"),
]


@pytest.mark.parametrize(("content", "told", "words"), CSV_MISTAKES)
def test_a_mistake_in_a_csv_is_told_with_its_file_line_and_field(
    folder: Folder,
    content: str | bytes,
    told: list[tuple[int | None, str | None]],
    words: str,
) -> None:
    expanded = folder.csv(content)
    assert expanded.told() == told
    assert expanded.problems[0].file == str(folder.path / "manifest.csv")
    assert expanded.problems[0].message.startswith(words)


def test_rows_that_are_right_are_made_beside_those_that_are_not(folder: Folder) -> None:
    expanded = folder.csv("prompt,n\na,x\nb,1\nc,1,1\nd,2\n")
    assert [request.body["prompt"] for request in expanded.requests] == ["b", "d"]


def test_what_is_forced_beats_every_row(folder: Folder) -> None:
    bodies = folder.csv(
        "prompt,size,n,user\na,1:1,2,me\nb,17:9,,\n",
        size="2048x2048",
        n=0,
        user=None,
        extra_seed=7,
    ).bodies()
    common = {"model": MODEL, "size": "2048x2048", "n": 1, "seed": 7}
    assert bodies == [{**common, "prompt": "a"}, {**common, "prompt": "b"}]


def test_a_prompt_may_be_forced_alone(folder: Folder) -> None:
    bodies = folder.csv("size\n1:1\n", prompt="x").bodies()
    assert bodies == [{"model": MODEL, "size": "1024x1024", "prompt": "x"}]
    expanded = folder.csv("prompt\na\n", prompt=None)
    assert expanded.told() == [(2, "prompt")]


def test_what_is_forced_is_named_when_it_is_wrong(folder: Folder) -> None:
    expanded = folder.csv("prompt\na\nb\n", size="17:9", extra_x=range(3))
    assert [problem.file for problem in expanded.problems] == ["--set", "--set"]
    assert expanded.told() == [(None, "size"), (None, "x")]


def batch(body: object, **others: object) -> str:
    line = {"custom_id": "r-1", "method": "POST", "url": "/v1/images/generations"}
    return json.dumps({**line, "body": body, **others}) + "\n"


def test_openais_batch_input_runs_as_it_is(folder: Folder) -> None:
    body = {"model": "gpt-image-1", "prompt": "a 😀", "size": "1024x1024", "n": 2}
    (request,) = folder.jsonl(batch({**body, "user": None, "seed": 7})).right()
    assert request.body == {**body, "seed": 7}
    assert (request.name, request.output) == ("r-1", "r-1")
    assert request.origin == f"{folder.path / 'manifest.jsonl'}:1"


def test_a_line_of_fields_is_a_request_too(folder: Folder) -> None:
    folder.write("a.png", png())
    first, second = folder.jsonl(
        '{"prompt": "a", "watermark": false, "extra": {"seed": 1}, "name": 5}\n\n'
        '{"prompt": "b", "image": ["a.png"], "output": "x/y", "custom_id": "b"}\n'
    ).right()
    assert first.body == {
        "model": MODEL,
        "prompt": "a",
        "watermark": False,
        "seed": 1,
    }
    assert first.name == "5"
    assert second.body == {"model": MODEL, "prompt": "b"}
    assert (second.name, second.output) == ("b", "x/y")
    assert not second.single_reference
    assert len(second.references) == 1


@pytest.mark.parametrize(
    ("content", "told", "words"),
    [
        (batch({"prompt": "a"}, url="/v1/chat"), [(1, "url")], "expected '/v1/images/"),
        (batch({"prompt": "a"}, method="GET"), [(1, "method")], "expected 'POST', got"),
        (batch([]), [(1, "body")], "expected an object of request fields"),
        (batch({}), [(1, "prompt")], "is missing"),
        (batch({"prompt": ""}), [(1, "prompt")], "is empty; leave the field out inst"),
        (batch({"prompt": "a", "n": "x"}), [(1, "n")], "expected a whole number, got"),
        (batch({"prompt": "a", "size": [1]}), [(1, "size")], "expected text, got [1]"),
        (batch({"prompt": "a", "extra": 5}), [(1, "extra")], "expected an object of f"),
        (
            batch({"prompt": "a", "n": 2, "extra": {"n": 5}}),
            [(1, "extra.n")],
            "is set outside of extra, too; leave one of them out",
        ),
        (batch({"prompt": "a", "extra": {"n": "x"}}), [(1, "n")], "expected a whole n"),
        (
            batch({"prompt": "a", "extra": {"name": "x"}}),
            [(1, "extra.name")],
            "is a field of its own; move it out of extra",
        ),
        (
            batch({"prompt": "a", "seed": 1, "extra": {"seed": 2, "a": 1}}),
            [(1, "extra.seed")],
            "is set outside of extra, too; leave one of them out",
        ),
        (batch({"prompt": "a"}, custom_id=[]), [(1, "name")], "expected text, got []"),
        (batch({"prompt": "a"}, size="1:1"), [(1, "size")], "stands beside body and i"),
        (
            batch({"prompt": "a", "n": "x"}, url="/v1/chat", a=None, b=0),
            [(1, "b"), (1, "url"), (1, "n")],
            "stands beside body and is not sent; move it into body",
        ),
        (
            batch({"prompt": "a", "name": "b"}),
            [(1, "name")],
            "is given twice, for cust",
        ),
        (
            '{"prompt": "a", "url": "/v1/chat", "vars": {}, "rows": null}',
            [(1, "url"), (1, "vars")],
            "expected '/v1/images/generations', got '/v1/chat'",
        ),
        ('{"promt": "a"}', [(1, "prompt")], "is missing; did you mean 'promt'?"),
        ('{"prompt": "a", "prompt": "b"}', [(1, None)], "'prompt' is given twice"),
        ('\n{"prompt": }\n', [(2, None)], "not a JSON object: "),
        ('[1]\n{"prompt": 5}\n5\n', [(1, None), (2, "prompt"), (3, None)], "not a J"),
        (b'{"prompt": "\xff"}\n', [(1, None)], "is not UTF-8 text; save it as UTF-8"),
    ],
)
def test_a_mistake_in_json_lines_is_told_with_its_line_and_field(
    folder: Folder,
    content: str | bytes,
    told: list[tuple[int | None, str | None]],
    words: str,
) -> None:
    expanded = folder.jsonl(content)
    assert expanded.told() == told
    assert expanded.problems[0].message.startswith(words)


def test_a_known_field_in_extra_is_that_field(folder: Folder) -> None:
    extra = {"moderation": "low", "size": "1:1", "n": None, "seed": None}
    (inside,) = folder.jsonl(batch({"prompt": "a", "extra": extra})).right()
    known = {"prompt": "a", "moderation": "low", "size": "1:1"}
    (beside,) = folder.jsonl(batch({**known, "extra": {"seed": None}})).right()
    assert (inside.id, inside.body) == (beside.id, beside.body)


@pytest.mark.parametrize(
    "word", ["samples", "matrix", "rows", "vars", "zip", "exclude", "include"]
)
def test_a_word_of_yaml_manifests_is_not_sent_but_from_extra(
    folder: Folder, word: str
) -> None:
    expanded = folder.jsonl(batch({"prompt": "a", word: 1}))
    assert not expanded.requests
    assert [str(problem.message) for problem in expanded.problems] == [
        "works in YAML manifests only; what is to be sent goes into extra"
    ]
    (body,) = folder.jsonl(batch({"prompt": "a", "extra": {word: 1}})).bodies()
    assert body[word] == 1


def test_a_key_that_is_nearly_a_field_is_remarked_once(folder: Folder) -> None:
    lines = (
        batch({"prompt": "a", "szie": "1:1"}) + '{"Size": 1, "extra": {"sise": 1}}\n'
    )
    path = folder.write("m.jsonl", lines + lines + batch([]))
    manifest = read_manifest(str(path), Problems())
    assert manifest is not None
    assert [(code, str(problem)) for code, problem in manifest.remarks] == [
        (
            "near_miss",
            f"{path}:1: szie: is sent as it is; did you mean the field 'size'?",
        ),
        (
            "near_miss",
            f"{path}:2: Size: is sent as it is; did you mean the field 'size'?",
        ),
    ]


def test_json_lines_have_their_files_name(folder: Folder) -> None:
    path = folder.write("night.ndjson", '{"prompt": "a"}')
    manifest = read_manifest(str(path), Problems())
    assert manifest is not None
    assert (manifest.name, manifest.endpoint, dict(manifest.settings)) == (
        "night",
        None,
        {},
    )

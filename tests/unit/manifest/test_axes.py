from __future__ import annotations

from pathlib import Path

import pytest

from batcher.manifest.axes import has_matrix, inside, names, read_matrix
from batcher.manifest.document import Node, read_yaml
from batcher.manifest.problem import Problems
from batcher.manifest.rows import RowsError
from tests.unit.manifest.folder import Folder

Told = list[tuple[int, str, str]]


def entry(text: str) -> dict[str, Node]:
    node = read_yaml(text, file="m", problems=Problems())
    assert node is not None
    return dict(node.items())


def combinations(folder: Folder, text: str) -> list[dict[str, object]]:
    told: Told = []
    matrix = read_matrix(entry(text), folder.path, lambda *each: told.append(each))
    assert not told
    assert matrix is not None
    return [dict(combination) for combination in matrix]


@pytest.mark.parametrize(
    ("axis", "values"),
    [
        ("[x, 16:9, null, 1.5]", ["x", "16:9", None, 1.5]),
        ("{range: [1, 3]}", [1, 2, 3]),
        ("{range: [5, 1, -2]}", [5, 3, 1]),
        ("{range: [0, 5, 2]}", [0, 2, 4]),
        ("{file: words.txt}", ["a b", "c"]),
        ("{csv: t.csv, column: y}", ["1", "", "3"]),
    ],
)
def test_an_axis_is_a_list_a_range_a_file_or_a_column(
    folder: Folder, axis: str, values: list[object]
) -> None:
    folder.write("words.txt", "\ufeff# words\n a b \n\nc\n")
    folder.write("t.csv", "x,y\na,1\nb,\nc,3\n")
    found = combinations(folder, f"matrix: {{v: {axis}}}")
    assert [combination["v"] for combination in found] == values


def test_zipped_axes_advance_together_where_the_first_one_stood(folder: Folder) -> None:
    text = "matrix: {a: [1, 2], b: [x, y], c: {range: [8, 9]}}\nzip: [[a, c]]"
    assert combinations(folder, text) == [
        {"a": 1, "c": 8, "b": "x"},
        {"a": 1, "c": 8, "b": "y"},
        {"a": 2, "c": 9, "b": "x"},
        {"a": 2, "c": 9, "b": "y"},
    ]


def test_include_alone_is_a_list_of_combinations(folder: Folder) -> None:
    text = "include: [{a: 1}, {b: 2}]"
    assert combinations(folder, text) == [{"a": 1}, {"b": 2}]
    assert has_matrix(entry(text))
    assert names(entry(text)) == {"a", "b"}


@pytest.mark.parametrize("text", ["prompt: x", "include: []", "zip: []\nexclude: []"])
def test_without_axes_there_is_no_matrix(folder: Folder, text: str) -> None:
    assert not has_matrix(entry(text))
    assert not combinations(folder, text)


def test_names_are_told_even_of_axes_that_are_wrong() -> None:
    text = "matrix: {a: 5, b: []}\ninclude: [{c: 1}, 5]"
    assert names(entry(text)) == {"a", "b", "c"}
    assert names(entry("matrix: 5\ninclude: 6")) == frozenset()


MANY = ", ".join(f"a{n}: [1]" for n in range(51))


@pytest.mark.parametrize(
    ("text", "line", "field", "words"),
    [
        ("matrix: 5", 1, "matrix", "expected 1 to 50 names, each with its values"),
        ("matrix: {}", 1, "matrix", "expected 1 to 50 names, each with its values"),
        ("matrix:", 1, "matrix", "expected 1 to 50 names, each with its values"),
        (f"matrix: {{{MANY}}}", 1, "matrix", "expected 1 to 50 names, each with its"),
        ("matrix:\n  a: []", 2, "matrix.a", "has no values"),
        ("matrix:\n  a: {range: [5, 1]}", 2, "matrix.a", "has no values"),
        ("matrix: {a: x}", 1, "matrix.a", "expected a list, {range: [1, 20]}, {fi"),
        ("matrix: {a: {rang: [1]}}", 1, "matrix.a", "expected a list, {range: [1, "),
        ("matrix: {a: {csv: t.csv}}", 1, "matrix.a", "expected a list, {range: [1,"),
        ("matrix: {a-b: [1]}", 1, "matrix.a-b", "'a-b' cannot name a variable; use"),
        ("matrix: {none: [1]}", 1, "matrix.none", "'none' cannot name a variable;"),
        ("matrix: {a: {range: 5}}", 1, "matrix.a", "expected range: [first, last] or"),
        ("matrix: {a: {range: [1]}}", 1, "matrix.a", "expected range: [first, last]"),
        ("matrix: {a: {range: [a, 2]}}", 1, "matrix.a", "expected range: [first, la"),
        ("matrix: {a: {range: [no, 2]}}", 1, "matrix.a", "expected range: [first, l"),
        ("matrix: {a: {range: [true, 2]}}", 1, "matrix.a", "expected range: [first,"),
        ("matrix: {a: {range: [1, 2, 0]}}", 1, "matrix.a", "the step of a range can"),
        (
            "matrix: {a: {range: [-9223372036854775808, 9223372036854775807]}}",
            1,
            "matrix.a",
            "has more than 1,000,000,000,000,000 values",
        ),
        (
            "matrix: {a: {range: [1, 10000000]}, b: {range: [1, 1000000000]}}",
            1,
            "matrix",
            "has more than 1,000,000,000,000,000 combinations",
        ),
        ("matrix: {a: {file: nope}}", 1, "matrix.a", "there is no file 'nope' beside"),
        ("matrix: {a: {file: 5}}", 1, "matrix.a", "expected a file's path, got 5"),
        ("matrix: {a: {file: ../x}}", 1, "matrix.a", "'../x' lies outside the manif"),
        ("matrix: {a: {file: bad.txt}}", 1, "matrix.a", "bad.txt:1: is not UTF-8 te"),
        (
            "matrix: {a: {csv: t.csv, column: z}}",
            1,
            "matrix.a",
            "t.csv: there is no column 'z'",
        ),
        (
            "matrix: {a: {csv: t.csv, column: titel}}",
            1,
            "matrix.a",
            "t.csv: there is no column 'titel'; did you mean 'title'?",
        ),
        (
            "matrix: {a: {csv: wide.csv, column: x}}",
            1,
            "matrix.a",
            "wide.csv:2: has 2 cells, but the header names 1",
        ),
        ("matrix: {a: {csv: empty.csv, column: x}}", 1, "matrix.a", "empty.csv:1: h"),
        ("matrix: {a: [1]}\nzip: 5", 2, "zip", "expected lists of axis names: [[city"),
        ("matrix: {a: [1]}\nzip: [a]", 2, "zip", "expected lists of axis names: [[ci"),
        ("matrix: {a: [1]}\nzip: [[a]]", 2, "zip", "expected lists of axis names: [["),
        ("matrix: {a: [1]}\nzip: [[a, 5]]", 2, "zip", "expected lists of axis names:"),
        ("matrix: {a: [1]}\nzip: [[a, bb]]", 2, "zip", "'bb' is no axis, or zipped tw"),
        ("matrix: {a: [1]}\nzip: [[a, a]]", 2, "zip", "'a' is no axis, or zipped twi"),
        (
            "matrix: {a: [1], b: [1, 2]}\nzip: [[a, b]]",
            2,
            "zip",
            "lengths differ: a 1, b 2",
        ),
        ("matrix: {a: [1]}\nexclude: {a: 1}", 2, "exclude", "expected a list of {axis"),
        ("matrix: {a: [1]}\nexclude:\n- {}", 3, "exclude", "expected {axis: value},"),
        (
            "matrix: {city: [1]}\nexclude: [{citty: 1}]",
            2,
            "exclude",
            "'citty' is no axis of matrix; did you mean 'city'?",
        ),
        ("exclude: [{a: 1}]", 1, "exclude", "'a' is no axis of matrix"),
        ("matrix: {a: [1]}\nexclude: [{a: 1}]", 1, "exclude", "leaves no combination"),
        ("matrix: {a: [1]}\ninclude: [5]", 2, "include", "expected {axis: value}, go"),
        ("include: [{a-b: 1}]", 1, "include", "'a-b' cannot name a variable; use le"),
    ],
)
def test_a_mistake_is_told_with_its_line_and_field(
    folder: Folder, text: str, line: int, field: str, words: str
) -> None:
    folder.write("bad.txt", b"\xff")
    folder.write("t.csv", "title,y\na,1\n")
    folder.write("wide.csv", "x\na,1\n")
    folder.write("empty.csv", "")
    told: Told = []
    assert read_matrix(entry(text), folder.path, lambda *e: told.append(e)) is None
    assert [each[:2] for each in told] == [(line, field)]
    assert told[0][2].startswith(words)


def test_every_mistake_of_a_matrix_is_told(folder: Folder) -> None:
    text = (
        "matrix:\n  a: []\n  b: 5\n  c: [1, 2]\n  d: [1]\nzip: [[c, d], [a, c]]\n"
        "exclude: [{x: 1}, 5]\ninclude: [{y-z: 1}]"
    )
    told: Told = []
    read_matrix(entry(text), folder.path, lambda *each: told.append(each))
    assert [(line, field) for line, field, _ in told] == [
        (2, "matrix.a"),
        (3, "matrix.b"),
        (6, "zip"),
        (7, "exclude"),
        (7, "exclude"),
        (8, "include"),
    ]


def test_a_link_out_of_the_folder_is_refused(folder: Folder, tmp_path: Path) -> None:
    secret = folder.write("secret.txt", "key")
    inner = tmp_path / "inner"
    inner.mkdir()
    (inner / "words.txt").symlink_to(secret)
    (inner / "loop").symlink_to(inner / "loop")
    (inner / "own.txt").write_text("a")
    (inner / "link.txt").symlink_to(inner / "own.txt")
    with pytest.raises(RowsError, match="lies outside the manifest's folder"):
        inside(inner, "words.txt")
    for path in ("loop", "a\0b"):
        with pytest.raises(RowsError, match="is no path"):
            inside(inner, path)
    assert inside(inner, "link.txt") == inner / "link.txt"


def test_a_file_that_cannot_be_read_is_told(folder: Folder) -> None:
    folder.write("gone/words.txt", "a")
    with pytest.raises(RowsError, match="there is no file 'gone' beside"):
        inside(folder.path, "gone")

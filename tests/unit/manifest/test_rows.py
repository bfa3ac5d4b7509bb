from __future__ import annotations

import csv
import json
from io import StringIO

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from batcher.manifest.rows import RowsError, Table, read_jsonl
from tests.unit.manifest.folder import Folder

Read = tuple[list[str], list[tuple[int, list[str]]], list[tuple[int | None, str]]]


def read(folder: Folder, content: str | bytes) -> Read:
    """Columns, rows and mistakes of a CSV file."""
    told: list[RowsError] = []
    columns: list[str] = []
    rows: list[tuple[int, list[str]]] = []
    try:
        table = Table(folder.write("t.csv", content))
        columns = table.columns
        rows += table.rows(told.append)
    except RowsError as error:
        told.append(error)
    return columns, rows, [(error.line, str(error)) for error in told]


@pytest.mark.parametrize(
    ("content", "rows"),
    [
        ("a,b\n1,2\n", [(2, ["1", "2"])]),
        ("a;b\n1;2,5\n", [(2, ["1", "2,5"])]),
        ("a\tb\n1\t2\n", [(2, ["1", "2"])]),
        ('"a,x";b\n1;2\n', [(2, ["1", "2"])]),
        ("a,b\r\n1,2\r\n3,4", [(2, ["1", "2"]), (3, ["3", "4"])]),
        ("a,b\n\n,\n1,2\n", [(4, ["1", "2"])]),
        ("a,b\n1\n", [(2, ["1", ""])]),
        ("a,b,,\n1,2,,\n3,4,\n", [(2, ["1", "2"]), (3, ["3", "4"])]),
        ('a,b\n"x\ny",2\n3,4\n', [(2, ["x\ny", "2"]), (4, ["3", "4"])]),
        ('a,b\n"say ""hi""",12" vinyl\n', [(2, ['say "hi"', '12" vinyl'])]),
        ("\ufeffa,b\n1,2\n", [(2, ["1", "2"])]),
        ("a,b\n1,2\n".encode("utf-16"), [(2, ["1", "2"])]),
        ("a,b\n猫,😀\n", [(2, ["猫", "😀"])]),
        (" a , b\n 1, 2\n", [(2, [" 1", " 2"])]),
        ("a,b\n", []),
        ("sep=;\na;b\n1;2,5\n", [(3, ["1", "2,5"])]),
        ("\ufeffSEP=\t\r\na\tb\r\n1\t2\r\n", [(3, ["1", "2"])]),
        ('"sep=|"\na|b\n1|2\n', [(3, ["1", "2"])]),
        ("sep=,\n\na,b\n1;2,3\n", [(4, ["1;2", "3"])]),
        ("sep=;\na;b\n1;2\n".encode("utf-16"), [(3, ["1", "2"])]),
        ("\n \na;b\n1;2,5\n", [(4, ["1", "2,5"])]),
        (";;\na;b;\n1;2\n", [(3, ["1", "2"])]),
    ],
)
def test_csv_is_read_as_people_have_it(
    folder: Folder, content: str | bytes, rows: list[tuple[int, list[str]]]
) -> None:
    columns, found, told = read(folder, content)
    assert found == rows
    assert not told
    assert len(columns) == 2


def test_a_row_that_is_wrong_is_told_and_the_others_are_read(folder: Folder) -> None:
    _, rows, told = read(folder, "a,b\n1,2,3\n4,5\n6,7,8,9\n")
    assert rows == [(3, ["4", "5"])]
    assert told == [
        (2, "has 3 cells, but the header names 2"),
        (4, "has 4 cells, but the header names 2"),
    ]


@pytest.mark.parametrize(
    ("content", "line", "words"),
    [
        ('a,b\n1,2\n"x,3\n', 3, "not CSV: unexpected end of data"),
        ('a,b\n"x"y,3\n', 2, "not CSV: ',' expected after '\"'"),
        (b"a,b\n1,2\n\xff,3\n", 3, "is not UTF-8 text; save it as UTF-8"),
        ("a,b\n1,2\n".encode("utf-16")[:-1], None, "is not UTF-8 text; save it as U"),
    ],
)
def test_where_reading_ends_is_told(
    folder: Folder, content: str | bytes, line: int | None, words: str
) -> None:
    _, _, told = read(folder, content)
    assert len(told) == 1
    assert told[0][0] == line
    assert told[0][1].startswith(words)


@pytest.mark.parametrize(
    ("content", "line", "words"),
    [
        ("", 1, "has no header line"),
        ("\n\n", 1, "has no header line"),
        ("sep=;\n", 1, "has no header line"),
        ("\n\na,,b\n", 3, "column 2 has no name"),
        ("sep=;\na;a\n", 2, "column 'a' is there twice"),
        ('\n"a', 2, "not CSV: unexpected end of data"),
        (",,\n", 1, "has no header line"),
        ("a,,b\n", 1, "column 2 has no name"),
        ("a,b,a\n", 1, "column 'a' is there twice"),
        ('"a', 1, "not CSV: unexpected end of data"),
        (b"\xe9,b\n", 1, "is not UTF-8 text; save it as UTF-8"),
    ],
)
def test_a_header_that_is_wrong_is_refused(
    folder: Folder, content: str | bytes, line: int, words: str
) -> None:
    assert read(folder, content) == ([], [], [(line, words)])


def test_a_file_that_is_gone_is_told(folder: Folder) -> None:
    path = folder.write("t.csv", "a\n1\n")
    table = Table(path)
    path.unlink()
    told: list[RowsError] = []
    assert not list(table.rows(told.append))
    assert [str(error) for error in told] == [
        f"cannot read {str(path)!r}: No such file or directory"
    ]
    with pytest.raises(RowsError, match="No such file"):
        Table(path)


CELL = st.text(st.characters(codec="utf-8", exclude_characters="\r\0"), max_size=6)


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(st.lists(st.tuples(CELL, CELL), max_size=8), st.sampled_from(",;\t"))
def test_what_is_written_is_read_back(
    folder: Folder, cells: list[tuple[str, str]], delimiter: str
) -> None:
    stream = StringIO()
    writer = csv.writer(stream, delimiter=delimiter, lineterminator="\n")
    writer.writerows([("a", "b"), *cells])
    _, rows, told = read(folder, stream.getvalue())
    assert not told
    assert [tuple(row) for _, row in rows] == [pair for pair in cells if any(pair)]


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(st.binary(max_size=60) | st.text('ab,;"\n\r\t', max_size=40).map(str.encode))
def test_no_bytes_break_the_reader(folder: Folder, content: bytes) -> None:
    columns, rows, told = read(folder, content)
    assert columns or told
    assert all(len(row) == len(columns) for _, row in rows)


def test_json_lines_are_read_and_those_that_are_wrong_told(folder: Folder) -> None:
    path = folder.write(
        "t.jsonl",
        b'{"a": 1}\r\n\n[1]\n{"a": \n' + b"[" * 9999 + b'\n{"a": "\\ud83d\\ude00"}',
    )
    told: list[RowsError] = []
    assert list(read_jsonl(path, told.append)) == [(1, {"a": 1}), (6, {"a": "😀"})]
    assert [error.line for error in told] == [3, 4, 5]
    assert all(str(error).startswith("not a JSON object: ") for error in told)


def test_json_lines_that_are_no_text_are_told(folder: Folder) -> None:
    told: list[RowsError] = []
    path = folder.write("t.jsonl", b'{"a": 1}\n{"a": "\xff"}\n')
    list(read_jsonl(path, told.append))
    assert [(error.line, str(error)) for error in told] == [
        (2, "is not UTF-8 text; save it as UTF-8")
    ]


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ('{"a": 1, "b": 2, "a": 3}', "a"),
        ('{"a": {"b": 1, "b": 1}}', "b"),
        ('{"a": [{"b": {}, "b": {}}]}', "b"),
        ('{"a": "16:9", "\\u0061": 1e9}', "a"),
    ],
)
def test_a_key_given_twice_is_told(folder: Folder, text: str, key: str) -> None:
    told: list[RowsError] = []
    assert not list(read_jsonl(folder.write("t.jsonl", f"\n{text}\n"), told.append))
    assert [(error.line, str(error)) for error in told] == [
        (2, f"{key!r} is given twice")
    ]


JSON = st.recursive(
    st.text(":a", max_size=3) | st.integers(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("a:", max_size=3), inner)
    ),
    max_leaves=6,
)


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(st.dictionaries(st.text(":ab", max_size=2), JSON, max_size=4))
def test_an_object_whose_keys_differ_is_read(
    folder: Folder, values: dict[str, object]
) -> None:
    told: list[RowsError] = []
    path = folder.write("t.jsonl", json.dumps(values))
    assert list(read_jsonl(path, told.append)) == [(1, values)]
    assert not told

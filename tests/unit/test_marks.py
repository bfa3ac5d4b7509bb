from __future__ import annotations

from pathlib import Path

import pytest

from batcher.errors import UsageError
from batcher.marks import Marks, parse_marks, read_marks, read_where
from batcher.where import WhereError

HEAD = "id,name,mark\r\n"
MARKED = HEAD + "a,,pick\r\nb,,reject\r\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "marks.csv"
    path.write_text(MARKED)
    return path


def marks_of(text: str) -> Marks:
    return parse_marks(text.splitlines(keepends=True), "m.csv")


def selected(where: str | None, marks: str | Path | None = None) -> str:
    """Say which of three requests are meant; `c` has no mark."""
    found = read_where(where, marks)
    records = ({"id": id_, "n": n, "vars": {}} for n, id_ in enumerate("abc"))
    return "".join(
        str(each["id"]) for each in records if found is None or found.matches(each)
    )


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ("", "abc"),
        ('a,"x, ""y""",pick\r\n', "a"),
        ("a,,reject\r\n", "bc"),
        ("a,,pick\r\nb,,reject\r\n", "a"),
    ],
)
def test_picks_go_before_rejects(tmp_path: Path, rows: str, expected: str) -> None:
    path = tmp_path / "m.csv"
    path.write_text(HEAD + rows, newline="")
    assert selected(None, path) == expected
    assert selected(str(path)) == expected
    assert selected(f"@{path}") == expected


@pytest.mark.parametrize("separator", [";", "\t", ","])
def test_a_file_that_a_spreadsheet_saved_again_is_read(
    tmp_path: Path, separator: str
) -> None:
    path = tmp_path / "m.csv"
    text = HEAD + 'a,"one; two",pick\r\nb,,reject\r\n'
    path.write_text(text.replace(",", separator), encoding="utf-8-sig", newline="")
    assert selected(None, path) == "a"
    assert selected("mark=reject", path) == "b"


def test_an_empty_file_holds_no_marks() -> None:
    with pytest.raises(UsageError, match="expected the columns id and mark"):
        marks_of("")


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("mark=pick", "a"),
        ("mark=reject", "b"),
        ("mark!=reject", "ac"),
        ("mark=pick or mark=reject", "ab"),
        ("not (mark=pick or mark=reject)", "c"),
        ("mark~*", "ab"),
        ("not mark=pick and n>0", "bc"),
    ],
)
def test_an_expression_reads_the_mark(file: Path, where: str, expected: str) -> None:
    assert selected(where, file) == expected


def test_an_expression_without_a_word_of_marks_narrows_what_is_wanted(
    file: Path,
) -> None:
    assert selected("n>=0", file) == "a"
    assert selected("n>0", file) == ""


def test_nothing_given_selects_everything() -> None:
    assert read_where(None) is None
    assert selected("n<2") == "ab"


def test_a_mark_is_shown_among_the_fields(file: Path) -> None:
    found, unmarked = read_where(None, file), read_where("n=1")
    assert found is not None
    assert unmarked is not None
    assert found.fields({"id": "b", "n": 1}) == {"id": "b", "n": 1, "mark": "reject"}
    assert found.fields({"id": "c"}) == {"id": "c", "mark": None}
    assert unmarked.fields({"id": "b"}) == {"id": "b"}


@pytest.mark.parametrize(
    "where", ["mark=pick", "n=1 or mark!=reject", "n=1 and not (n=2 or mark=reject)"]
)
def test_marks_that_were_not_given_are_not_read(where: str) -> None:
    with pytest.raises(UsageError, match=r"mark needs --marks FILE\.csv.* vars\.mark"):
        read_where(where)


def test_a_variable_of_that_name_has_another() -> None:
    found = read_where("vars.mark=x")
    assert found is not None
    assert found.matches({"id": "a", "vars": {"mark": "x"}})


def test_a_mark_that_there_is_not_is_named_with_its_column(file: Path) -> None:
    with pytest.raises(WhereError, match=r"column 14: expected a mark, pick or reject"):
        read_where("n=1 and mark=picked", file)


def test_two_files_of_marks_are_too_many(file: Path) -> None:
    with pytest.raises(UsageError, match="leave one out"):
        read_where(str(file), file)


def test_a_file_whose_name_holds_an_operator_needs_an_at(tmp_path: Path) -> None:
    path = tmp_path / "a=b.csv"
    path.write_text(MARKED)
    assert selected(f"@{path}") == "a"
    with pytest.raises(WhereError):
        read_where(f"name = {path} x")
    found = read_where("name=a.csv")
    assert found is not None
    assert found.marks is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "m.csv:1: expected the columns id and mark.* no id and no mark"),
        ("id,name\na,b\n", "m.csv:1: expected the columns id and mark.* no mark"),
        (HEAD + "a,b,maybe\n", "m.csv:2: mark: .* got 'maybe'"),
        (HEAD + "a\n", "m.csv:2: mark: .* got ''"),
    ],
)
def test_a_file_that_holds_no_marks_is_refused(text: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        marks_of(text)


def test_what_is_no_csv_is_named_with_its_line() -> None:
    with pytest.raises(UsageError, match=r"m\.csv:2: no CSV: "):
        parse_marks(["id,mark\n", "a\rb,pick\n"], "m.csv")


def test_a_byte_order_mark_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    path.write_text("\ufeff" + HEAD + "a,,pick\n", encoding="utf-8")
    assert read_marks(path) == Marks(picked=frozenset("a"))


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(UsageError, match="no CSV in UTF-8"):
        read_marks(path)
    with pytest.raises(UsageError, match="cannot read"):
        read_marks(tmp_path)
    with pytest.raises(UsageError, match="cannot read"):
        read_where("nowhere.csv")

from __future__ import annotations

from pathlib import Path

import pytest

from batcher.errors import UsageError
from batcher.exports.marks import Marks, parse_marks, read_marks

HEAD = "id,name,mark\r\n"


def allowed(text: str) -> str:
    marks = parse_marks(text.splitlines(keepends=True), "m.csv")
    return "".join(id_ for id_ in "abc" if marks.allows(id_))


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ("", "abc"),
        ('a,"x, ""y""",pick\r\n', "a"),
        ("a,,reject\r\n", "bc"),
        ("a,,pick\r\nb,,reject\r\n", "a"),
    ],
)
def test_picks_go_before_rejects(rows: str, expected: str) -> None:
    assert allowed(HEAD + rows) == expected


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "m.csv: expected the columns id and mark"),
        ("id,name\na,b\n", "m.csv: expected the columns id and mark"),
        (HEAD + "a,b,maybe\n", "m.csv:2: .* got 'maybe'"),
        (HEAD + "a\n", "m.csv:2: .* got ''"),
    ],
)
def test_a_file_that_holds_no_marks_is_refused(text: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        allowed(text)


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

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from batcher.exports.column import FIELDS, Kind, Survey, cells_of
from batcher.exports.row import Row, rows_of
from batcher.models import Image
from tests.unit.reports.ledger import kept

IMAGE = Image(
    index=0, path="a.png", bytes=1, sha256="0" * 64, format="png", width=1, height=1
)
TYPES = {Kind.TEXT: str, Kind.INTEGER: int, Kind.NUMBER: float, Kind.BOOLEAN: bool}
values = (
    st.none() | st.booleans() | st.integers() | st.text() | st.lists(st.integers())
) | st.floats(allow_nan=False, allow_infinity=False)


def row(**variables: object) -> Row:
    (made,) = rows_of(kept(1, IMAGE))
    return msgspec.structs.replace(made, vars=variables)


@pytest.mark.parametrize(
    ("cells", "kind", "expected"),
    [
        ([1, 2], Kind.INTEGER, [1, 2]),
        ([1, 2.5], Kind.NUMBER, [1.0, 2.5]),
        ([1.5, 2], Kind.NUMBER, [1.5, 2.0]),
        ([True, False], Kind.BOOLEAN, [True, False]),
        ([True, 1], Kind.TEXT, ["true", "1"]),
        ([1, "x", 2], Kind.TEXT, ["1", "x", "2"]),
        ([1, None], Kind.TEXT, ["1", ""]),
        ([2**63, 1], Kind.TEXT, ["9223372036854775808", "1"]),
        ([["a"], "b"], Kind.TEXT, ['["a"]', "b"]),
    ],
    ids=str,
)
def test_a_column_has_one_type(
    cells: list[object], kind: Kind, expected: list[object]
) -> None:
    survey = Survey()
    rows = [row(v=cell) for cell in cells]
    for each in rows:
        survey.add(each)
    *_, column = columns = survey.columns()
    assert column.kind is kind
    assert [cells_of(each, columns)["v"] for each in rows] == expected


def test_a_number_that_some_rows_lack_is_text() -> None:
    survey = Survey()
    survey.add(row(v=1))
    survey.add(row())
    *_, column = columns = survey.columns()
    assert column.kind is Kind.TEXT
    assert cells_of(row(), columns)["v"] == ""


def test_a_variable_never_takes_a_name_that_means_something() -> None:
    survey = Survey()
    names = ("Text", "text_", "label", "logo_file_name", "image", "x", "X", "")
    survey.add(row(**dict.fromkeys(names, "v")))
    found = [column.name for column in survey.columns()[len(FIELDS) :]]
    assert found == [
        "Text_",
        "text__",
        "label_",
        "logo_file_name_",
        "image_",
        "x",
        "X_",
        "_",
    ]


@given(st.lists(st.dictionaries(st.text(max_size=3), values, max_size=4), max_size=6))
def test_every_row_fills_every_column_with_its_type(
    rows: list[dict[str, object]],
) -> None:
    survey = Survey()
    made = [row(**variables) for variables in rows]
    for each in made:
        survey.add(each)
    columns = survey.columns()
    assert len({column.name.casefold() for column in columns}) == len(columns)
    for each in made:
        cells = cells_of(each, columns)
        for column in columns:
            assert type(cells[column.name]) is TYPES[column.kind]

from __future__ import annotations

import re

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from batcher.exports.row import FILE_NAME, rows_of, text_of
from batcher.ledger.event import Result
from batcher.models import Image
from tests.unit.reports.ledger import kept

IMAGE = Image(
    index=0, path="a.png", bytes=1, sha256="0" * 64, format="png", width=1, height=1
)
texts = st.text(st.characters(exclude_categories=["Cs"]))


def result(name: str, id_: str, *images: Image) -> Result:
    return msgspec.structs.replace(kept(1, IMAGE), id=id_, name=name, images=images)


@given(texts | st.sampled_from(["../x", "con", ".", "a/b", "C:\\x", "\0"]), texts)
def test_whatever_a_ledger_says_a_file_has_a_plain_name(name: str, id_: str) -> None:
    for row in rows_of(result(name, id_, IMAGE, IMAGE)):
        assert re.fullmatch(r"[\w-]+\.png", row.file_name)
        assert len(row.file_name.encode()) <= 100
        assert FILE_NAME.fullmatch(row.file_name)


@given(st.sets(texts, min_size=2, max_size=2), texts)
def test_two_images_have_two_names(ids: set[str], name: str) -> None:
    rows = [row for id_ in ids for row in rows_of(result(name, id_, IMAGE, IMAGE))]
    assert len({row.file_name.casefold() for row in rows}) == 4


def test_a_name_is_kept_readable() -> None:
    (row,) = rows_of(result("Tokyo, 東京 at dawn.png", "ab" * 10, IMAGE))
    assert row.file_name == f"Tokyo-東京-at-dawn-png-{'ab' * 10}.png"
    (row,) = rows_of(result("!!!", "ab" * 10, IMAGE))
    assert row.file_name == f"{'ab' * 10}.png"


def test_what_was_not_sent_is_empty_text() -> None:
    (row,) = rows_of(kept(1, IMAGE, prompt="a cube"))
    assert (row.text, row.quality, row.revised_prompt) == ("a cube", "", "")
    assert [text_of(value) for value in (None, "a", 1, True, [1, "b"])] == [
        "",
        "a",
        "1",
        "true",
        '[1,"b"]',
    ]

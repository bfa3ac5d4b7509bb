"""Result lines that say that an image is kept, and lack what batcher writes."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from batcher.ledger import FILE_NAME
from batcher.record import NO_IMAGE, ODD_LINE, Record, read_records
from batcher.verify import Mark, put_back
from tests.unit.test_verify import AT, GIF, Folder

Edit = Callable[[dict[str, Any]], object]  # Any: a line of the ledger, by hand

ODD: dict[str, Edit] = {
    "no digest": lambda line: line["images"][0].pop("sha256"),
    "no width": lambda line: line["images"][0].pop("width"),
    "an odd format": lambda line: line["images"][0].update(format=5),
    "no request": lambda line: line.pop("request"),
    "no time": lambda line: line.pop("at"),
    "odd variables": lambda line: line.update(vars="none"),
}


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """A run directory of two kept images."""
    folder = Folder(tmp_path)
    folder.keep("a.gif")
    folder.keep("b.gif")
    return folder


def edit_first(folder: Folder, edit: Edit) -> str:
    """Edit the first result's line; give its id."""
    path = folder.path / FILE_NAME
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    first = next(line for line in lines if line["event"] == "result")
    edit(first)
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    return str(first["id"])


def records(folder: Folder) -> dict[str, Record]:
    found = read_records(folder.path, folder.read().standings)
    return {record.id: record for record in found}


@pytest.mark.parametrize("is_deep", [False, True], ids=["size", "deep"])
@pytest.mark.parametrize("edit", ODD.values(), ids=ODD)
def test_what_cannot_be_checked_is_named(
    folder: Folder, edit: Edit, is_deep: bool
) -> None:
    id_ = edit_first(folder, edit)
    match, odd = folder.check(is_deep=is_deep)
    assert (match.mark, match.path) == (Mark.MATCH, "b.gif")
    assert (odd.mark, odd.path, odd.id) == (Mark.UNREADABLE, "a.gif", id_)
    assert odd.message == ODD_LINE


@pytest.mark.parametrize(
    ("data", "is_deep", "mark"),
    [
        (None, False, Mark.MISSING),
        (b"GIF", False, Mark.CORRUPT),
        (b"\0" * len(GIF), False, Mark.UNREADABLE),
        (b"\0" * len(GIF), True, Mark.CORRUPT),
    ],
    ids=["gone", "cut", "another", "another, read"],
)
def test_what_can_be_told_of_its_file_is(
    folder: Folder, data: bytes | None, is_deep: bool, mark: Mark
) -> None:
    id_ = edit_first(folder, ODD["no digest"])
    file = folder.path / "a.gif"
    file.unlink() if data is None else file.write_bytes(data)
    findings = folder.check(is_deep=is_deep)
    assert [found.mark for found in findings if found.id == id_] == [mark]
    is_bad = mark is not Mark.UNREADABLE
    assert put_back(folder.directory, folder.read(), findings) == is_bad


@pytest.mark.parametrize("images", [[], 1], ids=["none", "a number"])
def test_a_kept_request_without_an_image_is_named(
    folder: Folder, images: object
) -> None:
    id_ = edit_first(folder, lambda line: line.update(images=images))
    (odd,) = (each for each in folder.check() if each.mark is not Mark.MATCH)
    assert (odd.mark, odd.path, odd.id) == (Mark.UNREADABLE, id_, id_)
    assert odd.message == NO_IMAGE


@pytest.mark.parametrize("edit", ODD.values(), ids=ODD)
def test_it_is_listed_with_what_can_be_read(folder: Folder, edit: Edit) -> None:
    id_ = edit_first(folder, lambda line: (line.update(cost_usd=0.5), edit(line)))
    record = records(folder)[id_]
    fields = record.fields(AT + timedelta(hours=1))
    assert (record.name, record.status) == ("a.gif", "succeeded")
    assert (fields["name"], fields["path"]) == ("a.gif", ("a.gif",))
    assert str(fields["cost"]) == "0.5"


@pytest.mark.parametrize("edit", ODD.values(), ids=ODD)
def test_its_line_has_no_field_but_the_ledgers_own(folder: Folder, edit: Edit) -> None:
    whole = records(folder)
    id_ = edit_first(folder, edit)
    line = records(folder)[id_].line()
    assert line.keys() < whole[id_].line().keys()
    assert (line["name"], line["status"], line["attempts"]) == ("a.gif", "succeeded", 1)
    assert line["images"] == ({"path": "a.gif", "bytes": len(GIF)},)


def test_what_is_made_anew_is_odd_no_more(folder: Folder) -> None:
    id_ = edit_first(folder, ODD["no digest"])
    folder.keep("a.gif")
    assert records(folder)[id_].odd is None
    assert folder.marks(is_deep=True) == "=="

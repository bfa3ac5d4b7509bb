"""Standard input as a manifest: its format, its name, what it may refer to."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import pytest

from batcher.manifest.source import SourceError, find_source, spooled, told_format
from tests.unit.manifest.folder import Folder


@pytest.mark.parametrize(
    ("content", "format_"),
    [
        ("requests:\n  - prompt: a\n", "yaml"),
        ("\n# a comment, with commas\nrequests: []", "yaml"),
        ("---\nrequests: []", "yaml"),
        ("%YAML 1.2\n---\n", "yaml"),
        ('"name": x\n', "yaml"),
        ('{"requests": [{"prompt": "a"}]}', "yaml"),
        ('{\n  "requests": []\n}', "yaml"),
        ("{requests: [{prompt: a}]}", "yaml"),
        ("", "yaml"),
        ("prompt\na fox\n", "csv"),
        ("prompt,size\na: b,1:1\n", "csv"),
        ('"prompt";"name"\n', "csv"),
        ("\ufeffprompt,name\n", "csv"),
        ("\ufeffname: x\n", "yaml"),
        ('{"prompt": "a"}\n{"prompt": "b"}\n', "jsonl"),
        ('\n{"custom_id": "1", "body": {"prompt": "requests"}}\n', "jsonl"),
    ],
)
def test_a_format_is_told_from_the_first_line(
    folder: Folder, content: str, format_: str
) -> None:
    assert told_format(folder.write("stdin", content)) == format_


def test_a_table_of_a_spreadsheet_is_csv(folder: Folder) -> None:
    content = "prompt\na fox\n".encode("utf-16")
    assert told_format(folder.write("stdin", content)) == "csv"


def test_a_stream_is_kept_in_a_file_that_can_be_read_twice() -> None:
    file = spooled(BytesIO(b"prompt\na fox\n"))
    assert file.read_bytes() == file.read_bytes() == b"prompt\na fox\n"


def test_a_file_is_its_own_source(folder: Folder) -> None:
    path = folder.write("deep/many.JSONL", "{}")
    source = find_source(str(path), "yaml")
    assert (source.file, source.folder) == (path, path.parent)
    assert (source.name, source.format) == ("many", "jsonl")


def test_an_ending_that_says_nothing_is_no_source() -> None:
    with pytest.raises(SourceError, match=r"ends in \.csv"):
        find_source(str(Path("manifest.txt")))

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batcher.layout import MADE, SHARED
from batcher.ledger import FILE_NAME
from batcher.manifest.field import FieldError
from batcher.manifest.output import (
    LONGEST_COMPONENT,
    checked_name,
    checked_output,
    checked_path,
    collision_key,
    default_name,
)


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("poster-1", "poster-1"),
        (" poster 1 ", "poster 1"),
        ("Tokyo/dawn/1", "Tokyo/dawn/1"),
        ("東京", "東京"),
        ("a.b", "a.b"),
        ("A: the fox", "A: the fox"),
        ("c:x", "c:x"),
        ("a:b?", "a:b?"),
        ("ledger", "ledger"),
        ("ledger.jsonl", "ledger.jsonl"),
        ("ledgers/x", "ledgers/x"),
        ("a/report/x", "a/report/x"),
        (5, "5"),
        ("x" * LONGEST_COMPONENT, "x" * LONGEST_COMPONENT),
    ],
)
def test_a_relative_path_is_taken(text: object, path: str) -> None:
    assert checked_output(text) == path


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("/etc/passwd", "'/etc/passwd' leaves the run directory; use a relative path"),
        ("C:\\x", "'C:\\\\x' leaves the run directory; use a relative path"),
        ("c:/x", "'c:/x' leaves the run directory; use a relative path"),
        ("a\\b", "'a\\\\b' holds a backslash; separate folders with /"),
        ("..", "'..' leaves the run directory"),
        ("a/../../b", "'a/../../b' leaves the run directory"),
        (".partial/x", "'.partial/x' has an empty or hidden part"),
        ("a//b", "'a//b' has an empty or hidden part"),
        ("a/", "'a/' has an empty or hidden part"),
        ("./a", "'./a' has an empty or hidden part"),
        ("", "'' has an empty or hidden part"),
        ("a\nb", "holds a control character: 'a\\nb'"),
        ("a\0b", "holds a control character: 'a\\x00b'"),
        ("a\u202eb", "holds a control character: 'a\\u202eb'"),
        ("a\ud800b", "holds a control character: 'a\\ud800b'"),
        ("x" * 300, f"'{'x' * 60}'… has 300 bytes; at most {LONGEST_COMPONENT}"),
        ("é" * 150, f"'{'é' * 60}'… has 300 bytes; at most {LONGEST_COMPONENT}"),
        ("xy/" * 400 + "x", f"'{'xy/' * 20}'… is longer than 1024 bytes"),
        (["a"], "expected text, got ['a']"),
        (None, "expected text, got None"),
    ],
)
def test_a_path_that_leaves_hides_or_is_too_long_is_refused(
    text: object, told: str
) -> None:
    with pytest.raises(FieldError) as caught:
        checked_output(text)
    assert str(caught.value) == told


@pytest.mark.parametrize(
    "folder",
    sorted({*MADE, *SHARED, FILE_NAME, f"{FILE_NAME}.lock", "Report", "LEDGER"}),
)
def test_the_programs_own_folders_are_refused(folder: str) -> None:
    with pytest.raises(FieldError) as caught:
        checked_output(f"{folder}/x")
    assert str(caught.value) == (
        f"'{folder}/x' lies in {folder!r}, which holds the program's own files; choose"
        " another folder"
    )
    assert checked_output(folder) == folder
    assert checked_path(f"{folder}/x") == f"{folder}/x"


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ("poster-1", "poster-1"),
        (" a ", "a"),
        ("a/b\\c", "a/b\\c"),
        (5, "5"),
        (".h", ".h"),
    ],
)
def test_a_name_is_any_line(value: object, name: str) -> None:
    assert checked_name(value) == name


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (" ", "is empty"),
        ("a\tb", "holds a control character: 'a\\tb'"),
        ({"a": 1}, "expected text, got {'a': 1}"),
    ],
)
def test_a_name_that_is_none_is_refused(value: object, told: str) -> None:
    with pytest.raises(FieldError) as caught:
        checked_name(value)
    assert str(caught.value) == told


@given(st.text(string.ascii_letters + string.digits + "_ .-/:\\", max_size=12))
def test_a_checked_path_stays_in_its_folder(text: str) -> None:
    try:
        path = checked_output(text)
    except FieldError:
        return
    assert not path.startswith(("/", "."))
    assert not {"", ".", ".."} & set(path.split("/"))
    assert checked_output(path) == path == text.strip()


@given(st.text(max_size=300), st.text("0123456789abcdef", min_size=20, max_size=20))
def test_a_default_name_is_always_a_path(prompt: str, id_: str) -> None:
    name = default_name(prompt, id_)
    assert checked_output(name) == name == checked_name(name)
    assert "/" not in name
    assert name.endswith(f"-{id_[:8]}")


@pytest.mark.parametrize(
    ("prompt", "name"),
    [
        ("A poster of Tokyo, at dawn!", "a-poster-of-tokyo-at-dawn-01234567"),
        ("東京", "東京-01234567"),
        ("…", "image-01234567"),
        ("word " * 30, "word-word-word-word-word-word-word-word-word-wor-01234567"),
    ],
)
def test_a_default_name_is_the_prompts_first_words(prompt: str, name: str) -> None:
    assert default_name(prompt, "0123456789abcdef0123") == name


@pytest.mark.parametrize(
    ("one", "other"),
    [("Tokyo/A", "tokyo/a"), ("caf\u00e9", "cafe\u0301"), ("STRASSE", "straße")],
)
def test_what_some_file_systems_hold_for_one_name_collides(
    one: str, other: str
) -> None:
    assert collision_key(one) == collision_key(other)

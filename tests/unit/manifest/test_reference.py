from __future__ import annotations

import base64
import hashlib

import pytest

from batcher.manifest.field import FieldError
from batcher.manifest.reference import LARGEST_FILE, References, encode
from tests.unit.manifest.folder import Folder, png

PNG = png()
DIGEST = f"sha256:{hashlib.sha256(PNG).hexdigest()}"
BASE64 = base64.b64encode(PNG).decode()
LONG = base64.b64encode(PNG + b"\0" * 2000).decode()


@pytest.fixture
def references(folder: Folder) -> References:
    return References(folder.path)


def test_a_path_is_relative_to_the_manifest(
    folder: Folder, references: References
) -> None:
    path = folder.write("refs/logo.png", PNG)
    (reference,), is_single = references.read("refs/logo.png")
    assert is_single
    assert reference.is_file
    assert reference.text == str(path)
    assert reference.digest == DIGEST


def test_a_list_keeps_its_order(folder: Folder, references: References) -> None:
    folder.write("a.png", PNG)
    folder.write("b.png", png("blue"))
    found, is_single = references.read(["b.png", "a.png", "https://x.test/i.png"])
    assert not is_single
    assert [reference.text.rpartition("/")[2] for reference in found] == [
        "b.png",
        "a.png",
        "i.png",
    ]
    assert found[2].digest is None


def test_a_text_that_is_a_list_in_json_is_several(
    folder: Folder, references: References
) -> None:
    folder.write("a.png", PNG)
    folder.write("[b].png", PNG)
    found, is_single = references.read(' ["a.png", "https://x.test/i.png"]')
    assert [each.is_file for each in found] == [True, False]
    assert not is_single
    assert references.read('["a.png"]') == references.read(["a.png"])
    (reference,), is_single = references.read("[b].png")
    assert reference.is_file
    assert is_single


@pytest.mark.parametrize(
    "text",
    [BASE64, f" {BASE64}\n", "\n".join(BASE64[n : n + 76] for n in range(0, 999, 76))],
    ids=["plain", "spaces", "lines"],
)
def test_base64_is_sent_without_its_line_breaks(
    references: References, text: str
) -> None:
    (reference,), _ = references.read(text)
    assert reference.text == BASE64
    assert reference.digest == DIGEST
    assert encode(reference, as_data_uri=True) == BASE64


def test_long_base64_is_not_tried_as_a_path(references: References) -> None:
    (reference,), _ = references.read(LONG)
    assert reference.text == LONG


def test_a_data_uri_is_kept_as_one(references: References) -> None:
    (reference,), _ = references.read(f"data:image/png;base64,{BASE64}")
    assert reference.text == f"data:image/png;base64,{BASE64}"
    assert reference.digest == DIGEST


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (5, "expected a path, Base64, data: URI, URL or a list, got 5"),
        ([], "expected a path, Base64, data: URI, URL or a list, got []"),
        ([5], "expected a path, Base64, data: URI, URL, got 5"),
        ("[]", "expected a path, Base64, data: URI, URL or a list, got []"),
        ("[5]", "cannot read '[5]': No such file or directory"),
        ("[\ud800", "cannot read '[\\ud800': "),
        ("", "expected a path, Base64, data: URI, URL, got ''"),
        (["a.png", " "], "expected a path, Base64, data: URI, URL, got ' '"),
        ("missing.png", "cannot read 'missing.png': No such file or directory"),
        ("a\0.png", "cannot read 'a\\x00.png': embedded null byte"),
        ("\ud800.png", "cannot read '\\ud800.png': "),
        ("größe.png", "cannot read 'größe.png': No such file or directory"),
        ("file:///etc/passwd", "cannot read 'file:///etc/passwd': No such file"),
        ("sub", "'sub' is not a file"),
        ("text.png", "'text.png' is not a whole image: not an image: text"),
        ("cut.png", "'cut.png' is not a whole image: cut after 40 bytes"),
        ("huge.png", "'huge.png' is larger than 64 MiB"),
        ("http://", "'http://' is not a URL"),
        ("https://[x/", "'https://[x/' is not a URL"),
        ("https://x.test/a b", "'https://x.test/a b' is not a URL"),
        ("data:image/png,abc", "expected data:image/…;base64,…, got 'data:image/png,"),
        ("data:image/png;base64", "expected data:image/…;base64,…, got 'data:image/"),
        ("data:image/png;base64,!!", "'!!' is neither a file nor Base64"),
        ("data:text/plain;base64,YWJj", "'data:text/plain;base64' is not a whole im"),
        (BASE64[:40], f"'{BASE64[:24]}…' is not a whole image: cut after 30 bytes"),
        ("A" * 2000, "'AAAAAAAAAAAAAAAAAAAAAAAA…' is not a whole image: not an"),
        ("é" * 2000, f"'{'é' * 60}'… is neither a file nor Base64"),
    ],
)
def test_what_is_no_image_is_refused(
    folder: Folder, references: References, value: object, told: str
) -> None:
    folder.write("a.png", PNG)
    folder.write("text.png", b"root:x:0:0:root")
    folder.write("cut.png", PNG[:40])
    (folder.path / "sub").mkdir()
    with (folder.path / "huge.png").open("wb") as stream:
        stream.truncate(LARGEST_FILE + 1)
    with pytest.raises(FieldError) as caught:
        references.read(value)
    assert str(caught.value).startswith(told)


def test_a_file_is_put_on_the_wire_as_the_gateway_wants_it(
    folder: Folder, references: References
) -> None:
    folder.write("a.png", PNG)
    (reference,), _ = references.read("a.png")
    assert encode(reference, as_data_uri=False) == BASE64
    assert encode(reference, as_data_uri=True) == f"data:image/png;base64,{BASE64}"


def test_a_file_that_changed_since_is_not_sent(
    folder: Folder, references: References
) -> None:
    path = folder.write("a.png", PNG)
    (reference,), _ = references.read("a.png")
    folder.write("a.png", png("blue"))
    with pytest.raises(FieldError, match="changed since the run was planned"):
        encode(reference, as_data_uri=False)
    path.unlink()
    with pytest.raises(FieldError, match=r"cannot read .* No such file"):
        encode(reference, as_data_uri=False)

"""Addresses of images that are not spelt out: found, and resolved as RFC 3986 says."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batcher.transport.errorbody import ErrorBody
from batcher.transport.parser import ReplyParser
from batcher.transport.reply import Reply, interpret

BASE = "https://gateway.example:8443/v1/images/generations"


def read(value: object) -> Reply | ErrorBody:
    parser = ReplyParser()
    parser.feed(json.dumps(value).encode())
    return interpret(parser.finish())


def url_of(entry: object) -> str | None:
    reply = read({"created": 1, "data": [entry]})
    assert isinstance(reply, Reply)
    (image,) = reply.resolved(BASE).usable
    return image.url


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("/files/1.png", "https://gateway.example:8443/files/1.png"),
        ("/files/1?a=/b&c=%2F", "https://gateway.example:8443/files/1?a=/b&c=%2F"),
        ("/1", "https://gateway.example:8443/1"),
        ("//cdn.example/1.png", "https://cdn.example/1.png"),
        ("cdn.example/1.png", "https://cdn.example/1.png"),
        ("cdn.example:8080/1", "https://cdn.example:8080/1"),
        ("localhost:3000/1.png", "https://localhost:3000/1.png"),
        ("files/1.png", "https://gateway.example:8443/v1/images/files/1.png"),
        ("./1.png", "https://gateway.example:8443/v1/images/1.png"),
        ("../../1.png", "https://gateway.example:8443/1.png"),
        ("../../../../1.png", "https://gateway.example:8443/1.png"),
    ],
)
@pytest.mark.parametrize("blanks", ["", "\n", " \r\n\t  "])
def test_a_reference_is_seen_from_where_the_reply_came_from(
    text: str, url: str, blanks: str
) -> None:
    assert url_of({"url": f"{blanks}{text}{blanks}"}) == url
    assert url_of(f"{blanks}{text}{blanks}") == url


@pytest.mark.parametrize(
    "url",
    [
        "https://x/a//b/../c?",
        "HTTPS://X/y;z?#",
        "http://gateway.example:8443/v1/images/generations",
        "https://user:word@x/y",
        "https://x/out put/a b.png?name=a b",
    ],
)
def test_a_whole_address_stays_as_it_is_spelt(url: str) -> None:
    assert url_of({"url": url}) == url


@pytest.mark.parametrize("key", ["url", "b64_json", "image_url", "base64"])
@pytest.mark.parametrize("blanks", ["\n", "\r\n\t", "  ", "\n \n \n "])
def test_blanks_around_an_address_do_not_count(key: str, blanks: str) -> None:
    assert url_of({key: f"{blanks}https://x/y.png{blanks}"}) == "https://x/y.png"


@pytest.mark.parametrize(
    "text", ["QUJD", "data:image/png;base64,QUJD", "data:;base64,QUJD\n"]
)
@pytest.mark.parametrize("blanks", ["\n", "\r\n\t", "  "])
def test_blanks_around_an_image_do_not_count(text: str, blanks: str) -> None:
    key = "url" if "data:" in text else "b64_json"
    reply = read({"data": [{key: f"{blanks}{text}{blanks}"}]})
    assert isinstance(reply, Reply)
    assert [image.number for image in reply.usable] == [0]


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            " ",
            "/",
            "x",
            "1.png",
            "pending",
            "n/a",
            "see /files/1.png",
            "a b/c.png",
        ),
        *("ftp://x/y.png", "file:///etc/passwd", "C:/x.png", "mailto:a@b.c", "data:0"),
        *("iVBORw0KGgo/AAA", "/9j/4AAQSkZJRg/AA", "https://", "https:// x/y.png"),
        "https://status.example says: come back",
    ],
)
def test_what_cannot_be_an_address_is_no_image(text: str) -> None:
    reply = read({"created": 1, "data": [text]})
    assert isinstance(reply, Reply)
    assert reply.usable == ()


@pytest.mark.parametrize(
    "document",
    [
        {"success": False, "message": "please log in", "url": "/login"},
        {"error": {"message": "please log in"}, "url": "//x/login"},
        {"data": {"error": "please log in", "url": "/login"}},
    ],
)
def test_a_reference_beside_an_error_is_no_image(document: object) -> None:
    error = read(document)
    assert isinstance(error, ErrorBody)
    assert error.message == "please log in"


def test_an_image_that_came_inside_needs_no_address() -> None:
    reply = read({"data": [{"b64_json": "QUJD"}, {"url": "/1"}, {}]})
    assert isinstance(reply, Reply)
    images = reply.resolved(BASE).images
    assert [image.number for image in images] == [0, None, None]
    assert [image.url for image in images] == [
        None,
        "https://gateway.example:8443/1",
        None,
    ]


@pytest.mark.parametrize("text", ["//[::1/x.png", "//[x]/y.png"])
def test_a_reference_that_cannot_be_resolved_is_left_to_be_refused(text: str) -> None:
    assert url_of({"url": text}) == text


@given(st.text(st.sampled_from("/.:[]@?#h9jx "), max_size=12))
def test_whatever_stands_there_nothing_is_raised(text: str) -> None:
    reply = read({"data": [text, {"url": text}]})
    assert isinstance(reply, Reply)
    reply.resolved(BASE)

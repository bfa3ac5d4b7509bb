"""Web addresses, and the heads of requests to them."""

from __future__ import annotations

import pytest

from batcher.transport.url import Origin, UrlError, bare, read_url, request_head


@pytest.mark.parametrize(
    ("text", "origin", "authority", "target"),
    [
        ("http://a/b", ("a", 80, False), "a", "/b"),
        ("https://a.b/v1/x", ("a.b", 443, True), "a.b", "/v1/x"),
        ("https://a:8443", ("a", 8443, True), "a:8443", "/"),
        ("https://a:443/", ("a", 443, True), "a", "/"),
        ("http://a?b=c", ("a", 80, False), "a", "/?b=c"),
        ("http://A.B/C#d", ("a.b", 80, False), "a.b", "/C"),
        ("HTTP://a/b", ("a", 80, False), "a", "/b"),
        ("http://[::1]:8/x", ("::1", 8, False), "[::1]:8", "/x"),
        ("http://u:p@a/x", ("a", 80, False), "a", "/x"),
        ("http://a/x%2Fy?s=%2B+~&t=/:?@!$'()*,;=", None, "a", None),
        ("http://a/a//b/../c?", None, "a", "/a//b/../c?"),
        ("http://a/a b\u00e9", None, "a", "/a%20b%C3%A9"),
        ("http://a/\udcff", None, "a", "/%FF"),
        ("http://b\u00fccher.de/x", None, "xn--bcher-kva.de", "/x"),
        (" http://a/b\n", None, "a", "/b"),
    ],
)
def test_an_address_is_taken_apart(
    text: str,
    origin: tuple[str, int, bool] | None,
    authority: str,
    target: str | None,
) -> None:
    url = read_url(text)
    if origin is not None:
        host, port, is_tls = origin
        assert url.origin == Origin(host=host, port=port, is_tls=is_tls)
    assert url.authority == authority
    assert url.target == (text[len("http://a") :] if target is None else target)


@pytest.mark.parametrize(
    "text",
    [
        *("", "a b", "file:///etc/passwd", "ftp://a/b", "data:image/png;base64,AA"),
        *("http://", "http:///b", "http://[::1", "http://a:b/", "http://a:99999/"),
        *("http://a..b/", f"http://{'a' * 64}/", "http://a/b\r\nX: y", "http://a\t/"),
    ],
)
def test_what_is_no_web_address_is_refused(text: str) -> None:
    with pytest.raises(UrlError):
        read_url(text)


@pytest.mark.parametrize(
    ("user", "credentials"),
    [
        ("", None),
        ("u:p@", "Basic dTpw"),
        ("u@", "Basic dTo="),
        ("u%40x:p%3A@", "Basic dUB4OnA6"),
    ],
)
def test_a_user_in_an_address_becomes_a_header(
    user: str, credentials: str | None
) -> None:
    assert read_url(f"http://{user}a/b").credentials == credentials


def test_a_head_is_written_line_by_line() -> None:
    head = request_head("GET", read_url("http://a:8/b?c"), {"Accept": "x", "B": "y"})
    assert head == b"GET /b?c HTTP/1.1\r\nHost: a:8\r\nAccept: x\r\nB: y\r\n\r\n"


@pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "a\n", "\r"])
def test_no_header_holds_another(value: str) -> None:
    with pytest.raises(UrlError):
        request_head("GET", read_url("http://a"), {"Authorization": value})


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("https://u:p@a:8443/b/c?key=x#d", "https://a:8443/b/c"),
        ("//u@a/b?x", "//a/b"),
        (" /login?next=/v1 ", "/login"),
        ("", ""),
        ("http://[::1", ""),
    ],
)
def test_an_address_is_shown_without_what_may_be_secret(
    address: str, shown: str
) -> None:
    assert bare(address) == shown

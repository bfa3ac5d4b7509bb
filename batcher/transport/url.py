"""Reads web addresses, and writes them into the head of a request. Pure."""

from __future__ import annotations

import string
from base64 import b64encode
from functools import lru_cache
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, unquote, urlsplit, urlunsplit

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping

_PORTS: Final = {"http": 80, "https": 443}
_PRINTABLE: Final = string.punctuation  # what `quote` leaves besides letters, digits


class UrlError(ValueError):
    """It is no web address."""


class Origin(msgspec.Struct, frozen=True, kw_only=True):
    """Whom a connection is for.

    Attributes:
        host: A name, or an address without brackets.
        port: Of TCP.
        is_tls: The scheme is https.
    """

    host: str
    port: int
    is_tls: bool


class Url(msgspec.Struct, frozen=True, kw_only=True):
    """A web address, taken apart.

    Attributes:
        origin: Whom to connect to.
        authority: For the `Host` header: host, and the port if it is an unusual one.
        target: Path and query, spelt as they came: a signature may be over them.
        credentials: For the `Authorization` header, when it has a user or password.
    """

    origin: Origin
    authority: str
    target: str
    credentials: str | None = None


@lru_cache(maxsize=64)
def read_url(text: str) -> Url:
    """Take an address apart.

    Raises:
        UrlError: It is not http or https, or has no host.
    """
    text = text.strip()
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
        if ":" not in host:
            host = host.encode("idna").decode()
    except ValueError as error:
        raise UrlError(f"no web address: {text[:80]!r}: {error}") from error
    usual = _PORTS.get(parts.scheme)
    if usual is None or not host or any(mark in text for mark in "\t\r\n"):
        raise UrlError(f"no web address: {text[:80]!r}")
    port = port or usual
    shown = f"[{host}]" if ":" in host else host
    rest = text.partition("://")[2][len(parts.netloc) :].partition("#")[0]
    target = rest if rest.startswith("/") else f"/{rest}"
    return Url(
        origin=Origin(host=host, port=port, is_tls=parts.scheme == "https"),
        authority=shown if port == usual else f"{shown}:{port}",
        target=quote(target, safe=_PRINTABLE, errors="surrogateescape"),
        credentials=_credentials(parts.username, parts.password),
    )


def bare(address: str) -> str:
    """Give an address without its user, query and fragment, where secrets may stand."""
    try:
        parts = urlsplit(address.strip())
    except ValueError:
        return ""
    return urlunsplit(
        (parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", "")
    )


def _credentials(user: str | None, password: str | None) -> str | None:
    if user is None and password is None:
        return None
    pair = f"{unquote(user or '')}:{unquote(password or '')}"
    return f"Basic {b64encode(pair.encode()).decode()}"  # RFC 7617


def request_head(method: str, url: Url, headers: Mapping[str, str]) -> bytes:
    """Write the first part of a request.

    Raises:
        UrlError: A header would hold a line break.
    """
    lines = [f"{method} {url.target} HTTP/1.1", f"Host: {url.authority}"]
    lines += (f"{name}: {value}" for name, value in headers.items())
    if any("\r" in line or "\n" in line for line in lines):
        raise UrlError("a line break in a header")
    return "\r\n".join((*lines, "\r\n")).encode()


def with_length(head: bytes, length: int) -> bytes:
    """Say in the first part of a request how many bytes follow it."""
    return b"%bContent-Length: %d\r\n\r\n" % (head[:-2], length)

"""Says which server of an object store is asked, as the environment has it.

The client reads the same variables; here they are only checked and told of.
"""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from batcher.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

_ENDPOINT = re.compile(r"(AWS|AZURE|GOOGLE)_(\w+_)?ENDPOINT(_URL)?(_S3)?")
_ALLOW_HTTP = re.compile(r"(AWS|AZURE|GOOGLE)_ALLOW_HTTP|AZURE_(\w+_)?USE_EMULATOR")
_ASKED = re.compile(r"Error performing [A-Z]+ (\S+) in ")
_CREDENTIALS = re.compile(r"METADATA|MSI|IDENTITY")
_METADATA = re.compile(r"//(169\.254\.|metadata\.google|\[fd00:ec2)")


_CLOUDS = {"s3": "AWS_", "s3a": "AWS_", "gs": "GOOGLE_"}
"""What a cloud's variables begin with, by the scheme of a URL; else Azure's."""


def allows_http(environment: Mapping[str, str]) -> bool:
    """Tell whether to speak without TLS: on this machine, or when told to."""
    is_told = any(
        value.lower() in {"1", "true", "yes", "on"}
        for name, value in environment.items()
        if _ALLOW_HTTP.fullmatch(name)
    )
    return is_told or any(map(_is_loopback, _endpoints(environment).values()))


def check_endpoints(address: str, environment: Mapping[str, str]) -> None:
    """Refuse an endpoint that the client would die of, or not speak to.

    Args:
        address: The run directory's URL, which says whose variables are read.
        environment: Where endpoints are named.

    Raises:
        UsageError: One is no URL, or would be spoken to without TLS.
    """
    cloud = _CLOUDS.get(address.partition(":")[0], "AZURE_")
    for name, value in _endpoints(environment).items():
        if not name.startswith(cloud) or _CREDENTIALS.search(name):
            continue
        scheme = value.partition("://")[0].lower()
        shown = value.rpartition("@")[2]
        if scheme not in {"http", "https"}:
            raise UsageError(
                f"{name} is {shown!r}, which is no URL: write https://HOST or "
                "http://HOST:PORT"
            )
        if scheme == "http" and not allows_http(environment):
            raise UsageError(
                f"{name} is {shown!r}, and only this machine is spoken to without TLS: "
                f"write https://, or set {cloud}ALLOW_HTTP=true"
            )


def server_words(text: str, environment: Mapping[str, str]) -> str:
    """Say which server was asked, and which variable names it; "" if none was.

    Args:
        text: What the client said.
        environment: Where endpoints are named.
    """
    asked = _ASKED.search(text)
    if asked is None:
        return ""
    named = {_origin(url): name for name, url in _endpoints(environment).items()}
    if not is_about_metadata(text):
        server = _origin(asked[1])
        words = f"asked {server}"
        return f"{words}, see {named[server]}" if server in named else words
    # Credentials were looked for, so the store itself was not asked yet.
    return ", ".join(f"{name} is {server}" for server, name in named.items())


def is_about_metadata(text: str) -> bool:
    """Tell that credentials were asked of the machine, as none were given."""
    return _METADATA.search(text) is not None


def _endpoints(environment: Mapping[str, str]) -> dict[str, str]:
    """Give the variables that name a server."""
    return {
        name: value
        for name, value in environment.items()
        if value and _ENDPOINT.fullmatch(name)
    }


def _origin(url: str) -> str:
    """Give a URL's scheme, host and port, without who asks."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def _is_loopback(endpoint: str) -> bool:
    host = urlsplit(endpoint).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"

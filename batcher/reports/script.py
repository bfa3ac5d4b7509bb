"""Writes JSON values as a classic script, which a page from disk may load.

`fetch` of a neighbouring file is refused to a page from disk; a script is not. Requests
go in batches of JSON text: a browser reads that several times faster than the same
values as JavaScript, whose syntax tree would be larger than what it describes.
"""

from __future__ import annotations

from itertools import chain, islice
from typing import TYPE_CHECKING

from batcher.json_text import to_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

BATCH = 500
"""Values per line of the script."""
_ESCAPES = (
    (b"\\", b"\\\\"),
    (b"'", b"\\'"),
    (b"<", b"\\x3c"),  # neither </script> nor <!-- can come about
    ("\u2028".encode(), b"\\u2028"),  # ended a string's line before ES2019
    ("\u2029".encode(), b"\\u2029"),
)


def data_script(header: object, requests: Iterable[object]) -> Iterator[bytes]:
    """Make the script that gives the page its `REPORT`, piece by piece.

    Args:
        header: A value that encodes as a JSON object without `requests`.
        requests: What becomes `REPORT.requests`; taken as it is needed.
    """
    yield b'"use strict";\nconst REPORT = ' + _parsed(header) + b";\n"
    yield b"REPORT.requests = [];\n"
    rest = iter(requests)
    for first in rest:
        batch = list(chain([first], islice(rest, BATCH - 1)))
        yield b"REPORT.requests.push(..." + _parsed(batch) + b");\n"


def _parsed(value: object) -> bytes:
    """Write a call that gives the value back, as one line of any page."""
    text = to_json(value)
    for plain, escaped in _ESCAPES:
        text = text.replace(plain, escaped)
    return b"JSON.parse('" + text + b"')"

"""Faults of what lies between: proxies, connections, and replies that hold nothing."""

from __future__ import annotations

from functools import partial

from batcher.sandbox.delivery import dribble, drop, hang, inform, reset, truncate
from batcher.sandbox.faults.fault import Call, Fault, always
from batcher.sandbox.reply import Document, Reply, error

LOST = error(200, "upstream failed", code="server_error", kind="server_error")

ELSEWHERE = Reply(
    status=307, headers={"Location": "/sandbox/elsewhere"}, middlebox=True
)

TITLES = {502: "Bad Gateway", 504: "Gateway Time-out", 524: "A timeout occurred"}


def page(call: Call, *, status: int, server: str) -> Reply:
    """Speak as a proxy: HTML, and none of the gateway's headers."""
    del call
    title = f"{status} {TITLES[status]}"
    ray = {"cf-ray": "8f1c2a9d4e5b6c7d-AMS"} if server == "cloudflare" else {}
    return Reply(
        status=status,
        body=f"<html><head><title>{title}</title></head><h1>{title}</h1></html>".encode(),
        headers={"Server": server, **ray},
        content_type="text/html",
        middlebox=True,
    )


def without_images(document: Document, *, data: object) -> Document:
    """Replace the list of images."""
    return {**document, "data": data}


PROXIES = (
    Fault(
        name="html_502",
        doc="502 with a proxy's HTML; nothing was drawn",
        source="§2.2, 5",
        answer=partial(page, status=502, server="nginx"),
        billed=False,
        late=True,
    ),
    Fault(
        name="html_504",
        doc="504 with a proxy's HTML; drawn and billed all the same",
        source="§4.1, 2",
        answer=partial(page, status=504, server="nginx"),
        late=True,
    ),
    Fault(
        name="cloudflare_524",
        doc="524 with Cloudflare's HTML; drawn and billed all the same",
        source="§4.1, 2, 25",
        answer=partial(page, status=524, server="cloudflare"),
        late=True,
    ),
    Fault(
        name="redirected",
        doc="307 to another path, as a captive portal or a moved site does",
        source="27",
        answer=always(ELSEWHERE),
        billed=False,
    ),
)
"""Faults of proxies in front of the gateway."""

CONNECTIONS = (
    Fault(
        name="hang",
        doc="never answers; drawn and billed",
        source="§2.1, §2.5, 3",
        deliver=hang,
    ),
    Fault(
        name="reset",
        doc="connection reset before any byte; drawn and billed",
        source="§2.5, §6, 2",
        deliver=reset,
    ),
    Fault(
        name="drop",
        doc="connection closed before any byte; nothing was drawn",
        source="§6, 29",
        answer=always(Reply()),
        billed=False,
        deliver=drop,
    ),
    Fault(
        name="truncate",
        doc="connection closed in the middle of the body; billed",
        source="§6, 2",
        deliver=truncate,
    ),
    Fault(
        name="slow_body",
        doc="the body comes in small parts over half a second",
        source="§4.1",
        deliver=dribble,
    ),
    Fault(
        name="processing",
        doc="two 102 Processing replies come first",
        source="§4.2",
        deliver=inform,
    ),
)
"""Faults of the connection."""

EMPTY = (
    Fault(
        name="not_json",
        doc="200 with a body that is no JSON; billed",
        source="§2.3, 5",
        answer=always(Reply(body=b"upstream said: \xff\xfe<ok>")),
        late=True,
    ),
    Fault(
        name="error_200",
        doc="200 with an error object",
        source="§2.2, 5",
        answer=always(LOST),
        billed=False,
        late=True,
    ),
    Fault(
        name="blank_200",
        doc="200 with blank lines, then an error object",
        source="§4.2, 5",
        answer=always(Reply(body=b"\n \n\n" + LOST.body)),
        billed=False,
        late=True,
    ),
    Fault(
        name="empty_data",
        doc="200 with an empty list of images; billed",
        source="§4.3, 5",
        shape=partial(without_images, data=[]),
    ),
    Fault(
        name="null_data",
        doc="200 with null in place of the images; billed",
        source="§3.1, 5",
        shape=partial(without_images, data=None),
    ),
    Fault(
        name="empty_strings",
        doc="200 with an image whose URL and Base64 are empty; billed",
        source="§2.5, 5",
        shape=partial(without_images, data=[{"url": "", "b64_json": ""}]),
    ),
)
"""Faults that answer 200 with nothing."""


FAILURES = (*PROXIES, *CONNECTIONS, *EMPTY)

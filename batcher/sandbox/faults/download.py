"""Faults of the files that a reply's URLs point to. Their replies hold URLs."""

from __future__ import annotations

from batcher.sandbox.delivery import truncate
from batcher.sandbox.faults.fault import Fault, Fetch, FileReply
from batcher.sandbox.faults.spoiling import LOGIN, as_url
from batcher.sandbox.reply import Reply

EXPIRED = Reply(
    status=403,
    body=b"<Error><Code>AccessDenied</Code><Message>Expired</Message></Error>",
    content_type="application/xml",
    middlebox=True,
)
MISSING = Reply(
    status=404, body=b"not found", content_type="text/plain", middlebox=True
)
BROKEN = Reply(status=500, body=b"error", content_type="text/plain", middlebox=True)


def always(reply: Reply) -> FileReply:
    """Give the same reply to every fetch."""
    return lambda _reply, _fetch: reply


def broken_once(reply: Reply, fetch: Fetch) -> Reply:
    """Fail at the first fetch only."""
    return BROKEN if fetch.count == 1 else reply


def redirected(reply: Reply, fetch: Fetch) -> Reply:
    """Redirect to the other path under which files stand."""
    if fetch.moved:
        return reply
    return Reply(status=302, headers={"Location": f"/files/moved/{fetch.name}"})


DOWNLOADS = (
    Fault(
        name="download_404",
        doc="the image's URL is not found",
        source="§4.3, 15",
        revise=as_url,
        fetch=always(MISSING),
    ),
    Fault(
        name="download_500",
        doc="the first fetch of the image's URL fails, the next does not",
        source="§4.3, 15",
        revise=as_url,
        fetch=broken_once,
    ),
    Fault(
        name="download_cut",
        doc="the connection closes in the middle of the file",
        source="15, 16",
        revise=as_url,
        hand_out=truncate,
    ),
    Fault(
        name="download_html",
        doc="the image's URL gives a web page, with status 200",
        source="15, 16",
        revise=as_url,
        fetch=always(Reply(body=LOGIN, content_type="text/html", middlebox=True)),
    ),
    Fault(
        name="download_redirect",
        doc="the image's URL redirects to another path of the same host",
        source="15, 27",
        revise=as_url,
        fetch=redirected,
    ),
    Fault(
        name="download_expired",
        doc="the image's URL has expired: 403",
        source="§4.3, §5, 15",
        revise=as_url,
        fetch=always(EXPIRED),
    ),
)
"""Faults of downloads."""

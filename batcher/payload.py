"""Makes what stands on the wire: a request's fields, its reference images read in.

Files are read only now, one request at a time, so that references are never all in
memory.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import msgspec

from batcher.errors import BatcherError
from batcher.manifest import FieldError, encode
from batcher.models import ErrorClass

if TYPE_CHECKING:
    from batcher.models import Request

LARGEST_BODY = 128 << 20
"""Bytes; new-api's default `MAX_REQUEST_BODY_MB`."""

_encode = msgspec.json.Encoder().encode


class PayloadError(BatcherError):
    """A request cannot be put on the wire; it was not sent.

    Attributes:
        error_class: What it is to the request: `connect` may pass, `invalid` will not.
    """

    def __init__(self, message: str, error_class: ErrorClass) -> None:
        self.error_class = error_class
        super().__init__(message)


async def payload(request: Request, *, as_data_uri: bool) -> bytes:
    """Give the JSON body of a request.

    Args:
        request: What to send.
        as_data_uri: Whether reference files go as `data:` URIs or plain Base64.

    Raises:
        PayloadError: A reference file is gone or changed, or the body is too large.
    """
    if not request.references:
        return _encode(request.body)
    return await asyncio.to_thread(_with_references, request, as_data_uri=as_data_uri)


def _with_references(request: Request, *, as_data_uri: bool) -> bytes:
    try:
        texts = [encode(each, as_data_uri=as_data_uri) for each in request.references]
    except FieldError as error:
        # The file may come back, so that a later run can send what this one could not.
        raise PayloadError(str(error), ErrorClass.CONNECT) from error
    image = texts[0] if request.single_reference else texts
    body = _encode({**request.body, "image": image})
    if len(body) > LARGEST_BODY:
        limit = LARGEST_BODY >> 20
        message = f"the reference images make a body of over {limit} MiB"
        raise PayloadError(message, ErrorClass.INVALID)
    return body

"""Says what an object store refused, in words for people and with no secret in them.

The only place that maps the client's exceptions to ours.
"""

from __future__ import annotations

import os
import re
from contextlib import contextmanager
from html import unescape
from types import MappingProxyType
from typing import TYPE_CHECKING

from obstore import exceptions

from batcher.errors import StoreError
from batcher.stores.cloud_endpoint import is_about_metadata, server_words

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

FOREIGN = (exceptions.BaseError, OSError, ValueError)
"""What the client raises; its writer and its streams raise `OSError`."""

UNCERTAIN = (exceptions.AlreadyExistsError, exceptions.GenericError)
"""What leaves open who has made a file: a conflict, a time-out, a lost reply."""

_CREDENTIALS = (
    "set the credentials as the cloud's own tools take them: AWS_ACCESS_KEY_ID and "
    'AWS_SECRET_ACCESS_KEY (those of a profile: eval "$(aws configure '
    'export-credentials --format env)"), AZURE_STORAGE_ACCOUNT_NAME and '
    "AZURE_STORAGE_ACCOUNT_KEY, or GOOGLE_APPLICATION_CREDENTIALS"
)
_BUCKET = "check that the bucket exists"
_REACH = "check the network and the endpoint, and run it again"
_REPORT = "please report this"

ADVICE: Mapping[type[Exception], str] = MappingProxyType(
    {
        exceptions.UnauthenticatedError: _CREDENTIALS,
        exceptions.PermissionDeniedError: (
            "check the credentials, and that they may list, read, write and remove"
        ),
        exceptions.NotFoundError: _BUCKET,
        FileNotFoundError: _BUCKET,
        exceptions.NotSupportedError: "this object store cannot do it; use another one",
        exceptions.UnknownConfigurationKeyError: "check the cloud's variables",
        exceptions.InvalidPathError: "use a name without empty parts and without '..'",
        ValueError: "use a name without empty parts and without '..'",
        exceptions.AlreadyExistsError: "others write there at the moment; run it again",
        exceptions.PreconditionError: "it was replaced meanwhile; run it again",
        exceptions.NotModifiedError: _REPORT,
        exceptions.JoinError: _REPORT,
        exceptions.GenericError: _REACH,
        OSError: _REACH,
        exceptions.BaseError: _REPORT,
    }
)
"""What to do about an exception: the row of its class, or of the nearest base."""

# Amazon's REST error responses; Azure's are alike, and Google's XML ones, too.
_CODE = re.compile(r"<Code>(.*?)</Code>\s*(?:<Message>(.*?)</Message>)?", re.DOTALL)
_SYSTEM = re.compile(r'message: "([^"]{1,200})"')
_NO_BUCKET = re.compile(r"NoSuchBucket|ContainerNotFound|bucket does not exist")
_UNWELL = re.compile(r"status code: (?:429|5\d\d)\b", re.IGNORECASE)
_SECRET = re.compile(
    r"(AWS|AZURE|GOOGLE)_.*(KEY|SECRET|TOKEN|SAS|CREDENTIAL|PASSWORD|CONNECTION)"
)
_USER = re.compile(r"(https?://)[^\s/@]+@")
_QUERY = re.compile(r"(\w://[^\s?\"')]*)\?[^\s\"')]*")


@contextmanager
def refusals(verb: str, place: str) -> Iterator[None]:
    """Turn what the client raises within into `StoreError`."""
    try:
        yield
    except FOREIGN as error:
        raise refusal(verb, place, error) from error


def refusal(verb: str, place: str, error: Exception) -> StoreError:
    """Word what was refused: what, where, why, and what to do about it."""
    text = str(error)
    advice = _advice(type(error), text)
    server = server_words(text, os.environ)
    where = f" ({server})" if server else ""
    said = scrubbed(_said(text))
    return StoreError(f"cannot {verb} {place!r}: {said}; {advice}{where}")


def is_absent(error: Exception) -> bool:
    """Tell that only a name is absent, not the bucket."""
    return isinstance(error, FileNotFoundError) and not _NO_BUCKET.search(str(error))


def is_unwell(error: Exception) -> bool:
    """Tell that a store answered, but that it cannot do anything just now."""
    return _UNWELL.search(str(error)) is not None


def scrubbed(text: str, environment: Mapping[str, str] = os.environ) -> str:
    """Take out the environment's secrets, and URLs' user names and signatures."""
    for name, value in environment.items():
        if len(value) > 5 and _SECRET.match(name):
            text = text.replace(value, "…")
    return _QUERY.sub(r"\1", _USER.sub(r"\1", text))


def _advice(kind: type[Exception], text: str) -> str:
    if is_about_metadata(text):
        return _CREDENTIALS
    if _NO_BUCKET.search(text):
        return _BUCKET
    return next(ADVICE[each] for each in kind.__mro__ if each in ADVICE)


def _said(text: str) -> str:
    """Find the store's or the system's own words among the client's."""
    head, _, debug = text.partition("\n\nDebug source:")
    if found := _CODE.search(head):
        said = ": ".join(part.strip() for part in found.groups() if part)
        return unescape(said.partition("\n")[0])  # Azure appends a request's id
    said = " ".join(head.rpartition(" - ")[2].split())[:300].rstrip(" :")
    system = _SYSTEM.search(debug)
    return f"{said}: {system[1]}" if system else said

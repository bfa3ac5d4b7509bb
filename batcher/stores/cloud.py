"""A run directory under a prefix of an object store.

Relies on what all of them promise today: a reader sees an object whole and at once,
and of many who create one name, one does (`If-None-Match: *`).
"""

from __future__ import annotations

import os
import secrets
import time
from datetime import timedelta
from typing import TYPE_CHECKING, BinaryIO
from urllib.parse import quote, urlsplit

import obstore
from obstore.store import from_url

from batcher.errors import UsageError
from batcher.stores.cloud_endpoint import allows_http, check_endpoints
from batcher.stores.cloud_error import (
    FOREIGN,
    UNCERTAIN,
    is_absent,
    is_unwell,
    refusal,
    refusals,
    scrubbed,
)
from batcher.stores.cloud_reader import open_object
from batcher.stores.directory import Entry
from batcher.version import VERSION

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from obstore import ObjectMeta
    from obstore.store import ObjectStore

MARK = "batcher"
"""Metadata by which a writer knows its own object again, and a copy of it."""

PATIENCE = 120.0
"""Seconds for which a store that fails is tried again."""

FIRST_PATIENCE = 5.0
"""Seconds for the first answer: without one its address is more likely to be wrong."""

_FIRST_SECONDS = 10
_SMALL_SECONDS = 30
_LARGE_SECONDS = 900  # a part, or an image, over a slow line
_PAUSES = (0.0, 0.2, 1.0)  # seconds before each try to create what nobody has
_LISTED = 1000  # what a store gives at once
_CONTAINER_SCHEMES = {"abfs", "abfss"}  # `abfss://container@account…`, Azure's own form
_NO_PARTS = frozenset({"", ".", ".."})


class CloudDirectory:
    """A prefix of a bucket; see `Directory`.

    Credentials, region and endpoint come from the environment, or from the machine's
    role there, as the client finds them (`AWS_*`, `AZURE_*`, `GOOGLE_*`).

    Args:
        url: Such as `s3://bucket/prefix`; the prefix is taken as it stands.
        patience: Seconds for which a store that fails is tried again.

    Attributes:
        small: The client for small files, which do not take long.
        large: The client for images.

    Raises:
        UsageError: The URL, or what the environment says, cannot be used.
    """

    def __init__(self, url: str, *, patience: float = PATIENCE) -> None:
        self._url = url.rstrip("/")
        address = _address(url)
        check_endpoints(address, os.environ)
        seconds = max(1.0, min(_SMALL_SECONDS, patience))
        self.small = _client(address, seconds, patience)
        self.large = _client(address, _LARGE_SECONDS, patience)
        self._first: ObjectStore | None = None
        if patience > FIRST_PATIENCE:
            self._first = _client(address, _FIRST_SECONDS, FIRST_PATIENCE)

    def __str__(self) -> str:
        """Give the URL as the user named it."""
        return self._url

    def place(self, name: str) -> str:
        """Give a file's URL, for people."""
        return f"{self._url}/{name}"

    def open(self, name: str) -> BinaryIO | None:
        """Open a file for reading; each leap within it is a request."""
        return open_object(self.large, name, self.place(name))

    def read(self, name: str) -> bytes | None:
        """Give a file's content."""
        try:
            return obstore.get(self.small, name).bytes().to_bytes()
        except FOREIGN as error:
            if is_absent(error):
                return None
            raise refusal("read", self.place(name), error) from error

    def size(self, name: str) -> int | None:
        """Give a file's size."""
        found = self.entry(name)
        return None if found is None else found.bytes

    def entry(self, name: str) -> Entry | None:
        """Describe a file."""
        try:
            return _entry(obstore.head(self.small, name))
        except FOREIGN as error:
            if is_absent(error):
                return None
            raise refusal("read", self.place(name), error) from error

    def entries(self, prefix: str = "") -> Iterator[Entry]:
        """Walk the files whose names begin with `prefix`."""
        folder = prefix.rpartition("/")[0]
        with refusals("list", self.place(prefix)):
            self._knock(folder)
            for found in obstore.list(self.small, folder or None, chunk_size=_LISTED):
                for entry in map(_entry, found):
                    # A console marks an empty folder by an object of no name.
                    if entry.name and entry.name.startswith(prefix):
                        yield entry

    def _knock(self, folder: str) -> None:
        """See that somebody answers, before one who does not is waited for.

        A listing is what every run and command begins with.
        """
        if self._first is None:
            return
        try:
            next(iter(obstore.list(self._first, folder or None, chunk_size=1)), None)
        except FOREIGN as error:
            if not is_unwell(error):
                raise
        self._first = None

    def create(self, name: str, data: bytes) -> bool:
        """Make a small file, unless its name is taken.

        A reply may be lost, and the client's second try then finds its own first; and a
        store may tell of a conflict that nobody has won yet (S3's 409). So a refusal is
        believed only when the file is there and bears another's mark.
        """
        mark = new_mark()
        with refusals("create", self.place(name)):
            for pause in _PAUSES:
                time.sleep(pause)
                try:
                    self._create(name, data, mark)
                except UNCERTAIN as error:
                    uncertain = error
                else:
                    return True
                found = self._mark(name)
                if found is not None:
                    return found == mark
            raise uncertain

    def write(self, name: str, data: bytes) -> None:
        """Make or replace a small file."""
        with refusals("write", self.place(name)):
            obstore.put(self.small, name, data, use_multipart=False)

    def remove(self, names: Iterable[str]) -> None:
        """Remove files, many with one request where the store can."""
        doomed = list(names)
        if not doomed:
            return
        with refusals("remove", self.place(doomed[0])):
            try:
                obstore.delete(self.small, doomed)
            except FOREIGN as error:
                # Some stores stop at the first one that is gone.
                if not is_absent(error):
                    raise
                for name in doomed:
                    self._remove(name)

    def _create(self, name: str, data: bytes, mark: str) -> None:
        obstore.put(
            self.small,
            name,
            data,
            mode="create",
            use_multipart=False,
            attributes={MARK: mark},
        )

    def _mark(self, name: str) -> str | None:
        """Give a file's mark, "" when it has none; None when there is no file."""
        try:
            found = obstore.get(self.small, name, options={"head": True})
        except FileNotFoundError:
            return None
        return found.attributes.get(MARK, "")

    def _remove(self, name: str) -> None:
        try:
            obstore.delete(self.small, name)
        except FOREIGN as error:
            if not is_absent(error):
                raise


def new_mark() -> str:
    """Give a mark that no other object bears."""
    return secrets.token_hex(8)


def _address(url: str) -> str:
    """Check a URL, and give it as the client reads it: percent-encoded."""
    parts = urlsplit(url)
    holds_user = parts.username is not None and parts.scheme not in _CONTAINER_SCHEMES
    if holds_user or parts.password is not None:
        raise UsageError(
            "a URL of an object store holds no credentials: "
            "set them in the environment, as the cloud's own tools take them"
        )
    prefix = parts.path.strip("/")
    faults = {
        "names no bucket": not parts.netloc,
        "holds a '?' or '#'": bool(parts.query or parts.fragment),
        "has an empty part, or one of dots": not _NO_PARTS.isdisjoint(prefix.split("/"))
        and prefix != "",
    }
    for fault, is_so in faults.items():
        if is_so:
            raise UsageError(f"{url!r} {fault}: write {parts.scheme}://BUCKET/PREFIX")
    return f"{parts.scheme}://{parts.netloc}/{quote(prefix)}"


def _client(address: str, seconds: float, patience: float) -> ObjectStore:
    try:
        return from_url(
            address,
            client_options={
                "user_agent": f"batcher/{VERSION}",
                "connect_timeout": timedelta(seconds=10),
                "timeout": timedelta(seconds=seconds),
                "allow_http": allows_http(os.environ),
            },
            retry_config={
                "retry_timeout": timedelta(seconds=patience),
                "max_retries": 10_000,  # by default ten, which are over in seconds
                "backoff": {"max_backoff": timedelta(seconds=max(0.2, patience / 8))},
            },
        )
    except FOREIGN as error:
        said = scrubbed(str(error).partition("\n\nDebug source:")[0])
        raise UsageError(
            f"cannot use {address!r}: {said}; check the cloud's variables"
        ) from error


def _entry(found: ObjectMeta) -> Entry:
    return Entry(
        name=found["path"], bytes=found["size"], modified=found["last_modified"]
    )

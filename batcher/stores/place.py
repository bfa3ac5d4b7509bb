"""Opens a run directory by what the user calls it: a folder's path, or a URL."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from batcher.errors import UsageError
from batcher.stores.folder import LocalDirectory

if TYPE_CHECKING:
    from batcher.stores.directory import Directory
    from batcher.stores.store import Store

CLOUD_SCHEMES = ("s3", "s3a", "gs", "az", "azure", "abfs", "abfss", "adl")

_URL = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]+)://")
_CLOUD_PATH = re.compile(rf"({'|'.join(CLOUD_SCHEMES)}):/[^/]")


def is_url(place: object) -> bool:
    """Tell a URL, such as `s3://bucket/prefix`, from a folder's path."""
    return isinstance(place, str) and _URL.match(place) is not None


def open_directory(
    place: str | os.PathLike[str] | Directory, *, patience: float | None = None
) -> Directory:
    """Open a run directory; nothing is read or made yet.

    Args:
        place: A folder, a URL of an object store, or what this gave before.
        patience: Seconds to try again while an object store does not answer; None for
            its own.

    Raises:
        UsageError: There is no such kind of place, or its client is not installed.
    """
    if not isinstance(place, str | os.PathLike):
        return place
    text = os.fspath(place)
    if _CLOUD_PATH.match(text):
        raise UsageError(f"{text!r} was a URL before it became a path: give it as text")
    url = _URL.match(text)
    if url is None:
        return LocalDirectory(text)
    return _open_url(text, url["scheme"].lower(), patience)


def open_store(directory: Directory) -> Store:
    """Open the store that keeps a run directory's images."""
    if isinstance(directory, LocalDirectory):
        from batcher.stores.local import LocalStore  # noqa: PLC0415 - readers do without

        return LocalStore(directory.folder)
    from batcher.stores.cloud import CloudDirectory  # noqa: PLC0415 - the extra `cloud`
    from batcher.stores.cloud_store import CloudStore  # noqa: PLC0415 - the same

    if isinstance(directory, CloudDirectory):
        return CloudStore(directory)
    raise UsageError(f"there is no store for images at {str(directory)!r}")


def _open_url(url: str, scheme: str, patience: float | None) -> Directory:
    if scheme == "file":
        return LocalDirectory(_file_path(url))
    if scheme not in CLOUD_SCHEMES:
        raise UsageError(
            f"cannot use {scheme}://: a run directory is a folder, "
            "or at s3://, gs://, az:// or abfss://"
        )
    try:
        from batcher.stores.cloud import CloudDirectory  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise UsageError(
            f"{scheme}:// needs the object-store client: pip install 'batcher[cloud]'"
        ) from error
    return (
        CloudDirectory(url)
        if patience is None
        else CloudDirectory(url, patience=patience)
    )


def _file_path(url: str) -> str:
    from urllib.parse import urlsplit  # noqa: PLC0415 - slow, and of little use
    from urllib.request import url2pathname  # noqa: PLC0415 - the same

    parts = urlsplit(url)
    if parts.netloc not in {"", "localhost"} or not parts.path:
        raise UsageError(f"{url!r} is no folder of this machine: write file:///FOLDER")
    return url2pathname(parts.path)

"""Where images go, and the run directory they go to.

A folder of this machine, or a prefix of an object store, whose client is an extra
and is imported only where a URL asks for it. What keeps images is loaded when it is
first used: commands that only read do without.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from batcher.stores.directory import Directory, Entry, check_exclusive
from batcher.stores.folder import LocalDirectory
from batcher.stores.name import PARTIAL_FOLDER
from batcher.stores.place import is_url, open_directory, open_store

if TYPE_CHECKING:
    from batcher.stores.local import LocalStore
    from batcher.stores.store import Draft, Partial, Store

__all__ = [
    "PARTIAL_FOLDER",
    "Directory",
    "Draft",
    "Entry",
    "LocalDirectory",
    "LocalStore",
    "Partial",
    "Store",
    "check_exclusive",
    "is_url",
    "open_directory",
    "open_store",
]

_HOMES = {
    "LocalStore": "batcher.stores.local",
    "Draft": "batcher.stores.store",
    "Partial": "batcher.stores.store",
    "Store": "batcher.stores.store",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'batcher.stores' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)

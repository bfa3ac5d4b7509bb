"""Where images go, and the run directory they go to.

A folder of this machine, or a prefix of an object store, whose client is an extra
and is imported only where a URL asks for it.
"""

from batcher.stores.directory import Directory, Entry, check_exclusive
from batcher.stores.folder import LocalDirectory
from batcher.stores.local import LocalStore
from batcher.stores.name import PARTIAL_FOLDER
from batcher.stores.place import is_url, open_directory, open_store
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

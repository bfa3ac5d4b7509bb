"""Where images go."""

from batcher.stores.local import PARTIAL_FOLDER, LocalStore
from batcher.stores.store import Draft, Partial, Store

__all__ = ["PARTIAL_FOLDER", "Draft", "LocalStore", "Partial", "Store"]

"""Who runs the work."""

from batcher.engines.local import LocalPool

__all__ = ["LocalPool"]

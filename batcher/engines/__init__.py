"""Who runs the work: a pool for the requests of one process, a cluster for shards."""

from batcher.engines.engine import Ended, Engine, EngineError, Errand, errand_of
from batcher.engines.local import LocalPool

__all__ = ["Ended", "Engine", "EngineError", "Errand", "LocalPool", "errand_of"]

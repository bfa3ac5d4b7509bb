"""Who runs the work of many machines: a cluster's own scheduler, shard by shard."""

from batcher.engines.engine import Ended, Engine, EngineError, Errand, errand_of

__all__ = ["Ended", "Engine", "EngineError", "Errand", "errand_of"]

"""The life of one request, from the gate to its last line in the ledger."""

from batcher.worker.terms import Terms
from batcher.worker.worker import Worker

__all__ = ["Terms", "Worker"]

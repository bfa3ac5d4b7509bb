"""A run's page, live: served on loopback, fed by the ledger as it grows.

It reads the run directory and asks the run through its socket, as `batcher ctl` does;
so it works the same beside a run, from another process, and when the run has ended.
"""

from batcher.watch.server import Watch

__all__ = ["Watch"]

"""Checks the files of a run directory against what its ledger says.

Reads, and on demand puts requests back, or removes what nothing names. Knows nothing of
how it is shown.
"""

from batcher.verify.check import check_images
from batcher.verify.finding import Finding, Mark
from batcher.verify.orphan import delete_orphans, find_orphans
from batcher.verify.requeue import put_back

__all__ = [
    "Finding",
    "Mark",
    "check_images",
    "delete_orphans",
    "find_orphans",
    "put_back",
]

"""The ledger: append-only JSON lines that say what was sent and what became of it."""

from batcher.ledger.compact import Compaction, compact_ledger
from batcher.ledger.fold import Standings
from batcher.ledger.ledger import Ledger
from batcher.ledger.line import ImageLine, ReplyLine
from batcher.ledger.merge import FILE_NAME
from batcher.ledger.reader import Reading, kept_paths, names_of, read_ledger
from batcher.ledger.results import history, read_results
from batcher.ledger.segment import FOLDER, writer_name
from batcher.ledger.standing import Standing, State
from batcher.ledger.writer import LOCK_NAME, LedgerWriter, lock_folder

__all__ = [
    "FILE_NAME",
    "FOLDER",
    "LOCK_NAME",
    "Compaction",
    "ImageLine",
    "Ledger",
    "LedgerWriter",
    "Reading",
    "ReplyLine",
    "Standing",
    "Standings",
    "State",
    "compact_ledger",
    "history",
    "kept_paths",
    "lock_folder",
    "names_of",
    "read_ledger",
    "read_results",
    "writer_name",
]

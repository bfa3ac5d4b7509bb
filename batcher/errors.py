"""The exceptions a caller of batcher can meet; expected failures are values.

    BatcherError
    ├── UsageError          the command, the configuration or the folder; nothing sent
    │   ├── ManifestError   the manifest; carries every mistake that was found
    │   └── WhereError      a selection; carries the column (`where`)
    └── StoreError          an image or a ledger line could not be kept

What a gateway does wrong is no exception: it is a `models.Failure`, an attempt's
outcome like any other. What batcher raises and catches itself is not drawn here, nor
are kinds of a `UsageError` that nobody else need tell apart.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from batcher.models import Problem


class BatcherError(Exception):
    """Base of every exception that batcher raises on purpose."""


class UsageError(BatcherError):
    """The run cannot start as asked. Nothing was sent, nothing was written."""


class ManifestError(UsageError):
    """The manifest has mistakes.

    Attributes:
        problems: Every mistake found, in the order of the files.
    """

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class StoreError(BatcherError):
    """The disk or the object store refused; what was kept before is safe."""

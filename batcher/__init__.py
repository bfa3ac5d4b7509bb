"""Generate images in bulk: paced, resumable, and each one paid once.

The names below are the promise; everything else may change. They are loaded when first
used, so that `import batcher` and `batcher --help` cost nothing.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from batcher.api import plan, run
    from batcher.control import Control
    from batcher.errors import BatcherError, ManifestError, StoreError, UsageError
    from batcher.ledger.event import Result
    from batcher.models import (
        ErrorClass,
        Failure,
        Image,
        Problem,
        Request,
        Status,
        Summary,
    )
    from batcher.plan import Plan
    from batcher.sandbox import Sandbox, SandboxOptions
    from batcher.status import RunStatus
    from batcher.status import read_status as open_run

__all__ = [
    "BatcherError",
    "Control",
    "ErrorClass",
    "Failure",
    "Image",
    "ManifestError",
    "Plan",
    "Problem",
    "Request",
    "Result",
    "RunStatus",
    "Sandbox",
    "SandboxOptions",
    "Status",
    "StoreError",
    "Summary",
    "UsageError",
    "open_run",
    "plan",
    "run",
]

_HOMES = {
    "batcher.api": ("run",),
    "batcher.errors": ("BatcherError", "ManifestError", "StoreError", "UsageError"),
    "batcher.ledger.event": ("Result",),
    "batcher.models": (
        *("ErrorClass", "Failure", "Image", "Problem", "Request", "Status", "Summary"),
    ),
    "batcher.plan": ("Plan",),
    "batcher.control": ("Control",),
    "batcher.sandbox": ("Sandbox", "SandboxOptions"),
    "batcher.status": ("RunStatus", "open_run"),
}
_ALIASES = {"open_run": "read_status"}


class _Package(ModuleType):
    """This package, whose `plan` is a function, and a module's name as well.

    Importing a module binds its name in its package, whoever imports it and whenever.
    """

    @property
    def plan(self) -> object:
        """The function."""
        return importlib.import_module("batcher.api").plan

    @plan.setter
    def plan(self, module: object) -> None:
        """Leave it the function."""


sys.modules[__name__].__class__ = _Package


def __getattr__(name: str) -> object:
    for module, names in _HOMES.items():
        if name in names:
            found = getattr(importlib.import_module(module), _ALIASES.get(name, name))
            globals()[name] = found
            return found
    raise AttributeError(f"module 'batcher' has no attribute {name!r}")

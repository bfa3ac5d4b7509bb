"""Makes an engine by the name that the user gives it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from batcher.errors import UsageError

if TYPE_CHECKING:
    from batcher.engines.engine import Engine


def make_engine(
    name: str, *, scheduler: str | None = None, workers: int | None = None
) -> Engine:
    """Make an engine, not opened yet; its library is loaded when it is.

    Args:
        name: `processes`, `dask` or `ray`.
        scheduler: Where an existing cluster is; without it, one is started here.
        workers: How many to start here; by default one for each processor.

    Raises:
        UsageError: There is no such engine, or it cannot do what is asked.
    """
    if scheduler is None:
        workers = workers or os.cpu_count() or 2
    elif workers is not None:
        raise UsageError("--workers are started here; at --scheduler there are some")
    if name == "processes":
        if scheduler is not None:
            raise UsageError("--scheduler goes with --engine dask or ray")
        from batcher.engines.process import ProcessEngine  # noqa: PLC0415 - one of many

        return ProcessEngine(workers or 1)
    if name == "dask":
        from batcher.engines.dask import DaskEngine  # noqa: PLC0415 - the same

        return DaskEngine(scheduler, workers=workers)
    if name == "ray":
        from batcher.engines.ray import RayEngine  # noqa: PLC0415 - the same

        return RayEngine(scheduler, workers=workers)
    raise UsageError(f"--engine: there is no engine {name!r}")

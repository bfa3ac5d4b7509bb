"""Which shard a cluster's scheduler means, told from the environment it sets.

Pure: the environment is a parameter.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from batcher.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["shard_from"]

COUNT = "BATCHER_SHARDS"
"""How many shards there are, where the scheduler does not say."""


def shard_from(environment: Mapping[str, str]) -> tuple[int, int]:
    """Tell which shard this process is to work on: `--shard auto`.

    A Slurm array (sbatch(1), "OUTPUT ENVIRONMENT VARIABLES") must be without gaps,
    unless `BATCHER_SHARDS` says how many shards there are: then a task's number is its
    shard's, and a few tasks may be submitted again. An indexed Kubernetes job tells
    only `JOB_COMPLETION_INDEX`, from 0, so it needs `BATCHER_SHARDS`, its completions.

    Returns:
        Part, from 1, and parts.

    Raises:
        UsageError: No such environment, or one that does not name a shard.
    """
    if "SLURM_ARRAY_TASK_ID" in environment:
        return _slurm(environment)
    if "JOB_COMPLETION_INDEX" in environment:
        index = _number(environment, "JOB_COMPLETION_INDEX")
        return _checked(index + 1, _number(environment, COUNT))
    raise UsageError(
        "--shard auto: neither SLURM_ARRAY_TASK_ID nor JOB_COMPLETION_INDEX is set; "
        "give I/N instead"
    )


def _slurm(environment: Mapping[str, str]) -> tuple[int, int]:
    task = _number(environment, "SLURM_ARRAY_TASK_ID")
    if COUNT in environment:
        parts = _number(environment, COUNT)
        return _checked(task or parts, parts)
    first = _number(environment, "SLURM_ARRAY_TASK_MIN")
    last = _number(environment, "SLURM_ARRAY_TASK_MAX")
    parts = _number(environment, "SLURM_ARRAY_TASK_COUNT")
    if last - first + 1 != parts:
        raise UsageError(
            f"--shard auto: the Slurm array {first}-{last} has gaps; set {COUNT} to "
            "the number of shards, or give I/N instead"
        )
    return _checked(task - first + 1, parts)


def _checked(part: int, parts: int) -> tuple[int, int]:
    if not 1 <= part <= parts:
        raise UsageError(f"--shard auto: there is no shard {part} of {parts}")
    return part, parts


def _number(environment: Mapping[str, str], name: str) -> int:
    text = environment.get(name)
    if text is None:
        raise UsageError(f"--shard auto: {name} is not set; give I/N instead")
    if not (text.isascii() and text.isdecimal()):
        raise UsageError(f"{name}: expected a whole number, got {text!r}")
    return int(text)

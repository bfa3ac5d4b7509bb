"""Writes what was asked for as the command line of any of its shards."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from batcher.errors import UsageError
from batcher.manifest.source import STDIN

if TYPE_CHECKING:
    from batcher.job import Job


def shard_arguments(job: Job) -> tuple[str, ...]:
    """Write what was asked for as the command line of any of the shards.

    Paths are made absolute: a worker may be started elsewhere, on the same files.

    Raises:
        UsageError: It cannot be done by shards.
    """
    options = job.options
    if options.force:
        words = "a lost shard is submitted again, and would buy again what it made"
        raise UsageError(f"--force goes with --engine local: {words}")
    if STDIN in options.manifests:
        raise UsageError("--engine needs a manifest that every worker can read, not -")
    if options.first is not None or options.shard or not _is_percent(options.sample):
        words = "--first, --shard and --sample N count within a shard"
        raise UsageError(f"--engine: {words}; use --where, or --sample P%")
    flags: dict[str, object] = {
        "out": job.folder.resolve() if job.folder is not None else job.out,
        "endpoint": options.endpoint,
        "base-url": options.base_url,
        "retry": ",".join(options.retry) or None,
        "where": options.where,
        "marks": options.marks and _path(options.marks),
        "sample": options.sample,
        "seed": options.seed or None,
        **{name.replace("_", "-"): value for name, value in options.settings.items()},
    }
    return (
        "run",
        *map(_path, options.manifests),
        *(f"--{name}={value}" for name, value in flags.items() if value is not None),
        *(["--accept-changes"] if options.accept_changes else []),
        *(f"--set={name}={_text(value)}" for name, value in options.fields.items()),
    )


def _is_percent(sample: str | None) -> bool:
    return sample is None or sample.strip().endswith("%")


def _path(name: str) -> str:
    return str(Path(name).resolve())


def _text(value: object) -> str:
    """Write a field as `--set` reads it: as YAML, which JSON is."""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()

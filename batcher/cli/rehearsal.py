"""The options that say how a sandbox behaves, for `run` and `sandbox` alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batcher.errors import UsageError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

    from batcher.job import Job
    from batcher.sandbox import SandboxOptions

FLAGS: Mapping[str, object] = {"--latency": "0", "--faults": "", "--fault-seed": 0}
"""What a sandbox can be told, and what stands for nothing said."""


def add_rehearsal(parser: argparse.ArgumentParser) -> None:
    """Add what a sandbox can be told."""
    group = parser.add_argument_group("with the sandbox")
    group.add_argument(
        "--latency", default=FLAGS["--latency"], metavar="S|S-S", help="of a reply"
    )
    group.add_argument(
        "--faults",
        default=FLAGS["--faults"],
        metavar="NAME[=P],…",
        help="what goes wrong, how often: truncate=0.05,rate_limited; all=0.2",
    )
    group.add_argument(
        "--fault-seed", type=int, default=FLAGS["--fault-seed"], metavar="N"
    )


def is_rehearsal(parsed: argparse.Namespace) -> bool:
    """Tell whether the sandbox was told anything."""
    return bool(_told(parsed))


def check_rehearsal(parsed: argparse.Namespace, job: Job) -> None:
    """Refuse to tell a sandbox anything where a run starts none.

    Raises:
        UsageError: It was told something, and the run sends elsewhere.
    """
    told, endpoint = _told(parsed), job.endpoint
    if not told or endpoint is None:
        return
    if not any(each.is_built_in for each in (endpoint, *job.fallbacks)):
        verb = "goes" if len(told) == 1 else "go"
        raise UsageError(
            f"{' and '.join(told)} {verb} with --endpoint sandbox; this run sends to"
            f" {endpoint.base_url}"
        )


def _told(parsed: argparse.Namespace) -> list[str]:
    """Give the flags that say anything."""
    return [
        flag
        for flag, silence in FLAGS.items()
        if getattr(parsed, flag.removeprefix("--").replace("-", "_")) != silence
    ]


def rehearsal_arguments(parsed: argparse.Namespace) -> tuple[str, ...]:
    """Write the flags anew, for the sandbox of each shard; raises `UsageError`."""
    if not is_rehearsal(parsed):
        return ()
    read_rehearsal(parsed)
    return (
        f"--latency={parsed.latency}",
        f"--faults={parsed.faults}",
        f"--fault-seed={parsed.fault_seed}",
    )


def read_rehearsal(parsed: argparse.Namespace, **others: object) -> SandboxOptions:
    """Turn the flags into options; raises `UsageError`."""
    from batcher.sandbox import (  # noqa: PLC0415 - `--help` does without it
        SandboxOptions,
        parse_faults,
        parse_latency,
    )

    try:
        return SandboxOptions(
            latency=parse_latency(parsed.latency),
            faults=parse_faults(parsed.faults) if parsed.faults else (),
            seed=parsed.fault_seed,
            **others,  # type: ignore[arg-type]  # the sandbox command's own flags
        )
    except ValueError as error:
        raise UsageError(str(error)) from error

"""The options that say how a sandbox behaves, for `run` and `sandbox` alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batcher.errors import UsageError

if TYPE_CHECKING:
    import argparse

    from batcher.sandbox import SandboxOptions


def add_rehearsal(parser: argparse.ArgumentParser) -> None:
    """Add what a sandbox can be told."""
    group = parser.add_argument_group("with the sandbox")
    group.add_argument("--latency", default="0", metavar="S|S-S", help="of a reply")
    group.add_argument(
        "--faults",
        default="",
        metavar="NAME[=P],…",
        help="what goes wrong, how often: truncate=0.05,rate_limited; all=0.2",
    )
    group.add_argument("--fault-seed", type=int, default=0, metavar="N")


def is_rehearsal(parsed: argparse.Namespace) -> bool:
    """Tell whether the sandbox was told anything."""
    told = (parsed.latency, parsed.faults, parsed.fault_seed)
    return told != ("0", "", 0)


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

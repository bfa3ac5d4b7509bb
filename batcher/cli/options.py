"""The options that commands share, and what `run` and `plan` make of theirs."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from batcher.errors import UsageError

if TYPE_CHECKING:
    import argparse

    from batcher.job import Job
    from batcher.options import Options

SETTINGS = (
    ("--concurrency", "N", "requests in flight at most (default 8)"),
    ("--ipm", "N", "images a minute at most"),
    ("--rpm", "N", "requests a minute at most"),
    ("--timeout", "S", "seconds for one attempt (default 360, or 600 from 2K up)"),
    ("--max-attempts", "N", "attempts in all, per request (default 5)"),
    ("--max-spend", "USD", "what this run directory may cost in all"),
    ("--max-images", "N", "images this run directory may hold"),
    ("--max-time", "S", "seconds after which no new request leaves"),
)

CHOICES = ("on_unknown", "duplicates")
"""Settings that are one of some words."""


def add_shared(parser: argparse.ArgumentParser) -> None:
    """Add what `run` and `plan` both take (README, Commands)."""
    parser.add_argument(
        "manifests", nargs="+", metavar="MANIFEST", help="files; - is standard input"
    )
    parser.add_argument(
        "--format",
        choices=("yaml", "csv", "jsonl"),
        help="of standard input (default: told from its first line)",
    )
    parser.add_argument("--out", metavar="DIR", help="default: runs/NAME")
    where = parser.add_argument_group("where to send")
    where.add_argument("--endpoint", metavar="NAME", help="a profile; try 'sandbox'")
    where.add_argument("--base-url", metavar="URL", help="key from BATCHER_API_KEY")
    how = parser.add_argument_group("how")
    for flag, metavar, words in SETTINGS:
        how.add_argument(flag, metavar=metavar, help=words)
    how.add_argument("--on-unknown", choices=("retry", "skip"), help="default: retry")
    how.add_argument(
        "--engine",
        default="local",
        metavar="NAME",
        help="who runs the work: local, processes, dask or ray",
    )
    how.add_argument(
        "--scheduler", metavar="ADDRESS", help="of dask or ray; default: started here"
    )
    how.add_argument(
        "--workers", type=int, metavar="N", help="to start here; default: one a core"
    )
    how.add_argument(
        "--shards", type=int, metavar="N", help="to cut into; default: 4 a worker"
    )
    what = parser.add_argument_group("which requests")
    what.add_argument(
        "--retry",
        metavar="WORDS",
        help="failed, rejected, unknown, all or none; several with commas",
    )
    add_where(
        what, "such as 'city=Tokyo and status=failed'; status is new where never sent"
    )
    what.add_argument(
        "--force",
        action="store_true",
        help="make what --where selects anew although it is kept, each time",
    )
    what.add_argument(
        "--duplicates",
        choices=("once", "each"),
        help="buy rows that ask for the same once (default) or each",
    )
    what.add_argument("--first", type=int, metavar="N", help="only the first N")
    what.add_argument("--sample", metavar="N|P%", help="only N, or P in a hundred")
    what.add_argument("--seed", type=int, default=0, help="what decides --sample")
    what.add_argument(
        "--shard",
        metavar="I/N",
        help="only part I of N; auto: of a Slurm array or a Kubernetes job",
    )
    what.add_argument(
        "--wait-for-shard",
        action="store_true",
        help="wait while another worker holds the shard",
    )
    what.add_argument(
        "--orders-after",
        type=int,
        metavar="N",
        help="obey the fleet's orders after the Nth; --engine says so to its shards",
    )
    what.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="FIELD=VALUE",
        help="beat the manifest's field, in every request",
    )
    what.add_argument(
        "--accept-changes",
        action="store_true",
        help="buy anew what changed since it was bought",
    )


def add_where(parser: argparse._ActionsContainer, words: str) -> None:
    """Add what selects requests; `words` say which ones. See `batcher.marks`."""
    parser.add_argument("--where", metavar="EXPR", help=words)
    parser.add_argument(
        "--marks",
        metavar="FILE.csv",
        help="from the report: what was picked, or else what was not rejected;"
        " or the field mark of --where, pick or reject",
    )


def warn_of_none() -> None:
    """Say that `--where` or `--marks` selects nothing, which is most often a slip."""
    from batcher.marks import SELECTS_NONE  # noqa: PLC0415 - `--help` does without it

    print(f"warning: --where: {SELECTS_NONE}", file=sys.stderr)


def read_options(parsed: argparse.Namespace) -> Options:
    """Turn parsed flags into options; raises `UsageError`."""
    from batcher.options import Options  # noqa: PLC0415 - `--help` does without it

    names = [flag.removeprefix("--").replace("-", "_") for flag, _, _ in SETTINGS]
    given = {name: getattr(parsed, name) for name in [*names, *CHOICES]}
    retry = parsed.retry.replace(" ", "").split(",") if parsed.retry else ()
    return Options(
        manifests=tuple(parsed.manifests),
        format=parsed.format,
        out=parsed.out,
        endpoint=parsed.endpoint,
        base_url=parsed.base_url,
        settings={k: v for k, v in given.items() if v is not None},
        retry=tuple(retry),
        where=parsed.where,
        marks=parsed.marks,
        force=parsed.force,
        first=parsed.first,
        sample=parsed.sample,
        seed=parsed.seed,
        shard=parsed.shard,
        wait_for_shard=parsed.wait_for_shard,
        orders_after=parsed.orders_after,
        fields=_fields(parsed.set),
        accept_changes=parsed.accept_changes,
        engine=parsed.engine,
        scheduler=parsed.scheduler,
        workers=parsed.workers,
        shards=parsed.shards,
    )


def make_job(parsed: argparse.Namespace) -> Job:
    """Plan what the flags ask for."""
    from batcher.cli.checking import checking  # noqa: PLC0415
    from batcher.job import Job  # noqa: PLC0415

    return Job(read_options(parsed), os.environ, checking=checking(parsed, sys.stderr))


def _fields(pairs: list[str]) -> dict[str, object]:
    """Read `FIELD=VALUE` pairs, each value as YAML would be read."""
    from batcher.manifest.document import read_yaml  # noqa: PLC0415
    from batcher.manifest.problem import Problems  # noqa: PLC0415

    fields: dict[str, object] = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals or not name.strip():
            raise UsageError(f"--set: expected FIELD=VALUE, got {pair!r}")
        problems = Problems()
        node = read_yaml(text, file="--set", problems=problems) if text else None
        if name.strip() == "prompt" or (text and problems.total):
            fields[name.strip()] = text
        else:
            fields[name.strip()] = node.plain() if node else None
    return fields

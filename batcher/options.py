"""What `run` and `plan` are asked, on the command line or in Python, and its limits."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from batcher.choice import RETRY_WORDS
from batcher.errors import UsageError
from batcher.manifest.field import FIELDS, suggestion

ENGINES = ("local", "processes", "dask", "ray")


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """What `run` and `plan` are asked, as on the command line (README, Commands).

    Attributes:
        manifests: Files that say what to generate, `-` for standard input.
        format: What standard input holds; told from it when not given.
        out: The run directory; by default `runs/` and the manifest's name.
        endpoint: A profile's name.
        base_url: An ad hoc URL to send to.
        settings: What beats the manifest's and the endpoint's settings.
        retry: Which ended requests to send again, words of `--retry`.
        where: Only requests that an expression selects, see `batcher.where`.
        marks: A file of marks that `where` reads, see `batcher.marks`.
        force: Make anew what `where` selects although it is kept, each time.
        first: Only so many requests from the start.
        sample: Only so many, or a percentage of them, drawn by `seed`.
        seed: What decides the drawing.
        shard: Only one part of several, `I/N`; `auto` asks the environment.
        wait_for_shard: Wait while another worker holds the shard.
        orders_after: Obey what the fleet was told after this order; an engine's driver
            says so to the shards it begins.
        fields: Fields that beat the manifest's, by name.
        accept_changes: Buy anew what was bought before with other content.
        engine: Who runs the work, one of `ENGINES`.
        scheduler: Where the engine's cluster is; without it, one is started here.
        workers: How many workers to start here; one for each processor.
        shards: How many shards the workers are given; four for each worker.
    """

    manifests: tuple[str, ...]
    format: str | None = None
    out: str | None = None
    endpoint: str | None = None
    base_url: str | None = None
    settings: Mapping[str, object] = {}
    retry: tuple[str, ...] = ()
    where: str | None = None
    marks: str | None = None
    force: bool = False
    first: int | None = None
    sample: str | None = None
    seed: int = 0
    shard: str | None = None
    wait_for_shard: bool = False
    orders_after: int | None = None
    fields: Mapping[str, object] = {}
    accept_changes: bool = False
    engine: str = "local"
    scheduler: str | None = None
    workers: int | None = None
    shards: int | None = None


def check_options(options: Options) -> None:
    """Check what can be checked without reading anything; raises `UsageError`."""
    if not options.manifests:
        raise UsageError("name a manifest; `batcher init` writes one to start from")
    _check_engine(options)
    if options.endpoint is not None and options.base_url is not None:
        places = f"--endpoint {options.endpoint!r} and --base-url {options.base_url!r}"
        raise UsageError(f"{places} name two places to send to; leave one out")
    if options.force and options.where is None:
        raise UsageError(
            "--force needs --where: say what to buy again although it is kept, such as"
            " --where 'name=NAME'"
        )
    for word in options.retry:
        if word not in RETRY_WORDS:
            known = ", ".join(RETRY_WORDS)
            raise UsageError(f"--retry: expected {known}, got {word!r}")
    for name in options.fields:
        if name not in FIELDS and not name.startswith("extra."):
            hint = suggestion(name, FIELDS) or "; other fields are extra.NAME"
            raise UsageError(f"--set: there is no field {name!r}{hint}")
    if options.first is not None and options.first < 0:
        raise UsageError(f"--first: must be 0 or more, got {options.first!r}")


def _check_engine(options: Options) -> None:
    if options.engine not in ENGINES:
        known = ", ".join(ENGINES)
        raise UsageError(f"--engine: expected one of {known}, got {options.engine!r}")
    for name in ("workers", "shards"):
        number = getattr(options, name)
        if number is not None and number < 1:
            raise UsageError(f"--{name}: must be 1 or more, got {number!r}")
    given = (options.workers, options.scheduler, options.shards)
    if options.engine == "local" and any(given):
        words = "--workers, --scheduler and --shards go with --engine"
        raise UsageError(f"{words} processes, dask or ray")

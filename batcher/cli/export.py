"""`batcher export`: the images as a dataset that other programs read."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from batcher.cli.folder import open_run, read_run
from batcher.cli.options import add_where, warn_of_none
from batcher.cli.table import safe
from batcher.cli.words import counts
from batcher.plural import counted

if TYPE_CHECKING:
    import argparse

    from batcher.exports import Export, ExportOptions

FORMATS = ("imagefolder", "webdataset", "parquet", "csv")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.add_argument("folder", metavar="DIR")
    parser.add_argument("--format", required=True, choices=FORMATS)
    words = "default: DIR/export/FORMAT; of a URL, export-NAME/FORMAT here"
    parser.add_argument("--out", metavar="FOLDER", help=words)
    add_where(parser, "only images of these requests")
    parser.add_argument(
        "--split",
        metavar="train=0.9,test=0.1",
        help="by a hash of each id: an image stays where it is as the run grows",
    )
    parser.add_argument(
        "--shard-size",
        metavar="N|BYTES",
        help="webdataset, parquet: such as 1000 or 500MB (the default)",
    )
    parser.add_argument(
        "--copy",
        action="store_true",
        help="imagefolder: copy images, which are otherwise linked and change together",
    )
    parser.add_argument(
        "--paths",
        action="store_true",
        help="parquet: leave images where they are, and name them",
    )


def execute(parsed: argparse.Namespace) -> int:
    """Export, print what was left out and what was written; 1 if anything was."""
    from tqdm import tqdm  # noqa: PLC0415 - `--help` does without it

    from batcher.exports import Listener, write_export  # noqa: PLC0415

    options = _options(parsed)
    directory = open_run(parsed.folder)
    standings = read_run(directory).standings
    # `disable=None`: no bar where standard error is no terminal.
    with tqdm(unit=" images", leave=False, disable=None) as bar:

        def say(place: str, words: str) -> None:
            bar.write(f"left out: {safe(place)}: {safe(words)}", file=sys.stderr)

        listener = Listener(on_image=bar.update, on_left_out=say)
        export = write_export(directory, standings, options, listener=listener)
    if options.where is not None and not sum(export.splits.values()) + export.left_out:
        warn_of_none()
    _conclude(export)
    return int(export.left_out > 0)


def _options(parsed: argparse.Namespace) -> ExportOptions:
    """Read all options before anything is written; raises `UsageError`."""
    from batcher.exports import ExportOptions, Format  # noqa: PLC0415 - see above
    from batcher.exports.shard import parse_size  # noqa: PLC0415
    from batcher.exports.split import Splits, parse_splits  # noqa: PLC0415
    from batcher.marks import read_where  # noqa: PLC0415

    size, split = parsed.shard_size, parsed.split
    return ExportOptions(
        format=Format(parsed.format),
        out=None if parsed.out is None else Path(parsed.out),
        where=read_where(parsed.where, parsed.marks),
        splits=Splits() if split is None else parse_splits(split),
        shard_size=None if size is None else parse_size(size),
        is_copy=parsed.copy,
        is_by_path=parsed.paths,
    )


def _conclude(export: Export) -> None:
    total = sum(export.splits.values())
    files = f"{counted(total, 'image')} in {counted(export.files, 'file')}"
    kept = f", {export.kept:,} of them kept from before" if export.kept else ""
    print(f"{files}{kept}: {counts(export.splits)}")
    if export.left_out:
        words = "not what the ledger says; 'batcher verify' tells more"
        print(f"{counted(export.left_out, 'image')} left out: {words}")
    print(f"wrote {export.out}")

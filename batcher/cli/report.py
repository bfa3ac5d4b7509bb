"""`batcher report`: the gallery and the charts, as one folder that opens from disk."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from batcher.cli.options import add_where, warn_of_none
from batcher.plural import counted

if TYPE_CHECKING:
    import argparse

    from batcher.reports import Report


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.add_argument("folder", metavar="DIR")
    parser.add_argument(
        "--out",
        metavar="FOLDER",
        help="default: DIR/report; of a URL, report-NAME here",
    )
    parser.add_argument(
        "--thumbs-only",
        action="store_true",
        help="of a URL: thumbnails, and no copies of the images themselves",
    )
    add_where(parser, "only these requests; the numbers stay those of the run")


def execute(parsed: argparse.Namespace) -> int:
    """Write the report, and say where it is."""
    from tqdm import tqdm  # noqa: PLC0415 - `--help` does without it

    from batcher.marks import read_where  # noqa: PLC0415
    from batcher.reports import write_report  # noqa: PLC0415

    out = Path(parsed.out) if parsed.out else None
    where = read_where(parsed.where, parsed.marks)
    # `disable=None`: no bar where standard error is no terminal.
    with tqdm(unit=" requests", leave=False, disable=None) as bar:
        report = write_report(
            parsed.folder,
            out,
            where=where,
            is_thumbs_only=parsed.thumbs_only,
            on_request=bar.update,
        )
    if where is not None and not report.requests:
        warn_of_none()
    _say(report)
    return 0


def _say(report: Report) -> None:
    for place in report.damaged:
        print(f"warning: {place} is damaged", file=sys.stderr)
    if not report.has_thumbnailer:
        words = "pip install 'batcher[report]' makes the page load faster"
        print(f"note: no thumbnails without Pillow; {words}", file=sys.stderr)
    made = f", {counted(report.made, 'thumbnail')} made" if report.made else ""
    copied = f", {report.copied / 1e6:,.1f} MB copied" if report.copied else ""
    print(f"{counted(report.requests, 'request')}{made}{copied}")
    print(f"open {report.page}")

"""The command line: one module per command; the only place that prints or exits."""

from __future__ import annotations

import argparse
import importlib
import sys
from typing import TYPE_CHECKING

from batcher.cli.output import READER_GONE, OutputError, attended_output, give_up
from batcher.errors import BatcherError, ManifestError

if TYPE_CHECKING:
    from collections.abc import Sequence

COMMANDS = {
    "run": "generate; run it again to resume",
    "plan": "check, count and price; sends nothing",
    "status": "what the ledger says",
    "list": "the requests of a run directory, selected",
    "show": "one request or image, whence it came",
    "verify": "are the images still what was kept",
    "report": "the gallery and the charts, as one folder that opens from disk",
    "watch": "the same page, live, while a run goes on",
    "export": "the images as a dataset that other programs read",
    "ctl": "hands on a running night",
    "compact": "rewrite a long ledger, losslessly",
    "sandbox": "an images gateway on this machine, to rehearse against",
    "init": "write a commented starter manifest",
    "schema": "the manifest's JSON Schema, for editors",
    "completion": "complete commands and files in bash, zsh or fish",
}
"""Every command and its first line of help; each has a module of its name here."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; gives its exit code."""
    # No `list(…)`: once it was called, the command of that name is what it means here.
    arguments = [*(sys.argv[1:] if argv is None else argv)]
    try:
        with attended_output():
            return _execute(arguments)
    except OutputError as error:
        return give_up(error)
    except ManifestError as error:
        for problem in error.problems:
            print(f"error: {problem}", file=sys.stderr)
        print("batcher: nothing was sent", file=sys.stderr)
        return 2
    except BatcherError as error:
        print(f"batcher: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # of standard error
        return READER_GONE


def _execute(arguments: Sequence[str]) -> int:
    parsed = make_parser(arguments).parse_args(arguments)
    if parsed.command is None:
        make_parser(["--help"]).print_help()
        return 2
    return int(importlib.import_module(_module(parsed.command)).execute(parsed))


def _module(command: str) -> str:
    return f"batcher.cli.{command}"


def make_parser(arguments: Sequence[str]) -> argparse.ArgumentParser:
    """Build the parser; only the command that is called loads its options."""
    parser = argparse.ArgumentParser(
        prog="batcher",
        description="Generate images in bulk: paced, resumable, each one paid once.",
    )
    parser.add_argument("--version", action=_Version)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    for name, words in COMMANDS.items():
        command = commands.add_parser(name, help=words, description=words)
        if name in arguments:
            importlib.import_module(_module(name)).add_arguments(command)
    return parser


class _Version(argparse.Action):
    """Print the version; it is looked up only when asked for."""

    def __init__(self, option_strings: Sequence[str], dest: str) -> None:
        super().__init__(option_strings, dest, nargs=0, help="print the version")

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from batcher.version import VERSION  # noqa: PLC0415 - see above

        print(f"batcher {VERSION}")
        parser.exit()

"""`batcher completion`: what a shell needs to complete commands, flags and files."""

from __future__ import annotations

import argparse

SHELLS = ("bash", "zsh", "fish")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.add_argument("shell", choices=SHELLS)
    parser.epilog = (
        "bash: batcher completion bash > ~/.local/share/bash-completion/completions/"
        "batcher; zsh: into a folder of $fpath as _batcher; fish: into"
        " ~/.config/fish/completions/batcher.fish"
    )


def execute(parsed: argparse.Namespace) -> int:
    """Print the completion script."""
    import shtab  # noqa: PLC0415 - only this command needs it

    from batcher.cli import COMMANDS, make_parser  # noqa: PLC0415

    parser = make_parser(tuple(COMMANDS))
    kinds = {"DIR": shtab.DIRECTORY, "MANIFEST": shtab.FILE, "FILE": shtab.FILE}
    for action in _actions(parser):
        if isinstance(action.metavar, str) and action.metavar in kinds:
            action.complete = kinds[action.metavar]  # type: ignore[attr-defined]  # shtab reads it
    print(shtab.complete(parser, parsed.shell))
    return 0


def _actions(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    """List every argument of a parser and of its commands."""
    found: list[argparse.Action] = []
    for action in parser._actions:  # noqa: SLF001 - argparse offers no other way
        found.append(action)
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            for command in action.choices.values():
                found += _actions(command)
    return found

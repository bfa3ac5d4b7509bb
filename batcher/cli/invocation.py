"""How this command was called, to be called so again."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from shutil import which
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

NAME = "batcher"
_FORCE = ("--force", "--forc")
"""The flag, and all that the parser takes for it."""


def way_on(more: Iterable[str] = ()) -> str:
    """Write the command that goes on: the same, but what is kept is not made anew.

    Args:
        more: Words to be added.
    """
    return command(*(word for word in sys.argv[1:] if word not in _FORCE), *more)


def command(*words: str) -> str:
    """Write a command of this program as a shell takes it."""
    program = program_words(sys.argv[0], sys.orig_argv[0], which(NAME))
    return shlex.join([*program, *words])


def program_words(called: str, python: str, found: str | None) -> list[str]:
    """Give the words that start this program from a shell.

    Args:
        called: The program's file, as Python names it.
        python: The interpreter, as it was called.
        found: The program that its bare name starts; None without one.
    """
    is_module = Path(called).name == "__main__.py"
    own = Path(sys.executable).with_name(NAME) if is_module else Path(called)
    if found is not None and own.exists() and own.samefile(found):
        return [NAME]
    return [python, "-m", NAME] if is_module else [called]

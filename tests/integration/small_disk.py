"""A disk of a few kilobytes, that fills up and is enlarged."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def small_disk(folder: Path, kilobytes: int) -> Iterator[None]:
    """Mount a disk of a few kilobytes; skip the test where that is not allowed."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", str(folder)]
    try:
        subprocess.run(mount, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("a file system cannot be mounted here")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def free(folder: Path) -> int:
    return shutil.disk_usage(folder).free


def fill(folder: Path) -> Path:
    """Fill a disk to its last byte, as another program may."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as stream:
        try:
            while stream.write(bytes(4096)):
                pass
        except OSError:
            return filler
    raise AssertionError


def enlarge(folder: Path) -> None:
    """Make room on a small disk, as its owner does."""
    (folder / "filler").unlink(missing_ok=True)
    subprocess.run(["mount", "-o", "remount,size=8m", str(folder)], check=True)

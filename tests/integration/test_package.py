"""The names that the package promises, in whatever order they are asked for."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

import batcher


@pytest.mark.parametrize(
    "before",
    [
        "",
        "batcher.run",
        "batcher.Plan",
        "import batcher.api",
        "import batcher.plan",
        "from batcher.plan import Plan",
        "from batcher import *",
    ],
)
def test_plan_is_the_function_whatever_was_loaded_before(before: str) -> None:
    program = (
        f"import batcher\n{before}\nfrom batcher import plan\nprint(plan.__name__)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("plan\n", "")


def test_every_name_that_is_promised_is_there() -> None:
    assert all(getattr(batcher, name) is not None for name in batcher.__all__)
    assert callable(batcher.plan)


def test_the_words_of_retry_are_taken_as_on_the_command_line(tmp_path: Path) -> None:
    manifest = tmp_path / "m.yaml"
    manifest.write_text("requests: [{prompt: a red cube}]")
    out = tmp_path / "out"
    for retry in ("failed,rejected", "failed, rejected", ["failed", "rejected"], ""):
        assert batcher.plan(manifest, out=out, retry=retry).new == 1
    with pytest.raises(batcher.UsageError, match="retry"):
        batcher.plan(manifest, out=out, retry="failed,reject")


@pytest.mark.parametrize("error", [KeyError, SystemExit, asyncio.CancelledError])
def test_a_listener_that_raises_loses_nothing_that_is_in_flight(
    tmp_path: Path, error: type[BaseException]
) -> None:
    manifest = tmp_path / "m.yaml"
    rows = "matrix: {i: {range: [1, 8]}}"
    manifest.write_text(f"requests: [{{prompt: 'n {{{{ i }}}}', {rows}}}]")

    def raise_once(_: object, __: object) -> None:
        raise error("mine")

    out = tmp_path / "out"
    with pytest.raises(error, match="mine"):
        batcher.run(
            manifest, on_result=raise_once, endpoint="sandbox", out=out, concurrency=4
        )
    found = batcher.open_run(out).summary
    assert found.unknown == 0
    assert found.succeeded == found.attempts
    assert found.stopped == {
        "class": "interrupted",
        "message": "stopped by the program that called it",
    }


async def wait(_: object, __: object) -> None:
    """Be no listener: nobody awaits it."""


@pytest.mark.parametrize("listener", [5, wait])
def test_what_cannot_listen_is_refused_before_anything_is_sent(
    tmp_path: Path, listener: object
) -> None:
    manifest = tmp_path / "m.yaml"
    manifest.write_text("requests: [{prompt: a red cube}]")
    with pytest.raises(batcher.UsageError, match="on_result: expected a plain"):
        batcher.run(
            manifest,
            on_result=listener,  # type: ignore[arg-type]  # what a caller may do
            endpoint="sandbox",
            out=tmp_path / "o",
        )
    assert not (tmp_path / "o").exists()

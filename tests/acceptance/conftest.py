from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.acceptance.program import STARTED, Gateway, Program


@pytest.fixture(autouse=True)
def nothing_is_left_running() -> Iterator[None]:
    """Ends what a test has started and not waited for, frozen or not."""
    yield
    while STARTED:
        process = STARTED.pop()
        process.kill()
        process.wait()


@pytest.fixture
def program(tmp_path: Path) -> Program:
    """The command line, run in a folder of its own."""
    return Program(tmp_path)


@pytest.fixture
def start_gateway(tmp_path: Path) -> Iterator[Callable[..., Gateway]]:
    """Starts sandboxes in processes of their own, and ends them."""
    started: list[Gateway] = []

    def start(*flags: str) -> Gateway:
        journal = tmp_path / f"journal-{len(started)}.jsonl"
        started.append(Gateway(journal, *flags))
        return started[-1]

    yield start
    for gateway in started:
        gateway.stop()

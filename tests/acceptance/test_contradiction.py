"""Flags that contradict one another, or what a run does, are refused by name."""

from __future__ import annotations

import pytest

from tests.acceptance.program import Program

ONE = "requests: [{prompt: a fox, size: 64x64}]"
ELSEWHERE = ("--base-url", "http://127.0.0.1:1/v1")
SANDBOX = ("--endpoint", "sandbox")


@pytest.fixture
def program(program: Program) -> Program:
    """The command line beside a manifest that names an endpoint of its own."""
    program.write("m.yaml", f"endpoint: octopusx\n{ONE}")
    return program


@pytest.mark.parametrize("command", ["run", "plan"])
def test_two_places_to_send_to_are_refused(program: Program, command: str) -> None:
    done = program(command, "m.yaml", *SANDBOX, *ELSEWHERE)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "batcher: --endpoint 'sandbox' and --base-url 'http://127.0.0.1:1/v1' name two"
        " places to send to; leave one out\n"
    )


@pytest.mark.parametrize("flags", [SANDBOX, ELSEWHERE], ids=["name", "url"])
def test_either_of_them_beats_the_manifests_endpoint(
    program: Program, flags: tuple[str, ...]
) -> None:
    done = program("plan", "m.yaml", *flags, BATCHER_BASE_URL="http://127.0.0.1:2/v1")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("told", "words"),
    [
        (("--faults", "server"), "--faults goes with --endpoint sandbox"),
        (("--latency=1", "--fault-seed=0"), "--latency goes with --endpoint sandbox"),
        (("--fault-seed=2", "--latency=1"), "--latency and --fault-seed go with"),
        (("--faults=x", "--engine=processes"), "--faults goes with"),
    ],
    ids=["one", "one and a default", "two", "engine"],
)
def test_what_only_a_sandbox_can_do_is_refused_elsewhere(
    program: Program, told: tuple[str, ...], words: str
) -> None:
    done = program("run", "m.yaml", *ELSEWHERE, *told, BATCHER_API_KEY="key")
    assert done.returncode == 2
    assert done.stderr.startswith(f"batcher: {words}")
    assert done.stderr.endswith("this run sends to http://127.0.0.1:1/v1\n")
    assert not (program.folder / "runs").exists()


def test_a_sandbox_among_the_fallbacks_can_be_told(program: Program) -> None:
    program.write(
        "batcher.toml",
        "[endpoints.first]\nbase_url = 'http://127.0.0.1:1/v1'\n"
        "key_env = 'FIRST'\nfallback = 'sandbox'\n",
    )
    flags = ("--endpoint", "first", "--faults", "nothing-like-it")
    done = program("run", "m.yaml", *flags, FIRST="key")
    assert (done.returncode, "nothing-like-it" in done.stderr) == (2, True)


def test_without_an_endpoint_that_is_what_is_missing(program: Program) -> None:
    program.write("m.yaml", ONE)
    done = program("run", "m.yaml", "--faults", "server")
    assert (done.returncode, "no endpoint" in done.stderr) == (2, True)

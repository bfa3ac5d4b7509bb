"""A person who waits for a plan sees how far it is."""

from __future__ import annotations

import json

import pytest

from tests.acceptance.program import Program
from tests.acceptance.test_terminal import Terminal

ROWS = 120_000
MANY = f"requests: [{{prompt: 'n {{{{ i }}}}', matrix: {{i: {{range: [1, {ROWS}]}}}}}}]"


@pytest.mark.parametrize("flags", [(), ("--json",)], ids=["text", "json"])
def test_a_long_plan_counts_on_a_terminal(
    program: Program, flags: tuple[str, ...]
) -> None:
    program.write("m.yaml", MANY)
    terminal = Terminal(program, 80, "plan", "m.yaml", *flags)
    assert terminal.end() == 0
    before, _, plan = terminal.shown.rpartition("\r ")
    assert "checking: " in before
    assert "checking" not in plan
    assert f"{ROWS:,}" in plan or json.loads(plan)["total"] == ROWS


def test_elsewhere_it_says_nothing(program: Program) -> None:
    program.write("m.yaml", MANY)
    done = program("plan", "m.yaml", "--json")
    assert (json.loads(done.stdout)["total"], done.stderr) == (ROWS, "")

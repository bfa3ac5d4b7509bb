from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from tests.acceptance.program import Program

ROOT = Path(__file__).parents[2]
MANIFESTS = sorted((ROOT / "jobs").glob("*.yaml"))


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.name)
def test_the_schema_fits_every_job(program: Program, path: Path) -> None:
    schema = json.loads(program("schema").stdout)
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(yaml.safe_load(path.read_text()), schema)


@pytest.mark.parametrize(
    "text",
    [
        "requests: []",
        "requests: [{promt: x}]",
        "requests: [{prompt: x, n: 11}]",
        "requests: [{prompt: x}]\nbase_url: https://x",
        "requests: [{prompt: x}]\nsettings: {concurency: 3}",
    ],
)
def test_the_schema_refuses_what_the_reader_refuses(
    program: Program, text: str
) -> None:
    schema = json.loads(program("schema").stdout)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(yaml.safe_load(text), schema)
    program.write("m.yaml", text)
    assert program("plan", "m.yaml").returncode == 2


def test_the_starter_plans_and_is_never_written_over(program: Program) -> None:
    assert program("init", "start.yaml").returncode == 0
    plan = program("plan", "start.yaml", "--json")
    assert json.loads(plan.stdout)["total"] == 5
    again = program("init", "start.yaml")
    assert again.returncode == 2
    assert "start.yaml" in again.stderr


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_gets_a_completion(program: Program, shell: str) -> None:
    done = program("completion", shell)
    assert done.returncode == 0
    assert "max-spend" in done.stdout or "max_spend" in done.stdout

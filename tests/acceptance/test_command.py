from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.acceptance.program import Gateway, Program, events, wait_until

ROOT = Path(__file__).parents[2]
JOBS = sorted(path for path in (ROOT / "jobs").iterdir() if path.is_file())
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
ONE = "requests: [{prompt: a red cube, name: cube}]\n"


def test_quickstart_leaves_images_and_a_ledger(program: Program) -> None:
    job = ROOT / "jobs" / "quickstart.yaml"
    done = program("run", job, "--endpoint", "sandbox", "--out", "out", "--json")
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert summary["succeeded"] == summary["total"] == 12
    assert len(list((program.folder / "out").glob("*/*.png"))) == 12


def test_every_contract_field_of_the_summary_is_there(program: Program) -> None:
    program.write("m.yaml", ONE)
    run = program("run", "m.yaml", "--endpoint", "sandbox", "--json")
    status = program("status", "runs/m", "--json")
    fields = {
        "total",
        "succeeded",
        "failed",
        "rejected",
        "unknown",
        "pending",
        "skipped",
        "images",
        "attempts",
        "spent_usd",
        "maybe_billed_usd",
        "errors",
        "warnings",
        "seconds",
        "out",
        "exit_code",
    }
    assert fields <= json.loads(run.stdout).keys()
    assert fields <= json.loads(status.stdout).keys()
    assert json.loads(run.stdout)["out"] == "runs/m"


def test_every_contract_field_of_the_plan_is_there(program: Program) -> None:
    program.write("m.yaml", ONE)
    plan = program("plan", "m.yaml", "--json")
    assert plan.returncode == 0
    fields = {
        "total",
        "new",
        "done",
        "failed",
        "rejected",
        "unknown",
        "changed",
        "orphaned",
        "duplicates",
        "images",
        "estimated_usd",
        "unpriced",
        "warnings",
    }
    assert fields <= json.loads(plan.stdout).keys()
    assert not (program.folder / "runs").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("run", "m.yaml"), "--endpoint sandbox"),
        (("run", "m.yaml", "--endpoint", "octopusx"), "OCTOPUSX_API_KEY"),
        (("run", "m.yaml", "--base-url", "http://127.0.0.1:9/v1"), "BATCHER_API_KEY"),
        (("run", "m.yaml", "--endpoint", "nowhere"), "nowhere"),
        (("run", "m.yaml", "--base-url", "ftp://x"), "http(s)"),
        (("run", "absent.yaml", "--endpoint", "sandbox"), "absent.yaml"),
        (("plan", "m.yaml", "--concurrency", "0"), "concurrency"),
        (("plan", "m.yaml", "--shard", "3"), "--shard"),
        (("plan", "m.yaml", "--sample", "x"), "--sample"),
        (("plan", "m.yaml", "--retry", "some"), "--retry"),
        (("plan", "m.yaml", "--set", "qualty=low"), "quality"),
        (("plan", "bad.yaml"), "bad.yaml:2"),
        (("status", "nowhere"), "ledger.jsonl"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_a_mistake_is_named_and_nothing_is_written(
    program: Program, arguments: tuple[str, ...], words: str
) -> None:
    program.write("m.yaml", ONE)
    program.write("bad.yaml", "requests:\n  - promt: x\n")
    before = sorted(program.folder.rglob("*"))
    done = program(*arguments)
    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert sorted(program.folder.rglob("*")) == before


def test_all_mistakes_are_reported_at_once(program: Program) -> None:
    program.write(
        "m.yaml",
        "settings: {concurency: 3}\n"
        "defaults: {size: 16:8}\n"
        "requests:\n"
        "  - prompt: '{{ city }}'\n"
        "  - prompt: x\n"
        "    image: absent.png\n"
        "  - promt: y\n",
    )
    done = program("plan", "m.yaml")
    assert done.returncode == 2
    for place in ("m.yaml:1:", "m.yaml:4:", "m.yaml:6:", "m.yaml:7:"):
        assert place in done.stderr
    assert "did you mean 'prompt'" in done.stderr


def test_a_changed_request_is_not_bought_without_consent(program: Program) -> None:
    program.write("m.yaml", ONE)
    assert program("run", "m.yaml", "--endpoint", "sandbox").returncode == 0
    program.write("m.yaml", ONE.replace("red", "blue"))
    refused = program("run", "m.yaml", "--endpoint", "sandbox")
    assert refused.returncode == 2
    assert "--accept-changes" in refused.stderr
    accepted = program("run", "m.yaml", "--endpoint", "sandbox", "--accept-changes")
    assert accepted.returncode == 0
    assert len(list((program.folder / "runs" / "m").glob("*.png"))) == 2


def test_a_row_for_another_needs_consent_and_the_plan_says_so(
    program: Program,
) -> None:
    rows = ["prompt", "a red cube", "a blue cube"]
    program.write("m.csv", "\n".join(rows))
    assert program("run", "m.csv", "--endpoint", "sandbox").returncode == 0
    program.write("m.csv", "\n".join([*rows[:2], "a green cube"]))
    told = "the manifest lacks 1 that the ledger has: going on would buy 1 new"
    planned = program("plan", "m.csv").stdout.splitlines()
    assert planned[-1] == f"{told}; `run` will ask for --accept-changes"
    refused = program("run", "m.csv", "--endpoint", "sandbox")
    assert refused.returncode == 2
    assert told in refused.stderr
    assert told not in program("plan", "m.csv", "--accept-changes").stdout


@pytest.mark.parametrize(
    ("prompts", "flags", "goes_on"),
    [
        (("moderation",), (), False),
        (("moderation",), ("--retry", "rejected"), True),
        (("moderation", "server"), (), True),
        (("moderation", "server"), ("--retry", "none"), False),
        (("moderation", "quota"), (), True),
    ],
)
def test_to_go_on_is_offered_where_there_is_something_to_do(
    program: Program, prompts: tuple[str, ...], flags: tuple[str, ...], *, goes_on: bool
) -> None:
    rows = [f"'x sandbox:{word}'" for word in prompts]
    text = "".join(f"  - {{prompt: {row}}}\n" for row in rows)
    program.write("m.yaml", f"requests:\n{text}")
    how = ("--endpoint", "sandbox", "--max-attempts", "1", "--concurrency", "1")
    done = program("run", "m.yaml", *how, *flags)
    *_, last = done.stdout.splitlines()
    assert last.startswith("to go on") is goes_on
    assert ("batcher run m.yaml" in last) is goes_on
    assert ("once that is mended" in last) is ("quota" in prompts)
    assert "insist with --retry rejected" in done.stdout


def test_the_way_on_after_a_forced_run_makes_nothing_anew(program: Program) -> None:
    program.write("m.yaml", ONE)
    how = ("--endpoint", "sandbox", "--max-attempts", "1")
    assert program("run", "m.yaml", *how).returncode == 0
    forced = ("--where", "status=succeeded", "--force")
    done = program("run", "m.yaml", *how, *forced, "--faults", "server")
    *_, last = done.stdout.splitlines()
    assert last.startswith("to go on without --force, which makes anew what is kept")
    assert "--force" not in last.rpartition(": ")[2]


def test_another_manifests_folder_is_refused(program: Program) -> None:
    program.write("m.yaml", ONE)
    program.write("other.yaml", ONE.replace("cube", "ball"))
    assert program("run", "m.yaml", "--endpoint", "sandbox").returncode == 0
    done = program("run", "other.yaml", "--endpoint", "sandbox", "--out", "runs/m")
    assert done.returncode == 2
    assert "m.yaml" in done.stderr


def test_a_locked_folder_is_refused(
    program: Program, start_gateway: Callable[..., Gateway]
) -> None:
    gateway = start_gateway("--latency", "60")
    program.write("m.yaml", ONE)
    command = ("run", "m.yaml", "--base-url", gateway.base_url)
    first = program.start(*command, BATCHER_API_KEY="sandbox")
    wait_until(lambda: len(gateway.posts()) == 1)
    second = program(*command, BATCHER_API_KEY="sandbox")
    first.kill()
    first.wait()
    assert second.returncode == 2
    assert "another run" in second.stderr
    assert "may have been billed" not in second.stderr


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder_is_refused(program: Program) -> None:
    program.write("m.yaml", ONE)
    (program.folder / "runs").mkdir(mode=0o500)
    done = program("run", "m.yaml", "--endpoint", "sandbox")
    assert done.returncode == 2
    assert "runs" in done.stderr


@pytest.mark.parametrize(
    ("prompt", "code", "error_class"),
    [
        ("sandbox:moderation", 1, "moderation"),
        ("sandbox:invalid_500", 1, "invalid"),
        ("sandbox:auth", 3, "auth"),
        ("sandbox:quota", 3, "quota"),
    ],
)
def test_the_exit_code_says_how_it_ended(
    program: Program, prompt: str, code: int, error_class: str
) -> None:
    program.write("m.yaml", f"requests: [{{prompt: 'x {prompt}'}}]\n")
    done = program("run", "m.yaml", "--endpoint", "sandbox", "--json")
    summary = json.loads(done.stdout)
    assert done.returncode == summary["exit_code"] == code
    if code == 3:
        assert summary["stopped"]["class"] == error_class
        assert summary["pending"] == 1
    else:
        assert summary["errors"] == {error_class: 1}
        assert summary["rejected"] == 1


def test_a_budget_is_never_passed(program: Program) -> None:
    program.write(
        "batcher.toml",
        "[endpoints.sandbox]\nprices = {'*' = 0.05}\n",
    )
    program.write(
        "m.yaml",
        "requests: [{prompt: 'n {{ i }}', matrix: {i: {range: [1, 60]}}}]\n",
    )
    command = ("run", "m.yaml", "--endpoint", "sandbox", "--concurrency", "32")
    done = program(*command, "--max-spend", "1.00", "--json")
    summary = json.loads(done.stdout)
    assert done.returncode == 3
    assert summary["stopped"]["class"] == "spend"
    assert summary["succeeded"] == 20
    assert len(events(program.folder / "runs" / "m", "attempt")) == 20
    again = program(*command, "--max-spend", "1.00", "--json")
    assert json.loads(again.stdout)["attempts"] == 20


def test_the_key_is_nowhere_but_in_the_header(
    program: Program, start_gateway: Callable[..., Gateway]
) -> None:
    key = "sk-very-secret-key-0123456789"
    gateway = start_gateway("--key", "another")
    program.write("m.yaml", ONE)
    command = ("run", "m.yaml", "--base-url", gateway.base_url)
    done = program(*command, BATCHER_API_KEY=key)
    assert done.returncode == 3
    assert key not in done.stdout + done.stderr
    for path in program.folder.rglob("*"):
        if path.is_file():
            assert key.encode() not in path.read_bytes()


@pytest.mark.parametrize("job", JOBS, ids=lambda path: path.name)
def test_every_job_runs(program: Program, job: Path) -> None:
    done = program("plan", job, "--json")
    assert done.returncode == 0, done.stderr
    first = program("run", job, "--endpoint", "sandbox", "--out", "out", "--first", "6")
    assert first.returncode == 0, first.stderr


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_every_example_runs(program: Program, example: Path) -> None:
    done = subprocess.run(
        [sys.executable, example],
        cwd=program.folder,
        env=program.environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_the_readme_runs_what_the_gate_runs() -> None:
    readme = (ROOT / "README.md").read_text()
    blocks = re.findall(r"```sh\n(.*?)\n```", readme, re.DOTALL)
    assert "batcher run jobs/quickstart.yaml --endpoint sandbox" in blocks[0]
    assert blocks[1].endswith("-m pytest")
    assert "<!-- tests -->" in (ROOT / ".ci" / "run").read_text()


def test_help_names_every_command(program: Program) -> None:
    done = program("--help")
    assert done.returncode == 0
    for command in ("run", "plan", "status", "sandbox"):
        assert f"\n    {command}" in done.stdout
        assert program(command, "--help").returncode == 0


def test_a_table_without_rows_is_a_mistake(program: Program) -> None:
    program.write("empty.csv", "prompt\n")
    done = program("run", "empty.csv", "--endpoint", "sandbox")
    assert done.returncode == 2
    assert "empty.csv: asks for nothing" in done.stderr
    assert not (program.folder / "runs").exists()


def test_warnings_are_of_the_requests_that_are_asked_for(program: Program) -> None:
    program.write(
        "m.yaml",
        "defaults: {size: 256x256}\n"
        "requests: [{prompt: 'n {{ i }}', matrix: {i: {range: [1, 9]}}}]\n",
    )
    plan = json.loads(program("plan", "m.yaml", "--first", "2", "--json").stdout)
    assert plan["total"] == 2
    assert plan["warnings"]["unlisted_size"] == 2


def test_a_selection_that_finds_nothing_says_so(program: Program) -> None:
    program.write("m.yaml", ONE)
    done = program("plan", "m.yaml", "--where", "typo=5")
    assert done.returncode == 0
    assert "selects none of the requests" in done.stderr


def test_the_status_says_why_the_run_stopped(program: Program) -> None:
    program.write("m.yaml", "requests: [{prompt: 'x sandbox:quota'}]\n")
    run = program("run", "m.yaml", "--endpoint", "sandbox", "--json")
    status = program("status", "runs/m", "--json")
    assert json.loads(status.stdout)["stopped"] == json.loads(run.stdout)["stopped"]

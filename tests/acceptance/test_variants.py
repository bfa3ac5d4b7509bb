"""Variants drawn, manifests from a pipe, several at once, again on purpose, twice."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.acceptance.program import BATCHER, SECONDS, Program, events

SANDBOX = ("--endpoint", "sandbox")
SIZE = "defaults: {size: 64x64}\n"
TWO = SIZE + "requests: [{name: fox, prompt: a fox}, {name: hen, prompt: a hen}]"


def piped(
    program: Program, text: str, *arguments: str
) -> subprocess.CompletedProcess[str]:
    """Run a command with something on its standard input."""
    return subprocess.run(
        [*BATCHER, *arguments],
        cwd=program.folder,
        env=program.environment,
        input=text,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


def run(program: Program, *arguments: str) -> dict[str, object]:
    done = program("run", *arguments, *SANDBOX, "--json")
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert isinstance(summary, dict)
    return summary


def last_paths(folder: Path) -> dict[object, object]:
    """Path of each request's image, as the last line of it says."""
    return {
        line["name"]: line["images"][0]["path"]  # type: ignore[index]  # JSON
        for line in events(folder, "result")
    }


def test_a_plan_shows_the_prompts_as_drawn_and_a_second_run_sends_nothing(
    program: Program,
) -> None:
    program.write("beasts.txt", "fox\nhen\ncow\n")
    prompt = "{{ pick('red', 'green') }} {{ wildcard('beasts.txt') }}"
    text = f'{SIZE}seed: 7\nrequests: [{{prompt: "{prompt}", samples: 5}}]'
    program.write("m.yaml", text)
    shown = program("plan", "m.yaml", "--requests").stdout.splitlines()
    planned = {json.loads(line)["request"]["prompt"] for line in shown}
    assert planned <= {
        f"{c} {b}" for c in ("red", "green") for b in ("fox", "hen", "cow")
    }
    run(program, "m.yaml", "--out", "out")
    sent = [line["request"] for line in events(program.folder / "out", "result")]
    assert {request["prompt"] for request in sent} == planned  # type: ignore[index]
    assert run(program, "m.yaml", "--out", "out")["skipped"] == 5


@pytest.mark.parametrize(
    ("text", "arguments"),
    [
        (TWO, ()),
        ("prompt\na fox\na hen\n", ()),
        ('{"prompt": "a fox"}\n{"prompt": "a hen"}\n', ()),
        ("prompt: it\na fox\na hen\n", ("--format", "csv")),
    ],
    ids=["yaml", "csv", "jsonl", "as told"],
)
def test_a_manifest_may_come_from_a_pipe(
    program: Program, text: str, arguments: tuple[str, ...]
) -> None:
    done = piped(program, text, "plan", "-", *arguments, "--json")
    if arguments:
        assert done.returncode == 2
        assert "-:1: prompt: the header has no column 'prompt'" in done.stderr
        return
    assert json.loads(done.stdout)["total"] == 2


def test_a_piped_manifest_runs_into_a_folder_and_finds_files_beside_it(
    program: Program,
) -> None:
    program.write("words.txt", "fox\nhen\n")
    text = SIZE + (
        'requests: [{prompt: "a {{ b }}", name: "{{ b }}", '
        "matrix: {b: {file: words.txt}}}]"
    )
    for _ in range(2):
        done = piped(program, text, "run", "-", *SANDBOX)
        assert done.returncode == 0, done.stderr
    out = program.folder / "runs" / "stdin"
    assert last_paths(out) == {"fox": "fox.png", "hen": "hen.png"}
    assert len(events(out, "result")) == 2


def test_mistakes_in_a_pipe_have_lines(program: Program) -> None:
    done = piped(program, "requests:\n  - promt: x\n", "plan", "-")
    assert done.returncode == 2
    assert "-:2: promt: unknown field" in done.stderr


def test_without_standard_input_there_is_no_manifest(program: Program) -> None:
    closed = ("sh", "-c", 'exec "$@" <&-', "sh", *BATCHER, "plan", "-")
    done = subprocess.run(
        closed,
        cwd=program.folder,
        env=program.environment,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 2
    assert "-: there is no standard input" in done.stderr


def test_a_format_without_a_pipe_is_refused(program: Program) -> None:
    program.write("m.yaml", TWO)
    done = program("plan", "m.yaml", "--format", "csv")
    assert done.returncode == 2
    assert "--format" in done.stderr


def test_several_manifests_share_one_folder(program: Program) -> None:
    program.write("m.yaml", TWO)
    program.write("rows.csv", "prompt,name,size\na cow,cow,64x64\n")
    summary = run(program, "m.yaml", "rows.csv", "--out", "out")
    assert (summary["total"], summary["images"]) == (3, 3)
    assert set(last_paths(program.folder / "out")) == {"fox", "hen", "cow"}


def test_proxies_of_the_environment_are_not_used(program: Program) -> None:
    program.write("m.yaml", TWO)
    nobody = "http://127.0.0.1:9"
    names = ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY")
    done = program("run", "m.yaml", *SANDBOX, **dict.fromkeys(names, nobody))
    assert done.returncode == 0, done.stderr


def test_manifests_in_another_order_do_not_begin_anew(program: Program) -> None:
    program.write("m.yaml", TWO)
    program.write("rows.csv", "prompt,name,size\na cow,cow,64x64\n")
    assert run(program, "m.yaml", "rows.csv")["out"] == "runs/m"
    swapped = program("run", "rows.csv", "m.yaml", "--endpoint", "sandbox")
    assert swapped.returncode == 2
    assert "'runs/m'" in swapped.stderr
    assert "--out" in swapped.stderr


def test_names_that_clash_across_manifests_are_told_with_both_places(
    program: Program,
) -> None:
    program.write("m.yaml", TWO)
    program.write("rows.csv", "prompt,name\na red cow,Fox\n")
    done = program("plan", "m.yaml", "rows.csv")
    assert done.returncode == 2
    assert "rows.csv:2: output: 'Fox' is also the file of m.yaml:2" in done.stderr


def test_force_makes_the_chosen_anew_and_leaves_the_old_file(program: Program) -> None:
    program.write("m.yaml", TWO)
    again = ("m.yaml", "--out", "out", "--force", "--where", "name=fox")
    run(program, "m.yaml", "--out", "out")
    out = program.folder / "out"
    old = (out / "fox.png").read_bytes()
    plan = json.loads(program("plan", *again, "--json").stdout)
    assert (plan["to_send"], plan["new"], plan["total"]) == (1, 1, 1)
    assert run(program, *again)["succeeded"] == 1
    assert last_paths(out) == {"fox": "fox~2.png", "hen": "hen.png"}
    assert (out / "fox.png").read_bytes() == old
    assert (out / "fox~2.png").exists()
    assert "= 2 match" in program("verify", "out").stdout
    assert "+ 0 orphan" in program("verify", "out").stdout
    assert run(program, "m.yaml", "--out", "out")["skipped"] == 2
    run(program, *again)
    assert last_paths(out)["fox"] == "fox~3.png"


def test_a_forced_attempt_that_was_interrupted_is_made_again_and_counted(
    program: Program,
) -> None:
    program.write("m.yaml", TWO)
    run(program, "m.yaml", "--out", "out")
    ledger = program.folder / "out" / "ledger.jsonl"
    fox = next(e for e in events(ledger.parent, "attempt") if e["name"] == "fox")
    with ledger.open("a") as stream:
        stream.write(json.dumps({**fox, "attempt": 2, "reserved_usd": 0.5}) + "\n")
    again = ("m.yaml", "--out", "out", "--force", "--where", "name=fox")
    summary = run(program, *again)
    assert last_paths(ledger.parent)["fox"] == "fox~2.png"
    assert summary["maybe_billed_usd"] == 0.5


def test_a_forced_run_that_is_stopped_leaves_the_rest_kept(program: Program) -> None:
    program.write("m.yaml", TWO)
    run(program, "m.yaml", "--out", "out")
    again = (
        "m.yaml",
        "--out",
        "out",
        *SANDBOX,
        "--force",
        "--where",
        "status=succeeded",
    )
    stopped = program("run", *again, "--max-images", "1", "--json")
    assert stopped.returncode == 3, stopped.stderr
    assert len(events(program.folder / "out", "result")) == 3
    status = json.loads(program("status", "out", "--json").stdout)
    assert (status["succeeded"], status["images"]) == (2, 2)
    assert run(program, "m.yaml", "--out", "out")["skipped"] == 2


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--force",), "--force needs --where"),
    ],
)
def test_force_is_refused_where_it_would_buy_too_much(
    program: Program, flags: tuple[str, ...], words: str
) -> None:
    program.write("m.yaml", TWO)
    done = program("run", "m.yaml", *SANDBOX, *flags)
    assert done.returncode == 2
    assert words in done.stderr


def test_rows_that_repeat_others_are_named_and_bought_once(program: Program) -> None:
    program.write("m.csv", "prompt,size\na fox,64x64\na hen,64x64\na fox,64x64\n")
    done = program("plan", "m.csv", "--json")
    plan = json.loads(done.stdout)
    assert (plan["total"], plan["duplicates"]) == (2, 1)
    assert "m.csv:4: asks for the same as m.csv:2; bought once" in done.stderr


def test_each_of_them_is_bought_where_that_is_wanted(program: Program) -> None:
    rows = "prompt,size\na fox,64x64\na fox,64x64\n"
    program.write("m.csv", rows)
    each = ("m.csv", "--out", "out", "--duplicates", "each")
    done = program("plan", *each, "--json")
    assert json.loads(done.stdout)["total"] == 2
    assert "same" not in done.stderr
    assert run(program, *each)["images"] == 2
    program.write("m.csv", rows + "a hen,64x64\na fox,64x64\n")
    assert run(program, *each)["skipped"] == 2
    assert len(events(program.folder / "out", "result")) == 4


def test_a_manifest_may_ask_for_each(program: Program) -> None:
    text = "settings: {duplicates: each}\nrequests: [{prompt: a}, {prompt: a}]"
    program.write("m.yaml", text)
    assert json.loads(program("plan", "m.yaml", "--json").stdout)["total"] == 2

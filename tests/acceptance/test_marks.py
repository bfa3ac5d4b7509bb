from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from batcher.plural import counted
from tests.acceptance.program import Program, events

NAMES = ("fox", "hen", "owl")
MANIFEST = "requests:\n" + "".join(
    f'  - {{name: {name}, prompt: "A {name}"}}\n' for name in NAMES
)


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of three images, and marks: `fox` is picked, `hen` rejected."""
    program = Program(tmp_path_factory.mktemp("kept"))
    program.write("m.yaml", MANIFEST)
    done = program("run", "m.yaml", "--endpoint", "sandbox", "--out", "out", "--json")
    assert done.returncode == 0, done.stderr
    ids = {
        line["name"]: line["id"] for line in events(program.folder / "out", "result")
    }
    rows = f"{ids['fox']},fox,pick\r\n{ids['hen']},hen,reject\r\n"
    program.write("marks.csv", f"id,name,mark\r\n{rows}")
    program.write("refused.csv", f"id,name,mark\r\n{ids['hen']},hen,reject\r\n")
    return program.folder


@pytest.fixture
def marked(program: Program, kept: Path) -> Program:
    shutil.copytree(kept, program.folder, dirs_exist_ok=True)
    return program


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--marks", "marks.csv"], "fox"),
        (["--where", "marks.csv"], "fox"),
        (["--where", "@marks.csv"], "fox"),
        (["--where", "refused.csv"], "fox owl"),
        (["--where", "mark=reject", "--marks", "marks.csv"], "hen"),
        (["--where", "mark!=reject", "--marks", "marks.csv"], "fox owl"),
        (["--where", "name=hen", "--marks", "marks.csv"], ""),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_marks_select_alike_everywhere(
    marked: Program, arguments: list[str], expected: str
) -> None:
    listed = marked("list", "out", *arguments, "--json").stdout.splitlines()
    assert " ".join(sorted(json.loads(line)["name"] for line in listed)) == expected
    planned = marked("plan", "m.yaml", "--out", "out", *arguments, "--json")
    number = len(expected.split())
    assert json.loads(planned.stdout)["total"] == number
    checked = marked("verify", "out", *arguments)
    assert checked.stdout.startswith(f"= {number} match")
    written = marked("report", "out", *arguments)
    assert written.stdout.startswith(counted(number, "request"))
    data = (marked.folder / "out/report/data.js").read_text()
    assert " ".join(name for name in NAMES if f'"{name}.png"' in data) == expected
    exported = marked("export", "out", "--format", "csv", *arguments)
    assert exported.stdout.startswith(counted(number, "image"))


def test_the_rejected_are_made_anew_and_only_they(marked: Program) -> None:
    again = ("--force", "--where", "mark=reject", "--marks", "marks.csv")
    flags = ("--endpoint", "sandbox", "--out", "out", "--json")
    done = marked("run", "m.yaml", *flags, *again)
    assert done.returncode == 0, done.stderr
    made = [line["name"] for line in events(marked.folder / "out", "result")]
    assert made[3:] == ["hen"]


def test_a_mark_is_a_column_to_list_and_to_sort_by(marked: Program) -> None:
    arguments = ("--marks", "marks.csv", "--where", "mark~*", "--fields", "mark,name")
    shown = marked("list", "out", *arguments, "--sort=-mark").stdout
    assert [line.split() for line in shown.splitlines()] == [
        ["mark", "name"],
        ["reject", "hen"],
        ["pick", "fox"],
    ]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--where", "mark=pick"], "needs --marks FILE.csv"),
        (["--where", "mark=x", "--marks", "marks.csv"], "column 6: expected a mark"),
        (["--where", "none.csv"], "cannot read 'none.csv'"),
        (["--where", "marks.csv", "--marks", "marks.csv"], "leave one out"),
        (["--marks", "wrong.csv"], "wrong.csv:3: mark: expected 'pick' or 'reject'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
@pytest.mark.parametrize(
    "command",
    ["list out", "verify out", "report out", "export out --format csv", "plan m.yaml"],
)
def test_a_mistake_is_named_and_nothing_is_written(
    marked: Program, command: str, arguments: list[str], words: str
) -> None:
    marked.write("wrong.csv", "id,name,mark\na,,pick\nb,,maybe\n")
    before = sorted(marked.folder.rglob("*"))
    done = marked(*command.split(), *arguments)
    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert sorted(marked.folder.rglob("*")) == before

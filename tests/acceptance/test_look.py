from __future__ import annotations

import json
import os
import pty
import shutil
import subprocess
from pathlib import Path

import pytest

from batcher.images import embedding, spliced
from batcher.record import ODD_LINE
from tests.acceptance.program import BATCHER, Program, events

MANIFEST = """
output: "{{ name }}"
requests:
  - name: "{{ city }}-{{ light }}"
    prompt: A poster of {{ city }} at {{ light }}
    size: 16:9
    matrix: {city: [Tokyo, 東京], light: [dawn, dusk]}
  - {name: refused, prompt: "sandbox:moderation"}
  - {name: small, prompt: "x sandbox:wrong_size", size: 1:1}
  - {name: twice, prompt: "x sandbox:server*1"}
"""
ESCAPES = "\\e[31mred\\e]0;title\\a\\n\\u202e"


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run in it, made once."""
    program = Program(tmp_path_factory.mktemp("kept"))
    program.write("m.yaml", MANIFEST)
    done = program("run", "m.yaml", "--endpoint", "sandbox", "--quiet")
    assert done.returncode == 1, done.stderr
    return program.folder


@pytest.fixture
def look(program: Program, kept: Path) -> Program:
    """A command line in a copy of that folder."""
    for name in ("m.yaml", "runs"):
        source, target = kept / name, program.folder / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, target)
    return program


def names(program: Program, *arguments: str) -> list[str]:
    done = program("list", "runs/m", "--json", *arguments)
    assert done.returncode == 0, done.stderr
    return [json.loads(line)["name"] for line in done.stdout.splitlines()]


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("status=rejected", ["refused"]),
        ("city=Tokyo and light=dawn", ["Tokyo-dawn"]),
        ("name~東京-*", ["東京-dawn", "東京-dusk"]),
        ("size=16:9 and not city=東京", ["Tokyo-dawn", "Tokyo-dusk"]),
        ("warnings=size_mismatch", ["small"]),
        ("attempts>1", ["twice"]),
        ("class=moderation and since=1h", ["refused"]),
        ("path=twice.png or name=small", ["small", "twice"]),
        ("status=failed", []),
    ],
)
def test_list_selects(look: Program, where: str, expected: list[str]) -> None:
    assert sorted(names(look, "--where", where)) == expected


def test_a_file_that_is_gone_or_changed_is_lost_wherever_one_looks(
    look: Program,
) -> None:
    folder = look.folder / "runs/m"
    (folder / "small.png").unlink()
    (folder / "twice.png").write_bytes(b"other")
    assert sorted(names(look, "--where", "status=lost")) == ["small", "twice"]
    assert "status    lost" in look("show", "runs/m", "twice").stdout
    status = json.loads(look("status", "runs/m", "--json").stdout)
    assert (status["succeeded"], status["lost"], status["pending"]) == (4, 2, 2)
    assert look("report", "runs/m", "--where", "status=lost").stdout.startswith("2 ")
    run = ("m.yaml", "--endpoint", "sandbox")
    plan = json.loads(look("plan", *run, "--json").stdout)
    assert (plan["new"], plan["lost"], plan["to_send"]) == (2, 2, 2)
    assert "never made" not in look("plan", *run).stdout
    again = look("run", *run, "--quiet")
    assert "files of 2 requests bought before are gone or changed" in again.stderr
    assert not names(look, "--where", "status=lost")


@pytest.mark.parametrize(
    "command", ["list", "verify", "report", "export --format csv", "plan m.yaml"]
)
def test_a_selection_of_nothing_is_told_everywhere(look: Program, command: str) -> None:
    words = command.split()
    place = [] if len(words) > 1 and "m.yaml" in words else ["runs/m"]
    done = look(*words, *place, "--where", "ctiy=Tokyo")
    assert done.returncode == 0
    assert "--where: selects none of the requests" in done.stderr
    found = look(*words, *place, "--where", "city=Tokyo")
    assert "selects none" not in found.stderr


def test_list_names_a_field_that_is_a_slip(look: Program) -> None:
    done = look("list", "runs/m", "--fields", "name,stats", "--sort=-atempts")
    assert done.returncode == 0
    none = "no request listed has a field"
    assert done.stderr.splitlines() == [
        f"warning: --fields: {none} 'stats'; did you mean 'status'?",
        f"warning: --sort: {none} 'atempts'; did you mean 'attempts'?",
    ]
    right = look("list", "runs/m", "--fields", "vars.city,class", "--sort", "light")
    assert not right.stderr


def test_list_sorts_and_gives_the_fields_asked_for(look: Program) -> None:
    assert names(look, "--sort=-attempts", "--fields", "name,attempts")[0] == "twice"
    assert names(look, "--sort", "city", "--where", "light=dusk") == [
        "Tokyo-dusk",
        "東京-dusk",
    ]
    assert names(look, "--sort=-cost")[-1] == "refused"
    done = look("list", "runs/m", "--where", "name=small", "--fields", "name, size")
    assert done.stdout == "name   size\nsmall  1024x1024\n"


def test_list_gives_programs_the_whole_result_line(look: Program) -> None:
    done = look("list", "runs/m", "--json")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert lines == events(look.folder / "runs/m", "result")


def test_list_names_requests_without_a_result(look: Program) -> None:
    ledger = look.folder / "runs/m/ledger.jsonl"
    with ledger.open("a") as stream:
        for number, id_ in enumerate(["aa" * 10, "bb" * 10]):
            line = {"event": "attempt", "at": "2026-01-01T00:00:00Z", "id": id_}
            stream.write(json.dumps(line | {"attempt": 1 + number}) + "\n")
    done = look("list", "runs/m", "--where", "status=unknown", "--json")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(line["id"][:2], line["attempts"]) for line in lines] == [
        ("aa", 1),
        ("bb", 2),
    ]
    assert "unknown" in look("show", "runs/m", "aaaa").stdout


def test_a_request_that_was_only_sent_is_found_by_its_name(look: Program) -> None:
    line = {"event": "attempt", "at": "2026-01-01T00:00:00Z", "id": "aa" * 10}
    with (look.folder / "runs/m/ledger.jsonl").open("a") as stream:
        stream.write(json.dumps(line | {"name": "heron", "attempt": 1}) + "\n")
    assert names(look, "--where", "name~her*") == ["heron"]
    assert look("show", "runs/m", "heron").stdout.startswith(f"heron {'aa' * 10}\n")
    assert "near: 'heron'" in look("show", "runs/m", "herons").stderr


@pytest.mark.parametrize("columns", ["20", "40", "80", "120"])
def test_a_table_fits_a_terminal_and_never_steers_it(
    program: Program, columns: str
) -> None:
    row = f'{{name: "東{"京" * 60}", prompt: "{ESCAPES}", user: "{ESCAPES}"}}'
    program.write("m.yaml", f'output: "x"\nrequests: [{row}]\n')
    assert program("run", "m.yaml", "--endpoint", "sandbox").returncode == 0
    shown = on_terminal(program, columns, "list", "runs/m", "--fields", "user,name,id")
    shown += on_terminal(program, columns, "show", "runs/m", "x.png")
    for line in shown.splitlines():
        assert line.isprintable()
        assert len(line) + sum(char in "東京" for char in line) <= int(columns)
    assert "…" in shown
    assert "red" in shown


def on_terminal(program: Program, columns: str, *arguments: str) -> str:
    """Run a command whose standard output is a terminal, and give what it shows."""
    screen, stdout = pty.openpty()
    subprocess.run(
        [*BATCHER, *arguments],
        cwd=program.folder,
        env=program.environment | {"COLUMNS": columns},
        stdout=stdout,
        check=True,
    )
    os.close(stdout)
    shown = b""
    try:
        while piece := os.read(screen, 1 << 16):
            shown += piece
    except OSError:  # Linux: all is read, and nobody is left to write
        pass
    os.close(screen)
    return shown.decode()


@pytest.mark.parametrize(
    "word", ["twice", "twice.png", "runs/m/twice.png", "./runs/m/../m/twice.png"]
)
def test_show_says_whence_an_image_came(look: Program, word: str) -> None:
    done = look("show", "runs/m", word)
    assert done.returncode == 0, done.stderr
    for words in (
        "sandbox:server*1",
        "succeeded after 2 attempts",
        "500",
        "to sandbox",
    ):
        assert words in done.stdout


def test_show_takes_ids_their_beginnings_and_absolute_paths(look: Program) -> None:
    line = look("list", "runs/m", "--where", "name=small", "--json").stdout
    id_ = json.loads(line)["id"]
    for word in (id_, id_[:8], look.folder / "runs/m/small.png"):
        shown = json.loads(look("show", "runs/m", word, "--json").stdout)
        assert shown["name"] == "small"
        assert [each["event"] for each in shown["history"]] == ["attempt", "result"]


def test_show_finds_what_a_forced_run_has_replaced(look: Program) -> None:
    forced = ("--endpoint", "sandbox", "--force", "--where", "name=twice")
    assert look("run", "m.yaml", *forced).returncode == 0
    done = look("show", "runs/m", "twice.png")
    assert done.returncode == 0, done.stderr
    assert "images    twice.png" in done.stdout
    assert "replaced  by twice~2.png" in done.stdout
    old = json.loads(look("show", "runs/m", "twice.png", "--json").stdout)
    assert old["images"][0]["path"] == "twice.png"
    assert old["replaced_by"] == ["twice~2.png"]
    new = json.loads(look("show", "runs/m", "twice", "--json").stdout)
    assert new["images"][0]["path"] == "twice~2.png"
    assert "replaced_by" not in new


def test_a_request_whose_line_is_odd_is_found_and_named_so(look: Program) -> None:
    ledger = look.folder / "runs/m/ledger.jsonl"
    ledger.write_text(ledger.read_text().replace('"sha256"', '"md5"'))
    for word in ("twice", "twice.png"):
        done = look("show", "runs/m", word)
        assert done.returncode == 0
        assert ODD_LINE in done.stdout
        assert "  images    twice.png" in done.stdout
    line = json.loads(look("show", "runs/m", "twice", "--json").stdout)
    assert line["images"][0]["path"] == "twice.png"
    assert not {"path", "bytes", "cost"} & line.keys()


def test_show_knows_a_copied_image_by_its_content(look: Program) -> None:
    shutil.copy(look.folder / "runs/m/twice.png", look.folder / "copy.png")
    assert look("show", "runs/m", "copy.png").stdout.startswith("twice ")


def stamp(program: Program, name: str, copy: str) -> Path:
    """Copy an image out of its run, and let the copy say whence it came."""
    folder = program.folder / "runs/m"
    (line,) = [each for each in events(folder, "result") if each["name"] == name]
    known = {key: line[key] for key in line if key not in ("vars", "images")}
    known["history"] = [{"event": "attempt", "at": line["at"], "attempt": 1}]
    data = (folder / f"{name}.png").read_bytes()
    splices = embedding([data], {"software": "batcher 1.2.3", **known})
    assert isinstance(splices, tuple)
    path = program.folder / copy
    path.write_bytes(b"".join(spliced([data], splices)))
    return path


@pytest.mark.parametrize("where", [(), ("runs/m",)], ids=["alone", "with a run"])
def test_show_reads_an_image_that_no_ledger_knows(
    look: Program, where: tuple[str, ...]
) -> None:
    path = stamp(look, "twice", "moved.png")
    shown = look("show", *where, path)
    assert shown.returncode == 0, shown.stderr
    for words in ("twice ", "sandbox:server*1", "after 2 attempts", "moved.png  png"):
        assert words in shown.stdout
    told = json.loads(look("show", *where, path, "--json").stdout)
    assert told["software"] == "batcher 1.2.3"
    assert [each["event"] for each in told["history"]] == ["attempt"]


@pytest.mark.parametrize(
    ("word", "words"),
    [
        ("m.yaml", "is no image that says whence it came"),
        ("runs/m/twice.png", "is no image that says whence it came"),
        ("runs/m", "is a folder; name also an ID"),
        ("nowhere", "is not there"),
    ],
    ids=["text", "image", "folder", "nothing"],
)
def test_show_says_that_a_file_says_nothing(
    look: Program, word: str, words: str
) -> None:
    done = look("show", word)
    assert done.returncode == 2
    assert f"{word!r} {words}" in done.stderr


@pytest.mark.parametrize(
    ("word", "words"),
    [
        ("twicee", "near: 'twice'"),
        ("nothing like it", "batcher list"),
        ("m.yaml", "is no image"),
        ("ab", "holds no id"),
    ],
)
def test_show_says_what_it_cannot_find(look: Program, word: str, words: str) -> None:
    done = look("show", "runs/m", word)
    assert done.returncode == 2
    assert words in done.stderr


def test_show_does_not_choose_between_two(look: Program) -> None:
    look.write("m.yaml", MANIFEST.replace("x sandbox:server*1", "another"))
    assert look("run", "m.yaml", "--endpoint", "sandbox", "--accept-changes")
    done = look("show", "runs/m", "twice")
    assert done.returncode == 2
    assert done.stderr.count("succeeded (twice)") == 2


def test_verify_finds_nothing_wrong_with_what_was_kept(look: Program) -> None:
    done = look("verify", "runs/m", "--deep")
    assert (done.returncode, done.stdout.splitlines()) == (
        0,
        ["= 6 match   ! 0 corrupt   - 0 missing   + 0 orphan   ? 0 unreadable"],
    )
    assert "= small.png" in look("verify", "runs/m", "--all").stdout


def harm(folder: Path) -> None:
    file = folder / "twice.png"
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    (folder / "small.png").unlink()
    (folder / "stray.png").write_bytes(b"?")


def test_verify_names_what_is_wrong(look: Program) -> None:
    harm(look.folder / "runs/m")
    done = look("verify", "runs/m", "--deep")
    assert done.returncode == 1
    marks = [line[:11] for line in done.stdout.splitlines()]
    assert marks[:3] == ["- small.png", "! twice.png", "+ stray.png"]
    counted = json.loads(look("verify", "runs/m", "--json").stdout)
    assert (counted["match"], counted["missing"], counted["orphan"]) == (5, 1, 1)
    assert [each["mark"] for each in counted["findings"]] == ["-", "+"]
    only = look("verify", "runs/m", "--deep", "--where", "city=Tokyo")
    assert only.returncode == 0


def test_requeued_images_are_made_again_and_only_they(look: Program) -> None:
    folder = look.folder / "runs/m"
    harm(folder)
    assert look("verify", "runs/m", "--deep", "--requeue").returncode == 1
    assert (folder / "twice~corrupt.png").exists()
    assert sorted(names(look, "--where", "status=pending")) == ["small", "twice"]
    before = len(events(folder, "attempt"))
    look("run", "m.yaml", "--endpoint", "sandbox", "--quiet")
    # `twice` meets its fault once more, for this is another sandbox.
    assert len(events(folder, "attempt")) == before + 3
    assert look("verify", "runs/m", "--deep", "--delete-orphans").returncode == 1
    assert not (folder / "stray.png").exists()
    assert look("verify", "runs/m", "--deep").returncode == 0


@pytest.mark.parametrize("command", ["list", "show", "verify"])
def test_looking_writes_nothing(look: Program, command: str) -> None:
    before = {path: path.stat() for path in look.folder.rglob("*")}
    look(command, "runs/m", *(["twice"] if command == "show" else []))
    assert {
        path: path.stat() for path in look.folder.rglob("*")
    }.keys() == before.keys()
    ledger = look.folder / "runs/m/ledger.jsonl"
    assert ledger.stat().st_mtime_ns == before[ledger].st_mtime_ns


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("list", "nowhere"), "ledger.jsonl"),
        (("list", "runs/m", "--where", "status=faild"), "column 8"),
        (("list", "runs/m", "--fields", ","), "--fields"),
        (("verify", "nowhere", "--requeue"), "ledger.jsonl"),
        (("verify", "runs/m", "--where", "a="), "column 3"),
        (("verify", "runs/m", "--where", "a=1", "--delete-orphans"), "leave --where"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_a_mistake_is_named(
    look: Program, arguments: tuple[str, ...], words: str
) -> None:
    done = look(*arguments)
    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert not (look.folder / "nowhere").exists()


def test_orphans_are_not_deleted_while_a_line_is_damaged(look: Program) -> None:
    ledger = look.folder / "runs/m/ledger.jsonl"
    ledger.write_bytes(ledger.read_bytes().replace(b'"event":"result"', b'"event', 1))
    done = look("verify", "runs/m", "--delete-orphans")
    assert done.returncode == 2
    assert "damaged" in done.stderr
    assert len(list((look.folder / "runs/m").glob("*.png"))) == 6


def test_run_and_plan_select_before_anything_is_sent(program: Program) -> None:
    program.write("m.yaml", MANIFEST)
    where = ("--where", "size=16:9 and not city=Tokyo and status=new")
    plan = json.loads(program("plan", "m.yaml", *where, "--json").stdout)
    assert (plan["total"], plan["new"], plan["images"]) == (2, 2, 2)
    one = program("run", "m.yaml", "--endpoint", "sandbox", *where, "--first", "1")
    assert one.returncode == 0, one.stderr
    folder = program.folder / "runs/m"
    assert [line["name"] for line in events(folder, "result")] == ["東京-dawn"]
    rest = program("run", "m.yaml", "--endpoint", "sandbox", *where, "--sample", "100%")
    assert rest.returncode == 0, rest.stderr
    assert [line["name"] for line in events(folder, "result")] == [
        "東京-dawn",
        "東京-dusk",
    ]


def test_a_run_that_selects_nothing_sends_nothing(program: Program) -> None:
    program.write("m.yaml", MANIFEST)
    flags = ("--endpoint", "sandbox", "--where", "status=failed", "--json")
    done = program("run", "m.yaml", *flags)
    assert (done.returncode, json.loads(done.stdout)["attempts"]) == (0, 0)
    wrong = program("plan", "m.yaml", "--where", "city==Tokyo")
    assert wrong.returncode == 2
    assert wrong.stderr.splitlines()[-1].endswith("^")

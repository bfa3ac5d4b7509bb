from __future__ import annotations

import csv
import os
import shutil
import signal
import tarfile
from pathlib import Path

import pytest

from batcher.cli.export import FORMATS
from batcher.exports import Format
from tests.acceptance.program import Program, events, read_lines, wait_until

MANIFEST = """
output: "{{ city }}/{{ name }}"
vars: {city: "@x"}
requests:
  - name: "{{ city }}-{{ light }}-{{ number }}"
    prompt: A poster of {{ city }} at {{ light }}, no. {{ number }}
    size: 16:9
    matrix:
      city: [Tokyo, 東京]
      light: [dawn, dusk]
      number: {range: [1, 5]}
  - {name: refused, prompt: "sandbox:moderation"}
  - {name: "=cmd()", prompt: "=HYPERLINK(1)", size: 1:1}
"""
KEPT = 21
COLUMNS = (
    *("id", "name", "file_name", "text", "revised_prompt", "model", "size"),
    *("quality", "width", "height", "sha256", "city", "light", "number"),
)


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run in it, made once."""
    program = Program(tmp_path_factory.mktemp("kept"))
    program.write("m.yaml", MANIFEST)
    done = program("run", "m.yaml", "--endpoint", "sandbox", "--quiet")
    assert done.returncode == 1, done.stderr
    return program.folder


@pytest.fixture
def exported(program: Program, kept: Path) -> Program:
    """A command line in a copy of that folder."""
    shutil.copytree(kept / "runs", program.folder / "runs")
    return program


def export(program: Program, format_: str, *arguments: str | Path) -> str:
    done = program("export", "runs/m", "--format", format_, *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def content(folder: Path) -> dict[str, bytes]:
    """Give every file but the lock."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != ".export.lock"
    }


def read_table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def results(program: Program) -> list[dict[str, object]]:
    lines = events(program.folder / "runs/m", "result")
    return [line for line in lines if line["status"] == "succeeded"]


def test_the_command_knows_every_format() -> None:
    assert tuple(Format) == FORMATS


def test_an_imagefolder_links_images_beside_their_metadata(exported: Program) -> None:
    printed = export(exported, "imagefolder")
    assert f"{KEPT} images in 1 file: train {KEPT}" in printed
    train = exported.folder / "runs/m/export/imagefolder/train"
    rows = read_lines(train / "metadata.jsonl")
    assert tuple(rows[0]) == COLUMNS
    assert {row["id"] for row in rows} == {line["id"] for line in results(exported)}
    for row in rows:
        assert (train / str(row["file_name"])).stat().st_nlink == 2
    assert len([*train.iterdir()]) == KEPT + 1


def test_a_copy_shares_nothing_with_the_run(exported: Program) -> None:
    export(exported, "imagefolder")
    export(exported, "imagefolder", "--copy")
    train = exported.folder / "runs/m/export/imagefolder/train"
    assert {path.stat().st_nlink for path in train.iterdir()} == {1}


def test_no_cell_of_a_csv_is_a_formula(exported: Program) -> None:
    export(exported, "csv", "--out", "table")
    rows = read_table(exported.folder / "table/train.csv")
    assert len(rows) == KEPT
    (hostile,) = [row for row in rows if row["name"] == "'=cmd()"]
    assert hostile["text"] == "'=HYPERLINK(1)"
    for row in rows:
        assert (exported.folder / "table" / row["file_name"]).is_file()
        assert not any(cell.startswith(("=", "+", "-", "@")) for cell in row.values())


def test_shards_hold_a_caption_and_a_row_for_each_image(exported: Program) -> None:
    export(exported, "webdataset", "--shard-size", "8", "--out", "shards")
    names = sorted(path.name for path in (exported.folder / "shards").glob("*.tar"))
    assert names == ["train-000000.tar", "train-000001.tar", "train-000002.tar"]
    with tarfile.open(exported.folder / "shards" / names[0]) as tar:
        members = tar.getnames()
    assert len(members) == 24
    assert [name.rpartition(".")[2] for name in members[:3]] == ["png", "txt", "json"]


def test_a_selection_and_marks_are_heeded(exported: Program) -> None:
    lines = [line for line in results(exported) if "Tokyo" in str(line["name"])]
    picked = "".join(f'{line["id"]},"{line["name"]}",pick\r\n' for line in lines[:3])
    rejected = "".join(f"{line['id']},x,reject\r\n" for line in lines[:3])
    marks = exported.write("p.csv", f"id,name,mark\r\n{picked}")
    assert "3 images" in export(exported, "csv", "--marks", marks)
    marks = exported.write("r.csv", f"id,name,mark\r\n{rejected}")
    where = ("--where", "city=Tokyo", "--marks", marks)
    assert f"{len(lines) - 3} images" in export(exported, "csv", *where)


def test_splits_are_by_id_and_lose_nothing(exported: Program) -> None:
    printed = export(exported, "csv", "--split", "train=2,test=1")
    folder = exported.folder / "runs/m/export/csv"
    ids = {
        name: {row["id"] for row in read_table(folder / f"{name}.csv")}
        for name in ("train", "test")
    }
    assert len(ids["train"]) + len(ids["test"]) == KEPT
    assert not ids["train"] & ids["test"]
    assert f"train {len(ids['train'])}, test {len(ids['test'])}" in printed


@pytest.mark.parametrize("format_", ["imagefolder", "webdataset", "csv"])
def test_what_is_not_as_it_was_kept_is_left_out(
    exported: Program, format_: str
) -> None:
    paths = [line["images"][0]["path"] for line in results(exported)]  # type: ignore[index]  # JSON
    run = exported.folder / "runs/m"
    (run / paths[0]).unlink()
    (run / paths[1]).write_bytes(b"x")
    spoilt = bytearray((run / paths[2]).read_bytes())
    spoilt[-20] ^= 1
    (run / paths[2]).write_bytes(spoilt)
    done = exported("export", "runs/m", "--format", format_)
    assert done.returncode == 1
    assert f"{KEPT - 3} images" in done.stdout
    assert "3 images left out" in done.stdout
    for path, words in zip(paths, ("is missing", "has 1 bytes", "holds other bytes")):  # noqa: B905 - the first three
        assert f"left out: {path}: {words}" in done.stderr
    assert not list((run / "export").rglob("*.part"))


def test_what_the_ledger_says_too_little_of_is_left_out(exported: Program) -> None:
    ledger = exported.folder / "runs/m/ledger.jsonl"
    ledger.write_text(ledger.read_text().replace('"sha256"', '"md5"'))
    done = exported("export", "runs/m", "--format", "csv")
    assert done.returncode == 1
    assert f"{KEPT} images left out" in done.stdout
    assert done.stderr.count("left out: ") == KEPT


@pytest.mark.parametrize("format_", ["imagefolder", "webdataset"])
def test_a_killed_export_ends_the_same(exported: Program, format_: str) -> None:
    size = ["--shard-size", "1"] if format_ == "webdataset" else ["--copy"]
    whole, torn = exported.folder / "whole", exported.folder / "torn"
    export(exported, format_, *size, "--out", whole)
    command = ("export", "runs/m", "--format", format_)
    process = exported.start(*command, *size, "--out", torn)
    wait_until(lambda: len([*torn.rglob("*.*")]) > 5 or process.poll() is not None)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    export(exported, format_, *size, "--out", torn)
    assert content(torn) == content(whole)


def test_a_second_export_keeps_the_shards_and_adds_to_them(exported: Program) -> None:
    size = ("--shard-size", "5", "--out", "shards")
    where = ("--where", "city=Tokyo")
    export(exported, "webdataset", *size, *where)
    shards = exported.folder / "shards"
    before = {path: path.stat().st_mtime_ns for path in shards.glob("*.tar")}
    assert len(before) == 2
    assert "2 of them kept" in export(exported, "webdataset", *size, *where)
    assert before == {path: path.stat().st_mtime_ns for path in shards.glob("*.tar")}
    export(exported, "webdataset", *size)
    assert len([*shards.glob("*.tar")]) == 5
    export(exported, "webdataset", *size, *where)
    assert len([*shards.glob("*.tar")]) == 2


def test_a_licence_that_was_filled_in_stays(exported: Program) -> None:
    export(exported, "csv")
    card = exported.folder / "runs/m/export/csv/README.md"
    assert "license:\n" in card.read_text()
    assert "m.yaml" in card.read_text()
    card.write_text(card.read_text().replace("license:", "license: cc-by-4.0", 1))
    export(exported, "csv")
    assert card.read_text().startswith("---\nlicense: cc-by-4.0\n")
    assert "fill in" not in card.read_text()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["csv", "--out", "full"], "is not an export"),
        (["csv", "--out", "shards"], "holds an export as webdataset"),
        (["csv", "--out", "runs/m/Tokyo/x"], "belongs into its folder 'export'"),
        (["csv", "--out", "runs/m"], "is not an export"),
        (["csv", "--shard-size", "5"], "is for parquet and webdataset, not for csv"),
        (["webdataset", "--copy"], "is for imagefolder"),
        (["webdataset", "--shard-size", "5 apples"], "such as 1000 or 500MB"),
        (["csv", "--split", "a=1,../b=1"], "got '../b=1'"),
        (["csv", "--split", "a=1,a=1"], "stands twice"),
        (["csv", "--split", "a=0"], "expected a weight above 0"),
        (["csv", "--marks", "none.csv"], "cannot read 'none.csv'"),
        (["csv", "--marks", "full/a.txt"], "expected the columns id and mark"),
        (["csv", "--where", "a=="], "where"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_cannot_be_done_is_said_before_anything_is_written(
    exported: Program, arguments: list[str], words: str
) -> None:
    exported.write("full/a.txt", "mine")
    export(exported, "webdataset", "--out", "shards")
    before = content(exported.folder)
    done = exported("export", "runs/m", "--format", *arguments)
    assert done.returncode == 2
    assert words in done.stderr
    assert content(exported.folder) == before
    assert "Traceback" not in done.stderr

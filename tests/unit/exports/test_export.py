from __future__ import annotations

import json
import os
import tarfile
import tracemalloc
from pathlib import Path

import msgspec
import pytest
from filelock import FileLock

from batcher.errors import StoreError, UsageError
from batcher.exports import Export, ExportOptions, Format, Listener, write_export
from batcher.exports.csv_file import tame
from batcher.exports.folder import JOURNAL, LOCK
from batcher.exports.shard import ShardSize
from batcher.exports.split import parse_splits
from batcher.ledger import read_ledger
from batcher.ledger.event import Result, encode
from batcher.marks import read_where
from batcher.record import NO_IMAGE, ODD_LINE
from tests.unit.reports.ledger import draw, kept, rejected, run_line, write_ledger

IMAGEFOLDER = ExportOptions(format=Format.IMAGEFOLDER)
WEBDATASET = ExportOptions(format=Format.WEBDATASET, shard_size=ShardSize(rows=2))


def export(folder: Path, options: ExportOptions) -> Export:
    return write_export(folder, read_ledger(folder).standings, options)


def make_run(folder: Path, number: int = 5) -> list[Result]:
    results = [kept(n, draw(folder, f"{n}.png", (8, 8)), n=n) for n in range(number)]
    write_ledger(folder, [run_line(number), *results, rejected(99)])
    return results


def files(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != LOCK
    }


def test_hostile_names_stay_in_the_folder(tmp_path: Path) -> None:
    run, out = tmp_path / "run", tmp_path / "out"
    (result, *_) = make_run(run, 1)
    hostile = [
        msgspec.structs.replace(result, id=id_, name=name, vars={"../x": "../y"})
        for id_, name in (
            ("../../id", "../../../etc/passwd"),
            ("/abs", "/abs/name"),
            ("a" * 300, "x" * 300),
            ("\0", "con\0"),
        )
    ]
    outside = msgspec.structs.replace(result.images[0], path="../../etc/passwd")
    hostile.append(msgspec.structs.replace(result, id="b", images=(outside,)))
    write_ledger(run, hostile)
    left: list[str] = []
    listener = Listener(on_left_out=lambda _row, words: left.append(words))
    for format_ in (Format.IMAGEFOLDER, Format.WEBDATASET, Format.CSV):
        options = ExportOptions(format=format_, out=out / format_)
        done = write_export(run, read_ledger(run).standings, options, listener=listener)
        assert done.splits == {"train": 4}
        assert left.pop() == "leaves the run directory"
    assert {path.name for path in tmp_path.iterdir()} == {"run", "out"}
    with tarfile.open(out / "webdataset/train-000000.tar") as tar:
        assert not [name for name in tar.getnames() if "/" in name or name[0] == "."]


def test_only_what_still_stands_is_exported(tmp_path: Path) -> None:
    first, *others = make_run(tmp_path)
    failed = msgspec.structs.replace(first, status="rejected")
    write_ledger(tmp_path, [run_line(5), first, *others, failed])
    assert export(tmp_path, IMAGEFOLDER).splits == {"train": 4}


def test_what_the_ledger_says_too_little_of_is_left_out(tmp_path: Path) -> None:
    first, second, *_ = make_run(tmp_path)
    ledger = tmp_path / "ledger.jsonl"
    digest = f'"sha256":"{first.images[0].sha256}",'
    ledger.write_text(ledger.read_text().replace(digest, ""))
    with ledger.open("ab") as stream:
        stream.write(encode(msgspec.structs.replace(second, images=())))
    left: list[tuple[str, str]] = []
    listener = Listener(on_left_out=lambda *each: left.append(each))
    standings = read_ledger(tmp_path).standings
    done = write_export(tmp_path, standings, IMAGEFOLDER, listener=listener)
    assert (done.splits, done.left_out) == ({"train": 3}, 2)
    assert dict(left) == {first.images[0].path: ODD_LINE, second.id: NO_IMAGE}
    chosen = msgspec.structs.replace(IMAGEFOLDER, where=read_where("n>1"))
    assert export(tmp_path, chosen).left_out == 0


def test_an_image_that_is_wanted_no_more_goes(tmp_path: Path) -> None:
    results = make_run(tmp_path)
    splits = msgspec.structs.replace(IMAGEFOLDER, splits=parse_splits("a=1,b=1"))
    assert sum(export(tmp_path, splits).splits.values()) == 5
    export(tmp_path, IMAGEFOLDER)
    out = tmp_path / "export/imagefolder"
    (out / "train/notes.txt").write_text("mine")
    write_ledger(tmp_path, [run_line(5), *results[:2]])
    export(tmp_path, IMAGEFOLDER)
    found = {name.partition("-")[0] for name in files(out)}
    assert found == {
        JOURNAL,
        "README.md",
        "train/cube",
        "train/metadata.jsonl",
        "train/notes.txt",
    }
    assert len(files(out)) == 6


def test_images_that_are_there_are_not_made_again(tmp_path: Path) -> None:
    make_run(tmp_path)
    copied = msgspec.structs.replace(IMAGEFOLDER, is_copy=True)
    export(tmp_path, copied)
    train = tmp_path / "export/imagefolder/train"
    before = {path: path.stat().st_ino for path in train.glob("*.png")}
    spoilt, *_ = before
    spoilt.write_bytes(bytes(spoilt.stat().st_size))
    (tmp_path / "export/imagefolder/train/.x.part").touch()
    export(tmp_path, copied)
    after = {path: path.stat().st_ino for path in train.glob("*.png")}
    assert before.keys() == after.keys()
    assert [path for path in before if before[path] != after[path]] == [spoilt]


def test_a_shard_with_an_image_left_out_is_made_again(tmp_path: Path) -> None:
    make_run(tmp_path)
    image = (tmp_path / "1.png").read_bytes()
    (tmp_path / "1.png").unlink()
    done = export(tmp_path, WEBDATASET)
    assert (done.splits, done.left_out, done.files) == ({"train": 4}, 1, 3)
    (tmp_path / "1.png").write_bytes(image)
    done = export(tmp_path, WEBDATASET)
    assert (done.splits, done.left_out, done.kept) == ({"train": 5}, 0, 2)


@pytest.mark.parametrize("harm", ["cut", "gone", "torn", "journal"])
def test_a_folder_that_was_harmed_is_mended(tmp_path: Path, harm: str) -> None:
    make_run(tmp_path)
    export(tmp_path, WEBDATASET)
    out = tmp_path / "export/webdataset"
    before = files(out)
    shard, journal = out / "train-000001.tar", out / JOURNAL
    if harm == "cut":
        shard.write_bytes(b"x")
    elif harm == "gone":
        shard.unlink()
    elif harm == "torn":
        journal.write_bytes(journal.read_bytes()[:-9])
    else:
        lines = journal.read_bytes().splitlines(keepends=True)
        journal.write_bytes(lines[0] + b"{}\n" + b"".join(lines[1:]))
    export(tmp_path, WEBDATASET)
    assert files(out) == before


def test_a_foreign_journal_removes_nothing_outside(tmp_path: Path) -> None:
    make_run(tmp_path / "run")
    (tmp_path / "mine.txt").write_text("mine")
    out = tmp_path / "out"
    out.mkdir()
    names = ["../mine.txt", str(tmp_path / "mine.txt"), ""]
    heading = {"export": 1, "format": "webdataset", "files": names}
    (out / JOURNAL).write_text(json.dumps(heading) + "\n")
    export(tmp_path / "run", msgspec.structs.replace(WEBDATASET, out=out))
    assert (tmp_path / "mine.txt").exists()


def test_a_journal_that_cannot_be_read_is_no_export(tmp_path: Path) -> None:
    make_run(tmp_path)
    out = tmp_path / "export/webdataset"
    out.mkdir(parents=True)
    for text in ("", "{}\n", "\xff"):
        (out / JOURNAL).write_text(text)
        with pytest.raises(UsageError, match="holds another export"):
            export(tmp_path, WEBDATASET)


def test_two_exports_to_one_folder_are_one_too_many(tmp_path: Path) -> None:
    make_run(tmp_path)
    out = tmp_path / "export/webdataset"
    out.mkdir(parents=True)
    with (
        FileLock(out / LOCK),
        pytest.raises(UsageError, match="another export"),
    ):
        export(tmp_path, WEBDATASET)


def test_a_disk_that_refuses_is_said_so(tmp_path: Path) -> None:
    make_run(tmp_path / "run")
    (tmp_path / "file").touch()
    options = msgspec.structs.replace(WEBDATASET, out=tmp_path / "file/out")
    with pytest.raises(StoreError, match="cannot write"):
        export(tmp_path / "run", options)


def test_an_empty_run_is_an_empty_export(tmp_path: Path) -> None:
    write_ledger(tmp_path, [run_line(1), rejected(1)])
    done = export(tmp_path, WEBDATASET)
    assert (done.splits, done.files) == ({"train": 0}, 0)
    assert "configs" not in (done.out / "README.md").read_text()


@pytest.mark.parametrize("cell", ["=1", "+1", "-1", "@x", "\tx", "\rx", "\n=x"])
def test_text_that_a_spreadsheet_could_run_is_tamed(cell: str) -> None:
    assert tame(cell) == f"'{cell}"
    assert tame(-1) == -1
    assert tame("a=1") == "a=1"


@pytest.mark.parametrize("format_", [Format.IMAGEFOLDER, Format.WEBDATASET, Format.CSV])
def test_memory_does_not_grow_with_the_images(tmp_path: Path, format_: Format) -> None:
    image = draw(tmp_path, "0.png", (8, 8))
    results = []
    for number in range(2000):
        if number:
            os.link(tmp_path / "0.png", tmp_path / f"{number}.png")
        linked = msgspec.structs.replace(image, path=f"{number}.png")
        results.append(kept(number, linked, prompt="a cube, " * 1000))
    peaks = []
    for number in (200, 2000):
        write_ledger(tmp_path, results[:number])
        standings = read_ledger(tmp_path).standings
        tracemalloc.start()
        options = ExportOptions(format=format_)
        done = write_export(tmp_path, standings, options)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert done.splits == {"train": number}
    # A few numbers and hashes for each request; a row is over 8000 bytes.
    assert peaks[1] - peaks[0] < 1800 * 2000


def test_an_export_of_images_is_not_replaced_by_one_of_none(tmp_path: Path) -> None:
    make_run(tmp_path)
    out = tmp_path / "export" / "imagefolder"
    export(tmp_path, IMAGEFOLDER)
    before = files(out)
    nothing = msgspec.structs.replace(IMAGEFOLDER, where=read_where("nope=1"))
    with pytest.raises(UsageError, match="holds an export with images"):
        export(tmp_path, nothing)
    assert files(out) == before
    elsewhere = msgspec.structs.replace(nothing, out=tmp_path / "export" / "none")
    for _ in range(2):
        assert export(tmp_path, elsewhere).splits == {"train": 0}

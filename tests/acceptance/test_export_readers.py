"""What the formats' own libraries make of an export."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
from pathlib import Path

import pytest

from tests.acceptance.program import Program, events

MANIFEST = """
requests:
  - name: "{{ city }}-{{ number }}"
    prompt: A poster of {{ city }}, no. {{ number }}
    matrix: {city: [Tokyo, 東京], number: {range: [1, 10]}}
  - {name: plain, prompt: A hero image, vars: {file_name: x, label: "1", text: y}}
"""
KEPT = 21
SPLIT = ("--split", "train=0.7,test=0.3")


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    program = Program(tmp_path_factory.mktemp("kept"))
    program.write("m.yaml", MANIFEST)
    done = program("run", "m.yaml", "--endpoint", "sandbox", "--quiet")
    assert done.returncode == 0, done.stderr
    return program.folder


@pytest.fixture
def exported(program: Program, kept: Path, monkeypatch: pytest.MonkeyPatch) -> Program:
    # These libraries read their settings when they are imported.
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(program.folder / "cache"))
    shutil.copytree(kept / "runs", program.folder / "runs")
    return program


def export(program: Program, format_: str, *arguments: str) -> Path:
    done = program("export", "runs/m", "--format", format_, "--out", "o", *arguments)
    assert done.returncode == 0, done.stderr
    return program.folder / "o"


def prompts(program: Program) -> set[str]:
    lines = events(program.folder / "runs/m", "result")
    return {line["request"]["prompt"] for line in lines}  # type: ignore[index]  # JSON


def digests(program: Program) -> set[str]:
    lines = events(program.folder / "runs/m", "result")
    return {line["images"][0]["sha256"] for line in lines}  # type: ignore[index]  # JSON


@pytest.mark.parametrize("format_", ["imagefolder", "parquet", "webdataset"])
@pytest.mark.parametrize("streaming", [False, True], ids=["read", "streamed"])
@pytest.mark.filterwarnings("ignore")
def test_datasets_reads_images_and_captions(
    exported: Program, format_: str, streaming: bool
) -> None:
    if format_ == "parquet":
        pytest.importorskip("pyarrow")
    datasets = pytest.importorskip("datasets")
    folder = export(exported, format_, *SPLIT)
    cache = str(exported.folder / "cache")
    loaded = datasets.load_dataset(str(folder), streaming=streaming, cache_dir=cache)
    assert set(loaded) == {"train", "test"}
    rows = [row for split in loaded.values() for row in split]
    assert len(rows) == KEPT
    field = "txt" if format_ == "webdataset" else "text"
    assert {row[field] for row in rows} == prompts(exported)
    image = "png" if format_ == "webdataset" else "image"
    sizes = {row[image].size for row in rows}
    assert all(width > 100 and height > 100 for width, height in sizes)


@pytest.mark.filterwarnings("ignore")
def test_datasets_reads_an_imagefolder_by_its_loader(exported: Program) -> None:
    datasets = pytest.importorskip("datasets")
    folder = export(exported, "imagefolder")
    cache = str(exported.folder / "cache")
    loaded = datasets.load_dataset("imagefolder", data_dir=folder, cache_dir=cache)
    assert len(loaded["train"]) == KEPT
    assert {row["text"] for row in loaded["train"]} == prompts(exported)
    assert {row["city"] for row in loaded["train"]} == {"Tokyo", "東京", ""}
    assert {row["label_"] for row in loaded["train"]} == {"1", ""}


@pytest.mark.filterwarnings("ignore")
def test_webdataset_reads_every_sample(exported: Program) -> None:
    webdataset = pytest.importorskip("webdataset")
    folder = export(exported, "webdataset", "--shard-size", "10")
    urls = str(folder / "train-{000000..000002}.tar")
    samples = list(webdataset.WebDataset(urls, shardshuffle=False))
    assert {sample["txt"].decode() for sample in samples} == prompts(exported)
    assert {hashlib.sha256(each["png"]).hexdigest() for each in samples} == digests(
        exported
    )
    for sample in samples:
        assert json.loads(sample["json"])["id"] in sample["__key__"]


def test_parquet_holds_the_images_bytes(exported: Program) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    folder = export(exported, "parquet", "--shard-size", "10")
    files = sorted(folder.glob("*.parquet"))
    rows = [row for file in files for row in parquet.read_table(file).to_pylist()]
    assert len(files) == 3
    found = {hashlib.sha256(row["image"]["bytes"]).hexdigest() for row in rows}
    assert found == digests(exported)


@pytest.mark.filterwarnings("ignore")
def test_parquet_may_name_the_images_instead(exported: Program) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    pillow = pytest.importorskip("PIL.Image")
    folder = export(exported, "parquet")
    folder = export(exported, "parquet", "--paths")
    (file,) = folder.glob("*.parquet")
    assert file.stat().st_size < 50_000
    for row in parquet.read_table(file).to_pylist():
        assert row["image"]["bytes"] is None
        data = Path(row["image"]["path"]).read_bytes()
        assert (folder / row["file_name"]).read_bytes() == data
        assert pillow.open(io.BytesIO(data)).size == (row["width"], row["height"])

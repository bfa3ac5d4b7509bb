from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from batcher.errors import UsageError
from batcher.exports import ExportOptions, Format, write_export
from batcher.ledger import read_ledger
from tests.unit.reports.ledger import draw, kept, run_line, write_ledger

PARQUET = ExportOptions(format=Format.PARQUET)


def make_run(folder: Path) -> None:
    results = [kept(n, draw(folder, f"{n}.png", (8, 8)), n=n) for n in range(3)]
    write_ledger(folder, [run_line(3), *results])


@pytest.mark.skipif(
    importlib.util.find_spec("pyarrow") is not None, reason="pyarrow is installed"
)
def test_without_pyarrow_the_extra_is_named(tmp_path: Path) -> None:
    make_run(tmp_path)
    with pytest.raises(UsageError, match=r"pip install 'batcher\[export\]'"):
        write_export(tmp_path, read_ledger(tmp_path).standings, PARQUET)
    assert not (tmp_path / "export").exists()


def test_columns_have_their_types(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    make_run(tmp_path)
    (tmp_path / "1.png").unlink()
    done = write_export(tmp_path, read_ledger(tmp_path).standings, PARQUET)
    assert (done.splits, done.left_out) == ({"train": 2}, 1)
    file = parquet.ParquetFile(done.out / "train-000000.parquet")
    types = {field.name: str(field.type) for field in file.schema_arrow}
    assert types["n"] == types["width"] == "int64"
    assert types["image"] == "struct<bytes: binary, path: string>"
    assert b'"_type": "Image"' in file.schema_arrow.metadata[b"huggingface"]
    image = file.metadata.row_group(0).column(0)
    assert (image.path_in_schema, image.compression) == ("image.bytes", "UNCOMPRESSED")
    assert image.statistics is None


def test_the_same_run_makes_the_same_file(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    make_run(tmp_path)
    file = tmp_path / "export/parquet/train-000000.parquet"
    standings = read_ledger(tmp_path).standings
    write_export(tmp_path, standings, PARQUET)
    before = file.read_bytes()
    assert write_export(tmp_path, standings, PARQUET).kept == 1
    file.unlink()
    write_export(tmp_path, standings, PARQUET)
    assert file.read_bytes() == before

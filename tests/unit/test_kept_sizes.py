from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from batcher.ledger import FILE_NAME
from batcher.stores import LocalDirectory
from batcher.worker.keeper import kept_sizes


def result(size: object, *images: int) -> Mapping[str, object]:
    request = {"model": "m", "prompt": "a fox"} | ({"size": size} if size else {})
    kept = [{"path": f"{number}.png", "bytes": n} for number, n in enumerate(images)]
    return {"event": "result", "id": "a", "request": request, "images": kept}


def write(folder: Path, *lines: Mapping[str, object]) -> None:
    text = "".join(f"{json.dumps(line)}\n" for line in lines)
    (folder / FILE_NAME).write_text(text)


def test_every_kept_image_is_told_with_the_size_it_was_sent_with(
    tmp_path: Path,
) -> None:
    write(tmp_path, result("1024x1024", 7, 8), result("auto", 9), result(None, 10))
    assert [*kept_sizes(LocalDirectory(tmp_path))] == [
        ("1024x1024", 7),
        ("1024x1024", 8),
        ("auto", 9),
        (None, 10),
    ]


def test_lines_that_tell_of_no_image_are_passed_over(tmp_path: Path) -> None:
    others = ({"event": "attempt", "id": "a"}, {"event": "end", "images": 3})
    write(tmp_path, *others, result(7, 7), result("auto"), result("auto", 9))
    with (tmp_path / FILE_NAME).open("ab") as ledger:
        ledger.write(b'{"\xff\n' + b"[" * 100_000 + b"\n" + b'{"event":"res')
    assert [*kept_sizes(LocalDirectory(tmp_path))] == [("auto", 9)]


def test_a_ledger_that_cannot_be_read_tells_of_none(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).mkdir()
    assert [*kept_sizes(LocalDirectory(tmp_path))] == []

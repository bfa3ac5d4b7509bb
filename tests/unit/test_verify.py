from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from batcher.errors import StoreError
from batcher.layout import Inventory
from batcher.ledger import LedgerWriter, Reading, State, read_ledger
from batcher.ledger.event import Attempt, Result
from batcher.ledger.presence import presence
from batcher.models import Image, Status
from batcher.record import read_records
from batcher.stores import LocalDirectory
from batcher.verify import (
    Finding,
    Mark,
    check_images,
    delete_orphans,
    find_orphans,
    put_back,
)

AT = datetime(2026, 3, 1, tzinfo=UTC)
GIF = (
    b"GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff"
    b",\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;"
)


class Folder:
    """A run directory whose ledger and files a test makes."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.directory = LocalDirectory(path)

    def keep(
        self, *paths: str, data: bytes = GIF, status: Status = Status.SUCCEEDED
    ) -> None:
        """Write images of one request, and its lines."""
        writer = self._writer()
        id_ = hashlib.sha256(paths[0].encode()).hexdigest()[:20]
        writer.append(Attempt(at=AT, id=id_, attempt=1))
        images = [_image(index, path, data) for index, path in enumerate(paths)]
        for image in images:
            file = self.path / image.path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(data)
        writer.append(
            Result(
                at=AT,
                id=id_,
                name=paths[0],
                status=status,
                attempts=1,
                request={},
                vars={},
                images=tuple(images),
            )
        )
        writer.close()

    def send_again(self, id_: str, *, usd: Decimal) -> None:
        """Write that a forced attempt began, and nothing of its end."""
        writer = self._writer()
        writer.append(Attempt(at=AT, id=id_, attempt=2, reserved_usd=usd))
        writer.close()

    def read(self) -> Reading:
        return read_ledger(self.path)

    def check(self, *, is_deep: bool = False) -> list[Finding]:
        records = read_records(self.path, self.read().standings)
        return list(check_images(Inventory(self.directory), records, is_deep=is_deep))

    def marks(self, *, is_deep: bool = False) -> str:
        return "".join(finding.mark for finding in self.check(is_deep=is_deep))

    def states(self) -> list[State]:
        return [standing.state for standing in self.read().standings.values()]

    def _writer(self) -> LedgerWriter:
        reading = self.read()
        return LedgerWriter(self.path, reading.standings, expected_size=reading.size)


def _image(index: int, path: str, data: bytes) -> Image:
    return Image(
        index=index,
        path=path,
        bytes=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
        format="gif",
        width=1,
        height=1,
    )


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def _append(file: Path) -> None:
    with file.open("ab") as stream:
        stream.write(b"x")


def _turn(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[14] ^= 1  # a colour: the structure stays whole
    file.write_bytes(data)


def _blank(file: Path) -> None:
    file.write_bytes(bytes(len(GIF)))


def _leave(_: Path) -> None:
    """Do nothing."""


def _become_a_folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


@pytest.mark.parametrize(
    ("harm", "shallow", "deep", "message"),
    [
        (_leave, "=", "=", ""),
        (_append, "!", "!", "has 36 bytes instead of 35"),
        (_turn, "=", "!", "holds other bytes"),
        (_blank, "=", "!", "not an image"),
        (Path.unlink, "-", "-", ""),
        (_become_a_folder, "?", "?", "is no file"),
    ],
)
def test_harm_is_seen(
    folder: Folder, harm: Callable[[Path], None], shallow: str, deep: str, message: str
) -> None:
    folder.keep("a/b.gif")
    harm(folder.path / "a/b.gif")
    (finding,) = folder.check(is_deep=True)
    assert folder.marks() == shallow
    assert finding.mark == deep
    assert finding.message.startswith(message)


def test_a_deep_check_keeps_the_ledgers_order(folder: Folder) -> None:
    for number in range(60):
        folder.keep(f"{number:02}.gif")
    (folder.path / "30.gif").unlink()
    paths = [finding.path for finding in folder.check(is_deep=True)]
    assert paths == [f"{number:02}.gif" for number in range(60)]
    assert folder.marks(is_deep=True) == "=" * 30 + "-" + "=" * 29


@pytest.mark.parametrize("path", ["../a.gif", "/etc/hostname", "a\x00b.gif"])
def test_a_path_that_cannot_be_ours_is_not_touched(folder: Folder, path: str) -> None:
    line = {"event": "result", "at": AT, "id": "ab", "name": "x", "attempts": 1}
    image = msgspec.structs.asdict(_image(0, path, GIF))
    rest = {"status": "succeeded", "request": {}, "vars": {}, "images": [image]}
    (folder.path / "ledger.jsonl").write_bytes(msgspec.json.encode(line | rest) + b"\n")
    assert folder.marks() == folder.marks(is_deep=True) == "?"
    assert put_back(folder.directory, folder.read(), folder.check()) == 0


def test_images_of_what_will_be_made_again_are_not_checked(folder: Folder) -> None:
    folder.keep("a.gif")
    (folder.path / "a.gif").unlink()
    assert put_back(folder.directory, folder.read(), folder.check()) == 1
    assert folder.states() == [State.PENDING]
    assert folder.check() == []


def test_an_attempt_that_was_interrupted_stays_open(folder: Folder) -> None:
    folder.keep("a.gif")
    (id_,) = folder.read().standings
    folder.send_again(id_, usd=Decimal("0.5"))
    (folder.path / "a.gif").write_bytes(b"harmed")
    assert put_back(folder.directory, folder.read(), folder.check()) == 1
    standings = folder.read().standings
    assert standings.maybe_billed() == Decimal("0.5")
    # As the next run reads it, which looks for the files.
    reading = read_ledger(folder.path, holds=presence(folder.directory))
    (standing,) = reading.standings.values()
    assert (standing.state, standing.is_open) == (State.UNKNOWN, True)
    assert reading.standings.maybe_billed() == Decimal("0.5")


def test_a_corrupt_file_is_set_aside_and_never_replaced(folder: Folder) -> None:
    folder.keep("a.b.gif")
    for _ in range(2):
        (folder.path / "a.b.gif").write_bytes(b"harmed")
        assert put_back(folder.directory, folder.read(), folder.check()) == 1
        folder.keep("a.b.gif")
    (folder.path / "a.b.gif").write_bytes(b"third")
    put_back(folder.directory, folder.read(), folder.check())
    names = sorted(file.name for file in folder.path.glob("*.gif"))
    assert names == ["a.b~corrupt.gif", "a.b~corrupt2.gif", "a.b~corrupt3.gif"]
    assert (folder.path / "a.b~corrupt3.gif").read_bytes() == b"third"


def test_a_request_of_several_images_is_put_back_once(folder: Folder) -> None:
    folder.keep("a.gif", "b.gif", "c.gif")
    folder.keep("d.gif")
    _append(folder.path / "a.gif")
    (folder.path / "b.gif").unlink()
    assert folder.marks() == "!-=="
    assert put_back(folder.directory, folder.read(), folder.check()) == 1
    assert folder.states() == [State.PENDING, State.SUCCEEDED]
    assert (folder.path / "c.gif").exists()
    assert [each.path for each in find_orphans(Inventory(folder.directory))] == [
        "a~corrupt.gif"
    ]


def test_orphans_are_the_files_that_nobody_owns(folder: Folder) -> None:
    folder.keep("Köln/a.gif")
    for name in (
        "b.gif",
        "sub/notes.txt",
        "sub/report/c.gif",
        ".hidden/d.gif",
        ".lock",
        "sub/.e",
        "ledger.jsonl.old",
        "report/index.html",
        "export/train.parquet",
        "other/ledger.jsonl",
        "other/f.gif",
        "Ko\u0308ln/A.gif",
    ):
        file = folder.path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(GIF)
    found = [
        (finding.mark, finding.path)
        for finding in find_orphans(Inventory(folder.directory))
    ]
    assert found == [
        (Mark.ORPHAN, "b.gif"),
        (Mark.ORPHAN, "sub/notes.txt"),
        (Mark.ORPHAN, "sub/report/c.gif"),
    ]


def test_only_orphans_named_as_images_are_deleted(folder: Folder) -> None:
    folder.keep("a.gif")
    for name in ("b.gif", "manifest.yaml"):
        (folder.path / name).write_bytes(GIF)
    findings = [*folder.check(), *find_orphans(Inventory(folder.directory))]
    assert delete_orphans(folder.directory, findings) == 1
    left = sorted(file.name for file in folder.path.iterdir())
    assert left == ["a.gif", "ledger.jsonl", "manifest.yaml"]
    with pytest.raises(StoreError, match=r"cannot delete 'b\.gif'"):
        delete_orphans(folder.directory, findings)


def test_a_file_that_cannot_be_set_aside_stops_the_requeue(folder: Folder) -> None:
    folder.keep("a.gif")
    _append(folder.path / "a.gif")
    findings = folder.check()
    (folder.path / "a.gif").unlink()
    with pytest.raises(StoreError, match="cannot rename"):
        put_back(folder.directory, folder.read(), findings)
    assert folder.states() == [State.SUCCEEDED]


def test_a_folder_that_is_not_there_cannot_be_read(tmp_path: Path) -> None:
    (finding,) = find_orphans(Inventory(LocalDirectory(tmp_path / "absent")))
    assert finding.mark is Mark.UNREADABLE
    assert finding.message == os.strerror(errno.ENOENT)


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_what_may_not_be_read_is_said_so(folder: Folder) -> None:
    folder.keep("a.gif")
    folder.keep("sub/b.gif")
    (folder.path / "a.gif").chmod(0)
    (folder.path / "sub").chmod(0)
    try:
        assert folder.marks(is_deep=True) == "??"
        assert [
            finding.mark for finding in find_orphans(Inventory(folder.directory))
        ] == ["?"]
    finally:
        (folder.path / "sub").chmod(0o700)

"""What every run directory must do, as a suite: subclass it and give the fixture.

A module says `class TestLocalDirectory(DirectoryConformance)` and defines the fixture
`directory`, which gives an empty one.
"""

from __future__ import annotations

import io
import threading
import zipfile
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from PIL import Image

from batcher.stores import Directory, check_exclusive

NAMES = [
    "plain.json",
    "deep/er/and/deeper.json",
    "with space/and more.json",
    "100%.json",
    "a%2Fb%20c.json",
    "plus+and&amp;=.json",
    "quote'\"s.json",
    "hash#and?query.json",
    "tilde~2.png",
    "grüße/图像/🦊.png",
    ".hidden/x.1.0",
]


def names(directory: Directory, prefix: str = "") -> set[str]:
    return {entry.name for entry in directory.entries(prefix)}


class DirectoryConformance:
    """The contract of `Directory`, claim by claim."""

    def test_what_is_absent_is_no_error(self, directory: Directory) -> None:
        assert directory.open("none") is None
        assert directory.read("sub/none") is None
        assert directory.size("none") is None
        assert directory.entry("none") is None
        assert names(directory) == names(directory, "sub/no") == set()

    def test_below_a_file_there_is_nothing(self, directory: Directory) -> None:
        directory.write("file", b"x")
        assert directory.read("file/none") is None
        assert directory.size("file/none") is None
        assert directory.entry("file/none") is None
        assert names(directory, "file/") == set()

    def test_a_folder_is_no_file(self, directory: Directory) -> None:
        directory.write("folder/file", b"x")
        assert directory.size("folder") is None

    @pytest.mark.parametrize("name", NAMES)
    def test_a_file_is_found_under_its_very_name(
        self, directory: Directory, name: str
    ) -> None:
        assert directory.create(name, b"content")
        assert directory.read(name) == b"content"
        assert directory.size(name) == 7
        assert names(directory) == names(directory, name) == {name}
        directory.remove([name])
        assert names(directory) == set()

    def test_a_file_is_described(self, directory: Directory) -> None:
        directory.write("file", b"content")
        entry = directory.entry("file")
        assert entry is not None
        assert (entry.name, entry.bytes) == ("file", 7)
        assert abs(datetime.now(UTC) - entry.modified) < timedelta(minutes=1)
        (listed,) = directory.entries()
        assert (listed.name, listed.bytes) == ("file", 7)
        assert abs(listed.modified - entry.modified) < timedelta(seconds=1)

    def test_an_empty_file_is_a_file(self, directory: Directory) -> None:
        directory.write("empty", b"")
        assert directory.read("empty") == b""
        assert directory.size("empty") == 0
        stream = directory.open("empty")
        assert stream is not None
        with stream:
            assert stream.read() == b""

    def test_a_taken_name_is_not_created_again(self, directory: Directory) -> None:
        assert directory.create("lease", b"first")
        assert not directory.create("lease", b"second")
        assert not directory.create("lease", b"first")
        assert directory.read("lease") == b"first"

    def test_of_many_who_create_at_once_one_is_told_so(
        self, directory: Directory
    ) -> None:
        racers = 16
        barrier = threading.Barrier(racers)

        def race(name: str) -> bool:
            barrier.wait()
            return directory.create(name, b"the same of all")

        with ThreadPoolExecutor(racers) as pool:
            for lap in range(10):
                won = list(pool.map(race, [f"laps/{lap}"] * racers))
                assert won.count(True) == 1
        assert len(names(directory)) == 10

    def test_to_write_again_replaces(self, directory: Directory) -> None:
        directory.write("sub/file", b"first, and longer")
        directory.write("sub/file", b"second")
        assert directory.read("sub/file") == b"second"
        assert not directory.create("sub/file", b"third")

    def test_to_remove_twice_is_no_error(self, directory: Directory) -> None:
        directory.remove([])
        directory.write("a", b"")
        directory.write("b/c", b"")
        directory.remove(iter(["a", "b/c", "never"]))
        directory.remove(["a", "b/c"])
        assert names(directory) == set()
        assert directory.create("a", b"")

    def test_a_prefix_need_not_end_with_a_folder(self, directory: Directory) -> None:
        for name in ("ledger/a-1", "ledger/a-2", "ledger/b-1", "ledgers", "other"):
            directory.write(name, b"")
        assert names(directory, "ledger/") == {"ledger/a-1", "ledger/a-2", "ledger/b-1"}
        assert names(directory, "ledger/a") == {"ledger/a-1", "ledger/a-2"}
        assert names(directory, "ledger/a-2") == {"ledger/a-2"}
        assert len(names(directory, "ledger")) == 4
        assert names(directory, "ledger/c") == set()

    def test_more_names_are_listed_than_come_at_once(
        self, directory: Directory
    ) -> None:
        wanted = {f"many/{number:04}" for number in range(1100)}
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda name: directory.write(name, b"x"), wanted))
        assert names(directory, "many/") == wanted
        directory.remove(wanted)
        assert names(directory) == set()

    def test_a_large_file_is_read_piece_by_piece(self, directory: Directory) -> None:
        content = bytes(range(256)) * 40_000
        directory.write("large", content)
        stream = directory.open("large")
        assert stream is not None
        with stream:
            pieces = list(iter(lambda: stream.read(300_000), b""))
        assert max(map(len, pieces)) == 300_000
        assert b"".join(pieces) == content

    def test_a_file_is_read_from_anywhere(self, directory: Directory) -> None:
        content = bytes(range(256)) * 10_000
        directory.write("large", content)
        stream = directory.open("large")
        assert stream is not None
        with stream:
            assert stream.read(10) == content[:10]
            assert stream.seek(-10, io.SEEK_END) == len(content) - 10
            assert stream.read() == content[-10:]
            assert stream.seek(1_234_567) == stream.tell() == 1_234_567
            assert stream.read(20) == content[1_234_567:][:20]
            assert stream.seek(5, io.SEEK_CUR) == 1_234_592
            assert stream.read(1) == content[1_234_592:][:1]
            stream.seek(len(content) + 5)
            assert stream.read() == b""

    def test_readers_of_images_and_archives_are_served(
        self, directory: Directory
    ) -> None:
        image, archive = io.BytesIO(), io.BytesIO()
        Image.effect_noise((900, 700), 90).save(image, "png")
        with zipfile.ZipFile(archive, "w") as packed:
            packed.writestr("a", bytes(2_000_000))
            packed.writestr("b", b"last")
        directory.write("image.png", image.getvalue())
        directory.write("archive.zip", archive.getvalue())
        stream = directory.open("image.png")
        assert stream is not None
        with stream, Image.open(stream) as opened:
            opened.load()
            assert opened.size == (900, 700)
        stream = directory.open("archive.zip")
        assert stream is not None
        with stream, zipfile.ZipFile(stream) as packed:
            assert packed.read("b") == b"last"

    def test_it_is_fit_for_several_workers(self, directory: Directory) -> None:
        before = check_exclusive(directory)
        directory.write("later", b"")
        entry = directory.entry("later")
        assert entry is not None
        assert before <= entry.modified
        assert names(directory) == {"later"}

from __future__ import annotations

import errno
import os
import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from batcher.errors import StoreError, UsageError
from batcher.stores import Directory, LocalDirectory, check_exclusive, open_directory
from batcher.stores.cloud import CloudDirectory
from tests.integration.directory_conformance import DirectoryConformance, names
from tests.integration.object_server import OddServer

CALLS: dict[str, Callable[[Directory], object]] = {
    "open": lambda directory: directory.open("x"),
    "read": lambda directory: directory.read("x"),
    "list": lambda directory: list(directory.entries()),
    "create": lambda directory: directory.create("x", b""),
    "write": lambda directory: directory.write("x", b""),
    "remove": lambda directory: directory.remove(["x"]),
}
each_call = pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())


class TestLocalDirectory(DirectoryConformance):
    """A folder."""

    @pytest.fixture
    def directory(self, tmp_path: Path) -> Directory:
        return LocalDirectory(tmp_path / "run")

    def test_a_file_that_is_not_whole_yet_is_not_listed(self, tmp_path: Path) -> None:
        directory = LocalDirectory(tmp_path)
        (tmp_path / ".0123456789abcdef.spare").write_bytes(b"hal")
        assert names(directory) == set()

    @pytest.mark.parametrize(
        ("call", "words"),
        [
            (lambda it: it.write("file/x", b""), "cannot write '{}/file/x': "),
            (lambda it: it.create("file/x", b""), "cannot write '{}/file/x': "),
            (lambda it: it.write("folder", b""), "cannot write '{}/folder': "),
            (lambda it: it.remove(["folder"]), "cannot remove '{}/folder': "),
            (lambda it: it.open("folder"), "cannot read '{}/folder': "),
            (lambda it: it.read("folder"), "cannot read '{}/folder': "),
            (lambda it: it.size("loop"), "cannot read '{}/loop': "),
            (lambda it: it.entry("loop"), "cannot read '{}/loop': "),
            (lambda it: list(it.entries("loop/")), "cannot list '{}/loop': "),
            (lambda it: list(it.entries()), "cannot read '{}/loop': "),
        ],
    )
    def test_a_folder_that_refuses_is_an_error(
        self, tmp_path: Path, call: Callable[[Directory], object], words: str
    ) -> None:
        (tmp_path / "file").write_bytes(b"")
        (tmp_path / "folder").mkdir()
        (tmp_path / "loop").symlink_to("loop")
        with pytest.raises(StoreError, match=words.format(tmp_path)):
            call(LocalDirectory(tmp_path))
        assert not list(tmp_path.glob(".*"))

    def test_a_file_that_breaks_off_is_an_error(self) -> None:
        with pytest.raises(StoreError, match="cannot read '/proc/self/mem'"):
            LocalDirectory("/proc/self").read("mem")

    def test_it_is_called_as_the_user_did(self) -> None:
        assert str(LocalDirectory("runs/x/")) == "runs/x"


def refuse(code: int) -> Callable[[Path, Path], None]:
    """Be a file system that gives a file no second name."""

    def link(source: Path, target: Path) -> None:
        del source, target
        raise OSError(code, os.strerror(code))

    return link


class TestLocalDirectoryWithoutLinks(DirectoryConformance):
    """A folder of a file system without hard links."""

    @pytest.fixture
    def directory(self, tmp_path: Path) -> Directory:
        return LocalDirectory(tmp_path / "run", link=refuse(errno.EPERM))


def test_a_full_disk_is_not_taken_for_a_file_system_without_links(
    tmp_path: Path,
) -> None:
    directory = LocalDirectory(tmp_path, link=refuse(errno.ENOSPC))
    with pytest.raises(StoreError, match=os.strerror(errno.ENOSPC)):
        directory.create("x", b"")
    assert list(tmp_path.iterdir()) == []


class TestCloudDirectory(DirectoryConformance):
    """A prefix of a bucket of an S3 server."""

    @pytest.fixture
    def directory(self, bucket: str) -> Directory:
        return CloudDirectory(f"s3://{bucket}/my runs/100%/")

    def test_two_prefixes_do_not_see_each_other(self, bucket: str) -> None:
        run, other = (CloudDirectory(f"s3://{bucket}/{name}") for name in ("a", "ab"))
        run.write("x", b"")
        assert names(other) == set()
        assert names(CloudDirectory(f"s3://{bucket}")) == {"a/x"}

    def test_the_mark_of_an_empty_folder_is_no_file(self, bucket: str) -> None:
        CloudDirectory(f"s3://{bucket}").write("run/", b"")
        assert names(CloudDirectory(f"s3://{bucket}/run")) == set()

    def test_it_is_called_as_the_user_did(self, bucket: str) -> None:
        assert str(open_directory(f"s3://{bucket}/run/")) == f"s3://{bucket}/run"

    @each_call
    def test_a_bucket_that_is_not_there_is_an_error(
        self, bucket: str, call: Callable[[Directory], object]
    ) -> None:
        directory = CloudDirectory(f"s3://{bucket}-not/run")
        with pytest.raises(StoreError, match="NoSuchBucket") as caught:
            call(directory)
        assert f"s3://{bucket}-not/run" in str(caught.value)
        assert "check that the bucket exists" in str(caught.value)

    def test_a_name_that_no_store_takes_is_an_error(self, bucket: str) -> None:
        with pytest.raises(StoreError, match="use a name without"):
            CloudDirectory(f"s3://{bucket}/run").write("../x", b"")

    def test_a_file_replaced_while_it_is_read_is_an_error(self, bucket: str) -> None:
        directory = CloudDirectory(f"s3://{bucket}/run")
        directory.write("x", bytes(3_000_000))
        stream = directory.open("x")
        assert stream is not None
        directory.write("x", bytes(2_999_999))
        stream.seek(2_000_000)
        with stream, pytest.raises(StoreError, match="replaced meanwhile"):
            stream.read()


@pytest.mark.parametrize("call", [*CALLS.values(), lambda it: it.size("x")])
def test_a_server_that_is_gone_is_an_error(
    credentials: pytest.MonkeyPatch, call: Callable[[Directory], object]
) -> None:
    with socket.socket() as taken:  # bound, and not listening
        taken.bind(("127.0.0.1", 0))
        origin = f"http://127.0.0.1:{taken.getsockname()[1]}"
        credentials.setenv("AWS_ENDPOINT_URL", origin)
        directory = CloudDirectory("s3://bucket/run", patience=0.1)
        words = f"Connection refused; check the network .*asked {origin}, see AWS_ENDP"
        with pytest.raises(StoreError, match=words):
            call(directory)


REFUSED = {
    "denied": "AccessDenied: so it is; check the credentials",
    "stranger": "InvalidAccessKeyId: so it is; check the credentials",
    "expired": "ExpiredToken: so it is; set the credentials",
    "moved": "incorrectly configured region",
    "busy": "SlowDown: so it is; check the network",
}


@pytest.mark.parametrize(("bucket_name", "words"), REFUSED.items(), ids=REFUSED.keys())
def test_a_store_that_refuses_is_quoted(
    odd: OddServer, bucket_name: str, words: str
) -> None:
    directory = CloudDirectory(f"s3://{bucket_name}/run", patience=0.1)
    with pytest.raises(StoreError, match=words) as caught:
        directory.write("x", b"")
    assert str(caught.value).startswith(f"cannot write 's3://{bucket_name}/run/x': ")
    assert "made-up" not in str(caught.value)
    assert odd.requests["PUT"] >= 1


def test_a_busy_store_is_tried_for_as_long_as_there_is_patience(odd: OddServer) -> None:
    """By itself the client gives up after ten tries, which are over sooner."""
    patience = 6.0
    directory = CloudDirectory("s3://busy/run", patience=patience)
    started = time.monotonic()
    with pytest.raises(StoreError, match="SlowDown"):
        directory.write("x", b"")
    assert time.monotonic() - started >= patience
    assert odd.requests["PUT"] > 1


def test_a_conflict_that_nobody_won_is_no_defeat(odd: OddServer) -> None:
    directory = CloudDirectory("s3://conflict/run")
    assert directory.create("lease", b"mine")
    assert odd.requests["PUT"] == 2
    assert not directory.create("lease", b"mine")


@pytest.mark.parametrize(("patience", "tries"), [(60.0, 2), (0.0, 1)])
def test_one_who_won_and_was_not_told_has_won(
    odd: OddServer, patience: float, tries: int
) -> None:
    directory = CloudDirectory("s3://forgetful/run", patience=patience)
    assert directory.create("lease", b"mine")
    assert odd.requests["PUT"] == tries
    assert not directory.create("lease", b"mine")


def test_a_store_that_lets_two_win_is_not_shared(odd: OddServer) -> None:
    with pytest.raises(UsageError, match="gives one name to two"):
        check_exclusive(CloudDirectory("s3://careless/run"))
    assert odd.requests["POST"] == 1  # the probe was removed


def test_a_conflict_that_does_not_end_is_an_error(odd: OddServer) -> None:
    with pytest.raises(StoreError, match="others write there at the moment"):
        CloudDirectory("s3://contested/run").create("lease", b"mine")
    assert odd.requests["PUT"] == 3


def test_where_many_cannot_be_removed_at_once_each_one_is(odd: OddServer) -> None:
    CloudDirectory("s3://singular/run").remove(["a", "b"])
    assert odd.requests["POST"] == 3

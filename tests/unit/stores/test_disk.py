import os
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from batcher.errors import StoreError
from batcher.stores import disk
from batcher.stores.disk import MANY, Disk

MOUNTS = """\
22 27 0:21 / /proc rw,relatime - proc proc rw
27 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw,discard
31 27 0:44 / /home/me/far rw,nosuid - fuse.sshfs me@far: rw,user_id=0
"""


def sync_files(root: str, files: Sequence[str], folders: Sequence[str]) -> None:
    disk = Disk(root)
    try:
        disk.sync(files, folders)
    finally:
        disk.close()
        disk.close()


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    """Write one more than from where on all are written at once."""
    paths = [tmp_path / "images" / f"{n}.png" for n in range(MANY + 1)]
    paths[0].parent.mkdir()
    for path in paths:
        path.write_bytes(b"an image")
    return [*map(str, paths)]


@pytest.mark.parametrize("number", [0, 1, MANY - 1, MANY, MANY + 1])
def test_any_number_of_files_is_synced(
    tmp_path: Path, files: list[str], number: int
) -> None:
    sync_files(str(tmp_path), files[:number], [str(tmp_path / "images")])
    assert sorted(files) == sorted(map(str, (tmp_path / "images").iterdir()))


@pytest.mark.parametrize("number", [1, MANY])
def test_what_was_removed_is_passed_over(
    tmp_path: Path, files: list[str], number: int
) -> None:
    for path in files:
        Path(path).unlink()
    sync_files(str(tmp_path), files[:number], [str(tmp_path / "gone")])


@pytest.mark.parametrize("number", [1, MANY])
def test_a_file_that_refuses_is_an_error_where_each_is_visited(
    tmp_path: Path, number: int
) -> None:
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    no_disk = "/proc/self/task"
    with pytest.raises(StoreError, match="cannot sync images: Too many levels"):
        sync_files(no_disk, [str(loop)] * number, [])


@pytest.mark.skipif(sys.platform != "linux", reason="it is Linux's")
def test_a_file_system_that_refuses_is_an_error() -> None:
    with pytest.raises(OSError, match="Bad file descriptor"):
        disk._syncfs(-1)


@pytest.mark.parametrize(
    ("device", "kind"),
    [
        (os.makedev(254, 0), "ext4"),
        (os.makedev(0, 44), "fuse.sshfs"),
        (os.makedev(8, 1), None),
    ],
)
def test_a_device_s_file_system_is_found_among_the_mounts(
    device: int, kind: str | None
) -> None:
    assert disk._file_system(MOUNTS, device) == kind

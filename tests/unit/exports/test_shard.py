from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batcher.errors import UsageError
from batcher.exports.shard import Division, ShardSize, parse_size

sizes = st.builds(
    ShardSize,
    rows=st.none() | st.integers(1, 5),
    bytes=st.none() | st.integers(1, 50),
)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("1000", ShardSize(rows=1000)),
        ("500MB", ShardSize(bytes=500_000_000)),
        (" 2 gib ", ShardSize(bytes=2 << 30)),
        ("1kB", ShardSize(bytes=1000)),
    ],
)
def test_a_size_is_images_or_bytes(text: str, size: ShardSize) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "0", "0MB", "-1", "1.5GB", "5 apples", "MB", "٣"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="such as 1000 or 500MB"):
        parse_size(text)


@given(sizes, st.lists(st.integers(1, 60)))
def test_shards_hold_all_and_no_more_than_fits(
    size: ShardSize, images: list[int]
) -> None:
    division = Division(size)
    for number, each in enumerate(images):
        division.add(b"%d\n" % number, each)
    shards = division.shards()
    assert sum(shard.rows for shard in shards) == len(images)
    assert sum(shard.bytes for shard in shards) == sum(images)
    for shard in shards:
        assert size.rows is None or shard.rows <= size.rows
        assert size.bytes is None or shard.rows == 1 or shard.bytes <= size.bytes
    assert len({shard.digest for shard in shards}) == len(shards)


@given(sizes, st.lists(st.integers(1, 60)), st.integers(1, 60))
def test_one_more_image_changes_the_last_shard_alone(
    size: ShardSize, images: list[int], more: int
) -> None:
    before, after = Division(size), Division(size)
    for each in images:
        before.add(b"x", each)
        after.add(b"x", each)
    after.add(b"y", more)
    assert after.shards()[: max(0, len(before.shards()) - 1)] == before.shards()[:-1]

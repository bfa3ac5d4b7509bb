from __future__ import annotations

from collections.abc import Mapping

import pytest

from batcher.errors import UsageError
from batcher.fleet.shard import shard_from


def slurm(task: int, first: int, last: int, count: int) -> dict[str, str]:
    return {
        "SLURM_ARRAY_TASK_ID": str(task),
        "SLURM_ARRAY_TASK_MIN": str(first),
        "SLURM_ARRAY_TASK_MAX": str(last),
        "SLURM_ARRAY_TASK_COUNT": str(count),
    }


@pytest.mark.parametrize(
    ("environment", "shard"),
    [
        (slurm(0, 0, 15, 16), (1, 16)),
        (slurm(16, 1, 16, 16), (16, 16)),
        ({"SLURM_ARRAY_TASK_ID": "3", "BATCHER_SHARDS": "16"}, (3, 16)),
        ({"SLURM_ARRAY_TASK_ID": "0", "BATCHER_SHARDS": "16"}, (16, 16)),
        ({"JOB_COMPLETION_INDEX": "0", "BATCHER_SHARDS": "4"}, (1, 4)),
        ({"JOB_COMPLETION_INDEX": "3", "BATCHER_SHARDS": "4"}, (4, 4)),
    ],
    ids=["from 0", "from 1", "some again", "0 is the last", "k8s", "k8s last"],
)
def test_the_scheduler_tells_the_shard(
    environment: Mapping[str, str], shard: tuple[int, int]
) -> None:
    assert shard_from(environment) == shard


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({}, "give I/N instead"),
        (slurm(3, 1, 7, 3), "has gaps"),
        ({"SLURM_ARRAY_TASK_ID": "1"}, "SLURM_ARRAY_TASK_MIN is not set"),
        ({"SLURM_ARRAY_TASK_ID": "17", "BATCHER_SHARDS": "16"}, "no shard 17 of 16"),
        ({"JOB_COMPLETION_INDEX": "0"}, "BATCHER_SHARDS is not set"),
        ({"JOB_COMPLETION_INDEX": "4", "BATCHER_SHARDS": "4"}, "no shard 5 of 4"),
        ({"JOB_COMPLETION_INDEX": "x", "BATCHER_SHARDS": "4"}, "got 'x'"),
    ],
)
def test_what_names_no_shard_is_refused(
    environment: Mapping[str, str], words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        shard_from(environment)

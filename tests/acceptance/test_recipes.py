"""The recipes for clusters: what can be checked of them without the cluster."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import kubernetes_validate  # type: ignore[import-untyped] # it has no types
import pytest
import yaml

CLUSTER = Path(__file__).parents[2] / "examples" / "cluster"
ARRAY = CLUSTER / "slurm_array.sh"
KUBERNETES = "1.34"

DIRECTIVES = {
    "array": r"1-16%8",
    "cpus-per-task": "1",
    "export": "NONE",
    "job-name": "batcher",
    "mem": "2G",
    "open-mode": "append",
    "requeue": "",
    "signal": "B:USR1@900",
    "time": "12:00:00",
}
"""Of sbatch(1), checked by hand; another one is to be looked up first."""


def read(name: str) -> dict[str, object]:
    found = yaml.safe_load((CLUSTER / name).read_text())
    assert isinstance(found, dict)
    return found


class Node:
    """A machine where the script of the Slurm array is run, with programs of ours."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.said = folder / "said"
        (folder / "bin").mkdir()
        (folder / "batcher.env").write_text(
            f"PATH={folder}/bin:$PATH\nOCTOPUSX_API_KEY=of-the-node\n"
        )
        self.program("scontrol", 'echo "scontrol $*" >> "$SAID"')

    def program(self, name: str, words: str) -> None:
        path = self.folder / "bin" / name
        path.write_text(f"#!/usr/bin/env bash\nSAID={self.said}\n{words}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)

    def start(self) -> subprocess.Popen[str]:
        return subprocess.Popen(
            ["bash", str(ARRAY), "m.yaml", "s3://bucket/out"],
            env={"HOME": str(self.folder), "PATH": os.environ["PATH"]}
            | {"SLURM_ARRAY_JOB_ID": "17", "SLURM_ARRAY_TASK_ID": "3"},
            stdout=subprocess.PIPE,
            text=True,
        )


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path)


def test_the_slurm_array_gives_directives_that_sbatch_knows() -> None:
    subprocess.run(["bash", "-n", str(ARRAY)], check=True)
    lines = ARRAY.read_text().splitlines()
    comments = lines[: next(n for n, it in enumerate(lines) if it[:1] != "#")]
    found = [it.removeprefix("#SBATCH --") for it in lines if "#SBATCH" in it]
    given = {name: value for name, _, value in (it.partition("=") for it in found)}
    assert given == DIRECTIVES
    assert len(found) == sum("#SBATCH" in it for it in comments)


def test_the_slurm_array_runs_its_shard_with_the_node_s_key(node: Node) -> None:
    node.program("batcher", 'echo "$* $OCTOPUSX_API_KEY $SLURM_ARRAY_TASK_ID"; exit 3')
    with node.start() as script:
        words, _ = script.communicate()
    command = "run m.yaml --out s3://bucket/out --shard auto --wait-for-shard --quiet"
    assert words == f"{command} of-the-node 3\n"
    assert script.returncode == 3
    assert not node.said.exists()


def test_the_slurm_array_drains_in_time_and_queues_again(node: Node) -> None:
    loop = "while :; do read -t 0.1 <> <(:); done"
    node.program(
        "batcher", f"trap 'echo told; sleep 0.3; exit 143' TERM; echo up; {loop}"
    )
    with node.start() as script:
        assert script.stdout
        assert script.stdout.readline() == "up\n"
        script.send_signal(signal.SIGUSR1)
        assert script.stdout.readline() == "told\n"
        assert script.wait() == 143
    assert node.said.read_text() == "scontrol requeue 17_3\n"


def test_the_slurm_array_killed_for_want_of_memory_is_queued_again(node: Node) -> None:
    node.program("batcher", "kill -KILL $$")
    with node.start() as script:
        assert script.wait() == 137
    assert node.said.read_text() == "scontrol requeue 17_3\n"


def test_the_slurm_array_that_is_cancelled_drains_and_stays_so(node: Node) -> None:
    loop = "while :; do read -t 0.1 <> <(:); done"
    node.program("batcher", f"trap 'echo told; exit 143' TERM; echo up $$; {loop}")
    with node.start() as script:
        assert script.stdout
        shard = int(script.stdout.readline().split()[1])
        script.send_signal(signal.SIGTERM)
        os.kill(shard, signal.SIGTERM)  # as Slurm does: each process of the job
        assert script.stdout.read() == "told\n"
        assert script.wait() == 143
    assert not node.said.exists()


def test_the_kubernetes_job_meets_the_schema_of_kubernetes() -> None:
    kubernetes_validate.validate(read("kubernetes_job.yaml"), KUBERNETES, strict=True)


def test_the_kubernetes_job_tells_each_pod_how_many_shards_there_are() -> None:
    text = (CLUSTER / "kubernetes_job.yaml").read_text()
    completions = yaml.safe_load(text)["spec"]["completions"]
    assert f'{{name: BATCHER_SHARDS, value: "{completions}"}}' in text


def test_the_pods_of_the_ray_job_meet_the_schema_of_kubernetes() -> None:
    cluster = yaml.safe_load((CLUSTER / "ray_job.yaml").read_text())["spec"][
        "rayClusterSpec"
    ]
    groups = [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]
    assert len(groups) == 2
    for group in groups:
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "pod"}}
        kubernetes_validate.validate(pod | group["template"], KUBERNETES, strict=True)


LIBRARY = """
class SLURMCluster:
    scheduler_address = "tcp://head:8786"

    def __init__(self, *_, **options):
        pass

    def scale(self, jobs):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

SSHCluster = SLURMCluster
"""


@pytest.mark.parametrize(
    ("name", "library", "hosts", "shards"),
    [
        ("slurm_dask.py", "dask_jobqueue", [], 32),
        ("ssh_dask.py", "distributed", ["here", "there"], 8),
    ],
)
def test_the_programs_for_dask_run_on_the_cluster_that_they_start(
    node: Node, name: str, library: str, hosts: list[str], shards: int
) -> None:
    (node.folder / f"{library}.py").write_text(LIBRARY)
    node.program("batcher", 'echo "$*"; exit 3')
    done = subprocess.run(
        [sys.executable, str(CLUSTER / name), "m.yaml", "s3://bucket/out", *hosts],
        env={
            "PYTHONPATH": str(node.folder),
            "PATH": f"{node.folder}/bin:/usr/bin:/bin",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == (
        "run m.yaml --out s3://bucket/out --engine dask"
        f" --scheduler tcp://head:8786 --shards {shards}\n"
    )
    assert (done.returncode, done.stderr) == (3, "")

"""Run a manifest on machines that you reach by SSH, one worker on each.

    pip install 'batcher[dask,cloud]' asyncssh
    python examples/cluster/ssh_dask.py posters.yaml s3://bucket/posters here there

The first host runs the scheduler as well. Each host has the same Python and batcher,
and its own keys in the environment of an SSH session; none are sent. The same command
again resumes.
"""

import subprocess
import sys

from distributed import SSHCluster

SHARDS_EACH = 4


def main(manifest: str, out: str, *hosts: str) -> int:
    """Start the cluster, run, and give the program's exit code."""
    with SSHCluster(
        [hosts[0], *hosts],
        scheduler_options={"port": 0, "dashboard_address": "127.0.0.1:0"},
        worker_options={"nthreads": 1, "dashboard_address": "127.0.0.1:0"},
    ) as cluster:
        engine = ("--engine", "dask", "--scheduler", cluster.scheduler_address)
        command = ("batcher", "run", manifest, "--out", out, *engine)
        shards = str(SHARDS_EACH * len(hosts))
        return subprocess.call((*command, "--shards", shards))  # noqa: S603


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

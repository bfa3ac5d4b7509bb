"""Run a manifest on Dask workers that Slurm starts, as many as it has room for.

    pip install 'batcher[dask,cloud]' dask-jobqueue
    python examples/cluster/slurm_dask.py posters.yaml s3://bucket/posters

Run it where jobs are submitted from. The keys do not pass through Slurm or Dask: each
node reads them from a file that you alone can read. The same command again resumes.
"""

import subprocess
import sys

from dask_jobqueue import SLURMCluster  # type: ignore[import-not-found] # see above

JOBS = 8
SHARDS = 32


def main(manifest: str, out: str) -> int:
    """Start the cluster, run, and give the program's exit code."""
    with SLURMCluster(
        cores=1,
        processes=1,
        memory="2GB",
        walltime="12:00:00",
        job_extra_directives=["--export=NONE"],
        job_script_prologue=["set -a", '. "$HOME/batcher.env"', "set +a"],
    ) as cluster:
        cluster.scale(jobs=JOBS)
        engine = ("--engine", "dask", "--scheduler", cluster.scheduler_address)
        command = ("batcher", "run", manifest, "--out", out, *engine)
        return subprocess.call((*command, "--shards", str(SHARDS)))  # noqa: S603


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

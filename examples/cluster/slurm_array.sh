#!/usr/bin/env bash
# One manifest as a Slurm array: each task is a shard of the same run directory.
#
#   sbatch examples/cluster/slurm_array.sh posters.yaml s3://bucket/posters
#
# The same command again resumes. `batcher ctl DIR stop` ends it and lets what is in flight
# come in; scancel leaves that only Slurm's KillWait, half a minute. The keys do not pass
# through Slurm: each node reads them, and PATH, from a file that you alone can read.
#SBATCH --job-name=batcher
#SBATCH --array=1-16%8
#SBATCH --cpus-per-task=1
#SBATCH --mem=2G
#SBATCH --time=12:00:00
#SBATCH --signal=B:USR1@900
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --export=NONE
set -uo pipefail

set -a
. "$HOME/batcher.env"
set +a

# A quarter of an hour before the time is up: let what is in flight come in.
why=
trap 'why=late; kill -TERM $!' USR1
# From scancel. Slurm has told the shard as well; a second time would cut it short.
trap 'why=cancelled' TERM

batcher run "$1" --out "$2" --shard auto --wait-for-shard --quiet &
wait $!
code=$?
while kill -0 $! 2>/dev/null; do
  wait $!
  code=$?
done

# Out of time or of memory: go on later. Slurm itself does so only for a lost node. The
# last task's SLURM_JOB_ID is the whole array's, so the task is named.
case "$why $code" in
  "late 143" | "late 137" | " 137")
    scontrol requeue "${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID"
    ;;
esac
exit "$code"

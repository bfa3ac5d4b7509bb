#!/usr/bin/env bash
# One manifest as a Slurm array: each task is a shard of the same run directory.
#
#   sbatch examples/cluster/slurm_array.sh posters.yaml s3://bucket/posters
#
# The same command again resumes. The keys do not pass through Slurm: each node reads
# them, and PATH, from a file that you alone can read.
#SBATCH --job-name=batcher
#SBATCH --array=1-16%8
#SBATCH --cpus-per-task=1
#SBATCH --mem=2G
#SBATCH --time=12:00:00
#SBATCH --signal=B:TERM@900
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --export=NONE
set -uo pipefail

set -a
. "$HOME/batcher.env"
set +a

batcher run "$1" --out "$2" --shard auto --wait-for-shard --quiet &
shard=$!

# A quarter of an hour before the time is up: let what is in flight come in.
trap 'kill -TERM "$shard"' TERM
wait "$shard"
code=$?
while kill -0 "$shard" 2>/dev/null; do
  wait "$shard"
  code=$?
done

# Out of time or of memory: go on later. Slurm itself does so only for a lost node.
case "$code" in
  137 | 143) scontrol requeue "$SLURM_JOB_ID" ;;
esac
exit "$code"

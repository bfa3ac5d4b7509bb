"""Kills one run with -9 again and again, lets it finish, and counts what was bought.

Run it with `python -m tests.benchmarks.kill_resume [KILLS] [IMAGES]`. The sandbox has a
process of its own and survives, so its journal knows every POST there ever was.
"""

from __future__ import annotations

import random
import sys
import tempfile
import time
from pathlib import Path

from tests.acceptance.program import Gateway, Program, count_by, events, read_lines
from tests.acceptance.test_resume import check_kept, manifest, run

CONCURRENCY = 16


def main(kills: int = 30, images: int = 150) -> None:
    """Print the counts."""
    chance = random.Random(1)
    with tempfile.TemporaryDirectory() as name:
        program = Program(Path(name))
        gateway = Gateway(program.folder / "journal.jsonl", "--latency", "0.2-1.5")
        manifest(program, images)
        out = program.folder / "out"
        in_flight: list[int] = []
        before: set[object] = set()
        for _ in range(kills):
            process = program.start(*run(gateway), BATCHER_API_KEY="sandbox")
            time.sleep(chance.uniform(0.3, 1.6))
            process.kill()
            process.wait()
            without_outcome = open_attempts(out)
            in_flight.append(len(without_outcome - before))
            before = without_outcome
        kept_before = len(check_kept(out)) if out.exists() else 0
        last = program(*run(gateway), BATCHER_API_KEY="sandbox")
        kept = check_kept(out)
        posts, announced = gateway.posts(), events(out, "attempt")
        again = sent_after_kept(out)
        gateway.stop()
    repeated = [n - 1 for n in count_by(posts, "prompt").values() if n > 1]
    print(f"{kills} kills, {images} images, {CONCURRENCY} at once")
    print(f"kept after the kills     {kept_before}")
    print(f"kept in the end          {len(kept)}, exit code {last.returncode}")
    print(f"in flight at the kills   {sum(in_flight)}, at most {max(in_flight)}")
    print(f"POSTs                    {len(posts)}, announced {len(announced)}")
    print(f"sent more than once      {len(repeated)} requests, {sum(repeated)} POSTs")
    print(f"kept and sent again      {again}")


def open_attempts(out: Path) -> set[object]:
    """Give the attempts that have no outcome."""
    attempts = {(line["id"], line["attempt"]) for line in events(out, "attempt")}
    ended = {(line["id"], line["attempts"]) for line in events(out, "result")}
    retried = {(line["id"], line["attempt"]) for line in events(out, "retry")}
    return set(attempts - ended - retried)


def sent_after_kept(out: Path) -> int:
    """Count the attempts of requests whose image was kept before."""
    kept: set[object] = set()
    count = 0
    for line in read_lines(out / "ledger.jsonl"):
        if line["event"] == "result" and line["status"] == "succeeded":
            kept.add(line["id"])
        count += line["event"] == "attempt" and line["id"] in kept
    return count


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))

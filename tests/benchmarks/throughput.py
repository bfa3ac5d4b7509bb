"""Compares the command with what one would use instead, as whole processes.

Run it with `python -m tests.benchmarks.throughput [CASE …] [--rounds N] [--json FILE]
[--plot FILE.svg] [--folder DIR]`. The programs take turns against one server, round by
round, so that a slow minute of the machine is shared by all.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import msgspec

from tests.benchmarks.plot import Bar, bars
from tests.benchmarks.process import BATCHER, PYTHON, run

HEADER = (
    f"{'images':15} {'program':13} {'images/s':>8} {'whole':>8} {'CPU ms':>8}"
    f" {'peak MB':>7} {'batcher':>7}"
)
OURS, SCRIPT, BARE, SDK = "batcher", "hand_written", "bare_client", "official_sdk"


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """What is generated.

    Attributes:
        title: For the table.
        server: Arguments of the bare server.
        at_once: Requests in flight.
        images: How many each program makes; the slow ones make fewer.
        ratios: What the command should reach, as multiples of others' pace.
        memory: MB it may hold at its peak.
    """

    title: str
    server: tuple[str, ...]
    at_once: int
    images: Mapping[str, int]
    ratios: Mapping[str, float]
    memory: float


CASES = {
    "small": Case(
        title="37 KB",
        server=("1024", "1024", "37000", "b64"),
        at_once=64,
        images={OURS: 2000, SCRIPT: 2000, BARE: 2000, SDK: 300},
        ratios={SCRIPT: 1.2, BARE: 0.6},
        memory=100,
    ),
    "large": Case(
        title="11.8 MB",
        server=("3840", "2160", "11800000", "b64"),
        at_once=32,
        images={OURS: 200, SCRIPT: 200, BARE: 200, SDK: 40},
        ratios={SCRIPT: 4.0, BARE: 0.7},
        memory=150,
    ),
    "url": Case(
        title="11.8 MB by URL",
        server=("3840", "2160", "11800000", "url"),
        at_once=32,
        images={OURS: 200, SCRIPT: 200, BARE: 200},
        ratios={SCRIPT: 2.0},
        memory=150,
    ),
}


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """One run of one program.

    Attributes:
        rate: Images a second, the program's start left out.
        whole_rate: Images a second of the whole process.
        cpu: Milliseconds of processor time per image, of the whole process.
        memory: MB at the peak.
    """

    rate: float
    whole_rate: float
    cpu: float
    memory: float


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """What one program did in one case.

    Attributes:
        typical: Medians of its samples; of the memory, the most.
        ratio: The command's pace as a multiple of this one's, median of the rounds.
        goal: What the ratio should be, if anything.
    """

    case: str
    program: str
    typical: Sample
    ratio: float
    goal: float | None


@contextmanager
def serving(case: Case) -> Iterator[str]:
    """Run the bare server, and give its base URL."""
    command = (PYTHON, "-m", "tests.benchmarks.bare_server", *case.server)
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            yield server.stdout.readline().strip()
        finally:
            server.terminate()


def measure(program: str, case: Case, base_url: str, folder: Path) -> Sample:
    """Run one program once, in a folder of its own."""
    images = case.images[program]
    ended = run(*command_of(program, case, base_url, folder))
    kept = [path for path in folder.rglob("*.png") if path.stat().st_size]
    if len(kept) != images:
        raise SystemExit(f"{program} kept {len(kept)} of {images}")
    empty(kept)
    told = json.loads(ended.printed)
    return Sample(
        rate=images / (told["seconds"] if program == OURS else told),
        whole_rate=images / ended.seconds,
        cpu=ended.cpu * 1000 / images,
        memory=ended.memory,
    )


def empty(files: list[Path]) -> None:
    """Free the space of files but not their inodes.

    For minutes after many files were removed, ext4 passes over their inodes one by one
    before it finds one for a new file (`recently_deleted` in fs/ext4/ialloc.c): the
    next program would measure that.
    """
    for path in files:
        os.truncate(path, 0)
    os.sync()


def command_of(
    program: str, case: Case, base_url: str, folder: Path
) -> tuple[str, ...]:
    """Say how to start a program; the command gets a manifest."""
    images, at_once = case.images[program], str(case.at_once)
    if program != OURS:
        name = f"tests.benchmarks.{program}"
        return (PYTHON, "-m", name, base_url, str(folder), str(images), at_once)
    manifest = folder / "manifest.csv"
    rows = (f"picture {n},{case.server[0]}x{case.server[1]},{n}" for n in range(images))
    manifest.write_text("\n".join(("prompt,size,name", *rows)))
    options = ("--base-url", base_url, "--out", str(folder / "out"), "--json")
    return (*BATCHER, "run", str(manifest), "--concurrency", at_once, *options)


def compare(case: Case, rounds: int, folder: Path) -> Iterator[Row]:
    """Let the programs take turns, and sum up."""
    samples: dict[str, list[Sample]] = {program: [] for program in case.images}
    with serving(case) as base_url:
        for _ in range(rounds):
            for program, taken in samples.items():
                own = Path(tempfile.mkdtemp(dir=folder))
                taken.append(measure(program, case, base_url, own))
    for program, taken in samples.items():
        pairs = zip(samples[OURS], taken, strict=True)
        yield Row(
            case=case.title,
            program=program,
            typical=Sample(
                rate=median(sample.rate for sample in taken),
                whole_rate=median(sample.whole_rate for sample in taken),
                cpu=median(sample.cpu for sample in taken),
                memory=max(sample.memory for sample in taken),
            ),
            ratio=median(ours.rate / other.rate for ours, other in pairs),
            goal=case.ratios.get(program),
        )


def show(row: Row, memory: float) -> str:
    """Write one line of the table."""
    goal = f"  of {row.goal:g}" if row.goal else ""
    if row.program == OURS:
        goal = f"  at most {memory:g} MB"
    typical = row.typical
    return (
        f"{row.case:15} {row.program:13} {typical.rate:8.1f} {typical.whole_rate:8.1f}"
        f" {typical.cpu:8.2f} {typical.memory:7.0f} {row.ratio:7.2f}{goal}"
    )


def main() -> None:
    """Print the table, and write it as JSON and as a plot if asked to."""
    parser = argparse.ArgumentParser(description="Compare the command with others.")
    parser.add_argument("cases", nargs="*", metavar="CASE", help=", ".join(CASES))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", help="on the disk to write to")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--plot", type=Path, metavar="FILE.svg")
    asked = parser.parse_args()
    rows: list[Row] = []
    print(HEADER)
    with tempfile.TemporaryDirectory(dir=asked.folder) as folder:
        for name in asked.cases or CASES:
            case = CASES[name]
            for row in compare(case, asked.rounds, Path(folder)):
                rows.append(row)
                print(show(row, case.memory), flush=True)
    if asked.json:
        asked.json.write_bytes(msgspec.json.format(msgspec.json.encode(rows)))
    if asked.plot:
        drawn = [Bar(row.case, row.program, row.typical.rate) for row in rows]
        asked.plot.write_text(bars("images a second", drawn))


if __name__ == "__main__":
    main()

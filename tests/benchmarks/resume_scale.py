"""Times the planning of a run whose requests are all kept, against bare loops.

Run it with `python -m tests.benchmarks.resume_scale [REQUESTS]`, a million by default.
A thousand image files stand for all.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from batcher.ledger import event
from batcher.manifest import Expansion, Problems, read_manifest
from batcher.models import Image, Request, Status
from tests.benchmarks.process import BATCHER, PYTHON, Ended, run

FILES = 1000
BYTES = 37_000
SIZE = "1024x1024"

PARSING = "import {0}, sys\nfor line in open(sys.argv[1], 'rb'): {0}.{1}(line)"
LOOPS = {
    "csv.DictReader over the manifest": (
        "manifest.csv",
        "import csv, sys\nfor _ in csv.DictReader(open(sys.argv[1])): pass",
    ),
    "json.loads over the ledger": (
        "out/ledger.jsonl",
        PARSING.format("json", "loads"),
    ),
    "msgspec over the ledger": (
        "out/ledger.jsonl",
        PARSING.format("msgspec", "json.decode"),
    ),
}
"""What each bare loop reads, and its program."""


def write_manifest(path: Path, requests: int) -> None:
    """Write a row for each request."""
    with path.open("w") as stream:
        stream.write("prompt,size,name,colour\n")
        for number in range(requests):
            row = f"A picture of the number {number},{SIZE},{number:07},red\n"
            stream.write(row)


def write_ledger(folder: Path, manifest: Path) -> None:
    """Write a ledger in which every request is kept, and the files it names."""
    folder.mkdir()
    for number in range(FILES):
        with (folder / f"{number}.png").open("wb") as file:
            file.truncate(BYTES)
    problems = Problems()
    read = read_manifest(str(manifest), problems)
    assert read is not None
    expansion = Expansion([read], model="gpt-image-2-pro", overrides={})
    with (folder / "ledger.jsonl").open("wb") as ledger:
        for number, request in enumerate(expansion):
            path = f"{number % FILES}.png"
            ledger.write(event.encode(attempt(request)))
            ledger.write(event.encode(result(request, path)))


def attempt(request: Request) -> event.Attempt:
    return event.Attempt(
        at=event.now(), id=request.id, name=request.name, attempt=1, endpoint="bare"
    )


def result(request: Request, path: str) -> event.Result:
    image = Image(
        index=0,
        path=path,
        bytes=BYTES,
        sha256="0" * 64,
        format="png",
        width=1024,
        height=1024,
    )
    return event.Result(
        at=event.now(),
        id=request.id,
        name=request.name,
        status=Status.SUCCEEDED,
        attempts=1,
        request=request.described(),
        vars=request.vars,
        images=(image,),
        latency=31.4,
    )


def show(name: str, ended: Ended, plan: Ended) -> str:
    """Write one line of the table."""
    ratio = plan.seconds / ended.seconds
    return f"{name:34} {ended.seconds:8.2f} {ended.memory:8.0f} {ratio:8.2f}"


def main(requests: int = 1_000_000) -> None:
    """Print the figures."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_manifest(folder / "manifest.csv", requests)
        write_ledger(folder / "out", folder / "manifest.csv")
        plan = run(
            *(*BATCHER, "plan", folder / "manifest.csv", "--out", folder / "out"),
            *("--base-url", "http://127.0.0.1:9/v1", "--json"),
        )
        assert f'"done":{requests}' in plan.printed, plan.printed
        print(f"{requests:<34,} {'seconds':>8} {'peak MB':>8} {'plan':>8}")
        print(show("batcher plan, nothing to do", plan, plan))
        for title, (path, program) in LOOPS.items():
            print(show(title, run(PYTHON, "-c", program, folder / path), plan))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))

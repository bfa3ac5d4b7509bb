from __future__ import annotations

import hashlib
import json
import random
import re
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.acceptance.program import (
    Gateway,
    Program,
    count_by,
    events,
    wait_until,
)

MANIFEST = """
name: many
defaults: {size: 1024x1024, quality: low}
settings: {concurrency: 16}
requests:
  - name: "image {{ i }}"
    prompt: "A postage stamp, number {{ i }}"
    matrix: {i: {range: [1, COUNT]}}
"""


def manifest(program: Program, count: int) -> Path:
    return program.write("many.yaml", MANIFEST.replace("COUNT", str(count)))


def run(gateway: Gateway) -> tuple[str, ...]:
    return ("run", "many.yaml", "--base-url", gateway.base_url, "--out", "out")


def check_kept(folder: Path) -> set[object]:
    """Check every kept image against its line; give the ids kept."""
    kept = set()
    for line in events(folder, "result"):
        if line["status"] != "succeeded":
            continue
        assert line["id"] not in kept, "an image was kept twice"
        kept.add(line["id"])
        images = line["images"]
        assert isinstance(images, list)
        for image in images:
            content = (folder / image["path"]).read_bytes()
            assert len(content) == image["bytes"]
            assert hashlib.sha256(content).hexdigest() == image["sha256"]
    return kept


def test_the_same_command_again_sends_nothing(
    program: Program, start_gateway: Callable[..., Gateway]
) -> None:
    gateway = start_gateway()
    manifest(program, 6)
    first = program(*run(gateway), "--json", BATCHER_API_KEY="sandbox")
    assert first.returncode == 0, first.stderr
    second = program(*run(gateway), "--json", BATCHER_API_KEY="sandbox")
    assert second.returncode == 0
    assert len(gateway.posts()) == 6
    summary = json.loads(second.stdout)
    assert (summary["total"], summary["succeeded"], summary["skipped"]) == (6, 6, 6)


def test_after_kills_at_random_instants_each_kept_image_was_bought_once(
    program: Program, start_gateway: Callable[..., Gateway]
) -> None:
    gateway = start_gateway("--latency", "0.05-0.4")
    manifest(program, 60)
    out = program.folder / "out"
    chance = random.Random(7)
    lost_in_flight = 0
    for _ in range(6):
        process = program.start(*run(gateway), BATCHER_API_KEY="sandbox")
        begun = len(gateway.posts())
        wait_until(lambda begun=begun: len(gateway.posts()) > begun + 2)  # type: ignore[misc]  # early bound
        try:
            process.wait(chance.uniform(0.0, 0.4))
        except subprocess.TimeoutExpired:
            process.kill()
        process.wait()
        kept = check_kept(out)
        open_attempts = {line["id"] for line in events(out, "attempt")} - kept
        lost_in_flight += min(16, len(open_attempts))
    last = program(*run(gateway), "--json", BATCHER_API_KEY="sandbox")
    assert last.returncode == 0, last.stderr
    assert len(check_kept(out)) == 60
    assert not list(out.glob(".partial/*"))
    # Every POST was announced before it left, and none was sent for a kept image.
    announced = len(events(out, "attempt"))
    posts = gateway.posts()
    assert len(posts) <= announced
    assert len(posts) - 60 <= lost_in_flight
    assert max(count_by(posts, "prompt").values()) <= 7


def test_a_deleted_image_is_made_again_and_no_other(
    program: Program, start_gateway: Callable[..., Gateway]
) -> None:
    gateway = start_gateway()
    manifest(program, 4)
    assert program(*run(gateway), BATCHER_API_KEY="sandbox").returncode == 0
    (program.folder / "out" / "image 2.png").unlink()
    again = program(*run(gateway), BATCHER_API_KEY="sandbox")
    assert again.returncode == 0
    assert "bought before are gone or changed; about $" in again.stderr
    assert len(gateway.posts()) == 5
    assert (program.folder / "out" / "image 2.png").is_file()


def test_a_run_that_was_killed_says_what_may_have_been_billed(
    program: Program, start_gateway: Callable[..., Gateway]
) -> None:
    gateway = start_gateway("--latency", "30")
    manifest(program, 3)
    process = program.start(*run(gateway), BATCHER_API_KEY="sandbox")
    wait_until(lambda: len(gateway.posts()) == 3)
    process.kill()
    process.wait()
    status = program("status", "out", "--json")
    summary = json.loads(status.stdout)
    assert summary["unknown"] == 3
    assert summary["maybe_billed_usd"] > 0
    skipped = program(*run(gateway), "--on-unknown", "skip", BATCHER_API_KEY="sandbox")
    assert skipped.returncode == 1
    assert len(gateway.posts()) == 3
    assert "maybe billed" in skipped.stdout
    billed = f"{summary['maybe_billed_usd']:.4f}"
    told = f"the outcome of 3 requests is not known, ${billed} may have been billed"
    assert f"{told}; what is not found whole is left alone" in skipped.stderr
    one = ("--where", "name='image 1'", "--retry", "none")
    first = program(*run(gateway), *one, BATCHER_API_KEY="sandbox")
    billed = f"{summary['maybe_billed_usd'] / 3:.4f}"
    told = f"the outcome of 1 request is not known, ${billed} may have been billed"
    assert f"{told}; what is not found whole is left alone" in first.stderr


@pytest.mark.parametrize("signal_name", ["SIGINT", "SIGTERM"])
def test_the_first_signal_lets_what_is_in_flight_finish(
    program: Program, start_gateway: Callable[..., Gateway], signal_name: str
) -> None:
    gateway = start_gateway("--latency", "0.5")
    manifest(program, 40)
    process = program.start(
        *run(gateway), "--concurrency", "4", "--json", BATCHER_API_KEY="sandbox"
    )
    wait_until(lambda: len(gateway.posts()) == 4)
    process.send_signal(getattr(signal, signal_name))
    process.wait(timeout=30)
    summary = json.loads(program.printed())
    assert process.returncode == {"SIGINT": 130, "SIGTERM": 143}[signal_name]
    assert summary["exit_code"] == process.returncode
    sent = len(gateway.posts())
    assert 4 <= sent < 40
    assert (summary["succeeded"], summary["pending"]) == (sent, 40 - sent)
    assert summary["unknown"] == 0


def test_the_second_signal_cancels_and_marks_unknown(
    program: Program, start_gateway: Callable[..., Gateway]
) -> None:
    gateway = start_gateway("--latency", "30")
    manifest(program, 8)
    process = program.start(
        *run(gateway), "--concurrency", "3", BATCHER_API_KEY="sandbox"
    )
    wait_until(lambda: len(gateway.posts()) == 3)
    process.send_signal(signal.SIGINT)
    wait_until(lambda: "3 in flight" in program.printed("stderr"))
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=20) == 130
    output = program.printed()
    assert "unknown           3" in output
    assert re.search(r"^to go on: .*batcher run many\.yaml", output, re.MULTILINE)
    assert len(events(program.folder / "out", "unknown")) == 3

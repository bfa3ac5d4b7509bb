"""One manifest on many workers, as a user would run it."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable

import psutil
import pytest

from tests.acceptance.program import SECONDS, Gateway, Program, events, wait_until

MANIFEST = """
defaults: {size: "1:1"}
settings: {lease: 3}
requests:
  - {name: "fox {{ i }}", prompt: "fox {{ i }}", matrix: {i: {range: [1, 24]}}}
"""
ENGINES = ("processes", "dask", "ray")
KEY = {"BATCHER_API_KEY": "sandbox", "RAY_AUTH_TOKEN": "t" * 32}


def flags(gateway: Gateway, engine: str) -> tuple[str, ...]:
    place = ("--base-url", gateway.base_url, "--out", "out")
    return (*place, "--engine", engine, "--workers", "2", "--shards", "4")


@pytest.mark.parametrize("engine", ENGINES)
def test_every_image_is_made_once_by_the_workers_of(
    engine: str, program: Program, start_gateway: Callable[..., Gateway]
) -> None:
    gateway = start_gateway()
    program.write("m.yaml", MANIFEST)
    command = ("run", "m.yaml", *flags(gateway, engine), "--json")
    done = program(*command, **KEY)
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert (summary["total"], summary["succeeded"], summary["images"]) == (24, 24, 24)
    assert len(gateway.posts()) == 24
    assert "4 shards done" in done.stderr or "shard 4 has ended" in done.stderr
    again = program(*command, **KEY)
    assert again.returncode == 0, again.stderr
    assert json.loads(again.stdout)["skipped"] == 24
    assert len(gateway.posts()) == 24
    assert program("verify", "out", "--deep").returncode == 0


def test_a_killed_workers_shard_goes_on_elsewhere(
    program: Program, start_gateway: Callable[..., Gateway]
) -> None:
    gateway = start_gateway("--latency", "0.3")
    program.write("m.yaml", MANIFEST)
    run = program.start("run", "m.yaml", *flags(gateway, "processes"), **KEY)
    wait_until(lambda: len(gateway.posts()) > 2)
    shard = next(
        child
        for child in psutil.Process(run.pid).children(recursive=True)
        if any("--shard" in word for word in child.cmdline())
    )
    os.kill(shard.pid, signal.SIGKILL)
    assert run.wait(SECONDS) == 0, program.printed("stderr")
    out = program.folder / "out"
    kept = [line["id"] for line in events(out, "result")]
    assert len(kept) == len(set(kept)) == 24
    assert "again" in program.printed("stderr")


def test_an_interruption_drains_every_worker(
    program: Program, start_gateway: Callable[..., Gateway]
) -> None:
    gateway = start_gateway("--latency", "0.5")
    program.write("m.yaml", MANIFEST)
    command = ("run", "m.yaml", *flags(gateway, "processes"), "--concurrency", "2")
    run = program.start(*command, "--json", **KEY)
    wait_until(lambda: len(gateway.posts()) > 2)
    run.send_signal(signal.SIGINT)
    assert run.wait(SECONDS) == 130, program.printed("stderr")
    summary = json.loads(program.printed())
    assert summary["stopped"]["class"] == "interrupted"
    assert summary["unknown"] == 0
    posts = len(gateway.posts())
    assert summary["succeeded"] == posts < 24
    assert program(*command, **KEY).returncode == 0
    assert len(gateway.posts()) == 24


def test_a_wrong_key_stops_every_worker(
    program: Program, start_gateway: Callable[..., Gateway]
) -> None:
    gateway = start_gateway()
    program.write("m.yaml", MANIFEST)
    wrong = KEY | {"BATCHER_API_KEY": "someone-elses"}
    done = program("run", "m.yaml", *flags(gateway, "processes"), "--json", **wrong)
    assert done.returncode == 3, done.stderr
    assert json.loads(done.stdout)["stopped"]["class"] == "auth"
    assert "someone-elses" not in done.stderr + done.stdout


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (("--first", "3"), "--first"),
        (("--shard", "1/2"), "--shard"),
        (("--canary", "2"), "--canary"),
        (("--watch",), "--watch"),
        (("--force", "--where", "name~fox*"), "--force"),
        (("--scheduler", "tcp://127.0.0.1:1"), "--scheduler"),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_what_shards_cannot_do_is_refused_before_anything_is_sent(
    given: tuple[str, ...], words: str, program: Program
) -> None:
    program.write("m.yaml", MANIFEST)
    place = ("--endpoint", "sandbox", "--engine", "processes", "--workers", "2")
    done = program("run", "m.yaml", *place, *given)
    assert done.returncode == 2
    assert words in done.stderr
    assert not (program.folder / "runs" / "m" / "ledger.jsonl").exists()


def test_a_scheduler_that_does_not_answer_is_named(program: Program) -> None:
    program.write("m.yaml", MANIFEST)
    address = ("--engine", "dask", "--scheduler", "tcp://127.0.0.1:1")
    done = program("run", "m.yaml", "--endpoint", "sandbox", *address)
    assert done.returncode == 2, done.stderr
    assert "127.0.0.1:1" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_order_reaches_the_shards_that_come_later(
    program: Program, start_gateway: Callable[..., Gateway]
) -> None:
    gateway = start_gateway("--latency", "0.4")
    program.write("m.yaml", MANIFEST)
    place = ("--base-url", gateway.base_url, "--out", "out", "--engine", "processes")
    cut = ("--workers", "1", "--shards", "12", "--concurrency", "1")
    run = program.start("run", "m.yaml", *place, *cut, "--json", **KEY)
    wait_until(lambda: len(gateway.posts()) > 2)
    wait_until(lambda: program("ctl", "out", "stop").returncode == 0)
    assert run.wait(SECONDS) == 3, program.printed("stderr")
    assert len(gateway.posts()) < 20
    summary = json.loads(program.printed())
    assert summary["succeeded"] == len(gateway.posts())
    assert "by hand" in summary["stopped"]["message"]


def test_what_was_selected_by_its_status_is_counted_as_it_ended(
    program: Program, start_gateway: Callable[..., Gateway]
) -> None:
    gateway = start_gateway()
    program.write("m.yaml", MANIFEST)
    first = ("run", "m.yaml", "--base-url", gateway.base_url, "--out", "out")
    assert program(*first, "--first", "20", **KEY).returncode == 0
    rest = ("--engine", "processes", "--workers", "2", "--shards", "2")
    done = program(*first, *rest, "--where", "status=new", "--json", **KEY)
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert (summary["total"], summary["succeeded"]) == (4, 4)
    assert len(gateway.posts()) == 24

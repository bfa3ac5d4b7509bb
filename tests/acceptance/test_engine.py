"""One manifest on many workers, as a user would run it."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from functools import partial

import psutil
import pytest

from tests.acceptance.program import SECONDS, Gateway, Program, events, wait_until

MANIFEST = """
defaults: {size: "1:1"}
settings: {lease: 6}
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
    place = ("--base-url", gateway.base_url, "--out", "out")
    again = program("run", "m.yaml", *place, "--json", **KEY)
    assert again.returncode == 0, again.stderr
    assert json.loads(again.stdout)["skipped"] == 24
    assert len(gateway.posts()) == 24
    assert program("verify", "out", "--deep").returncode == 0


def test_a_killed_workers_shard_goes_on_elsewhere(
    program: Program, start_gateway: Callable[..., Gateway]
) -> None:
    gateway = start_gateway("--latency", "0.3")
    program.write("m.yaml", MANIFEST)
    command = ("run", "m.yaml", *flags(gateway, "processes"), "--concurrency", "1")
    run = program.start(*command, **KEY)
    wait_until(lambda: len(gateway.posts()) > 2)
    os.kill(shard_of(run.pid), signal.SIGKILL)
    assert run.wait(SECONDS) == 0, program.printed("stderr")
    out = program.folder / "out"
    kept = [line["id"] for line in events(out, "result")]
    assert len(kept) == len(set(kept)) == 24
    assert "again" in program.printed("stderr")


def test_a_killed_driver_s_workers_let_come_in_what_is_paid_for(
    program: Program, start_gateway: Callable[..., Gateway]
) -> None:
    gateway = start_gateway("--latency", "1")
    program.write("m.yaml", MANIFEST)
    command = ("run", "m.yaml", *flags(gateway, "processes"), "--concurrency", "3")
    run = program.start(*command, **KEY)
    wait_until(lambda: len(gateway.posts()) > 5)
    shards = psutil.Process(run.pid).children()
    os.kill(run.pid, signal.SIGKILL)
    run.wait()
    psutil.wait_procs(shards, timeout=SECONDS)
    out = program.folder / "out"
    assert not events(out, "unknown")
    assert len(events(out, "result")) == len(gateway.posts()) < 24
    assert program(*command, **KEY).returncode == 0
    assert len(gateway.posts()) == 24


def test_a_closed_terminal_drains_a_run(
    program: Program, start_gateway: Callable[..., Gateway]
) -> None:
    gateway = start_gateway("--latency", "1")
    program.write("m.yaml", MANIFEST)
    place = ("--base-url", gateway.base_url, "--out", "out", "--concurrency", "3")
    run = program.start("run", "m.yaml", *place, **KEY)
    wait_until(lambda: len(gateway.posts()) > 2)
    for _ in range(3):
        run.send_signal(signal.SIGHUP)
    assert run.wait(SECONDS) == 129, program.printed("stderr")
    out = program.folder / "out"
    assert not events(out, "unknown")
    assert len(events(out, "result")) == len(gateway.posts()) < 24


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


def test_what_no_shard_can_begin_with_is_told_as_if_it_were_one_run(
    program: Program, start_gateway: Callable[..., Gateway]
) -> None:
    gateway = start_gateway()
    program.write("m.yaml", MANIFEST)
    done = program("run", "m.yaml", *flags(gateway, "processes"), "--json")
    assert (done.returncode, done.stdout) == (2, "")
    assert "has no key" in done.stderr.splitlines()[-1]
    assert gateway.posts() == []


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
    address = ("--engine", "ray", "--scheduler", "127.0.0.1:1")
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
    assert summary["stopped"]["class"] == "interrupted"
    assert "by hand" in summary["stopped"]["message"]


def test_an_order_is_taken_while_no_shard_lives(
    program: Program, start_gateway: Callable[..., Gateway]
) -> None:
    gateway = start_gateway("--latency", "0.4")
    program.write("m.yaml", MANIFEST)
    place = ("--base-url", gateway.base_url, "--out", "out", "--engine", "processes")
    cut = ("--workers", "1", "--shards", "1", "--concurrency", "1")
    run = program.start("run", "m.yaml", *place, *cut, "--json", **KEY)
    wait_until(lambda: len(gateway.posts()) > 2)
    os.kill(shard_of(run.pid), signal.SIGKILL)

    def is_idle() -> bool:
        found = json.loads(program("ctl", "out", "status", "--json").stdout)
        return (found["workers"], found["in_flight"]) == (0, 0)

    wait_until(is_idle)
    assert program("ctl", "out", "stop").returncode == 0
    assert run.wait(SECONDS) == 3, program.printed("stderr")
    stopped = json.loads(program.printed())["stopped"]
    assert (stopped["class"], "by hand" in stopped["message"]) == ("interrupted", True)
    assert not (program.folder / "out" / "fleet" / "driver").exists()
    assert program("ctl", "out", "pause").returncode == 2


def test_a_fleet_says_what_a_run_of_one_says(
    program: Program, start_gateway: Callable[..., Gateway]
) -> None:
    """Its log lines and its `ctl status` have the same fields."""
    gateway = start_gateway("--latency", "0.6", "--faults", "server=0.2,moderation=0.1")
    program.write("m.yaml", MANIFEST)
    alone = ("--base-url", gateway.base_url, "--out", "alone", "--concurrency", "3")
    lines, fields = {}, {}
    for out, flags_ in (("alone", alone), ("out", flags(gateway, "processes"))):
        run = program.start("run", "m.yaml", *flags_, "--log-format", "json", **KEY)
        sent = len(gateway.posts()) + 2
        wait_until(partial(has_sent, gateway, sent))
        status = program("ctl", out, "status", "--json")
        fields[out] = set(json.loads(status.stdout))
        assert run.wait(SECONDS) in {0, 1}, program.printed("stderr")
        logged = [json.loads(line) for line in program.printed("stderr").splitlines()]
        lines[out] = {line["event"]: set(line) for line in logged}
        ended = [line["id"] for line in logged if line["event"] == "ended"]
        assert len(ended) == len(set(ended)) == 24
    states = {"succeeded", "failed", "rejected", "unknown", "pending"}
    assert fields["out"] - states == fields["alone"] - states | {"workers", "shards"}
    for event in ("started", "retry", "ended"):
        assert lines["out"][event] == lines["alone"][event]


def has_sent(gateway: Gateway, number: int) -> bool:
    return len(gateway.posts()) >= number


def shard_of(driver: int) -> int:
    """Give the process of a shard that a driver has begun."""
    children = psutil.Process(driver).children(recursive=True)
    return next(
        child.pid
        for child in children
        if any("--shard" in word for word in child.cmdline())
    )


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

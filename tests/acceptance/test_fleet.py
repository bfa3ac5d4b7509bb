"""Several workers of one run directory, as processes that are killed and frozen."""

from __future__ import annotations

import json
import signal
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from filelock import FileLock

from batcher.ledger.reader import raw_lines
from batcher.ledger.shared_writer import LINE_LOCK_NAME, PATIENCE
from batcher.stores import open_directory
from tests.acceptance.program import (
    Gateway,
    Program,
    count_by,
    read_lines,
    wait_until,
)
from tests.integration.object_server import asked, faithful_server, odd_server

MANIFEST = """
name: many
defaults: {size: 1024x1024, quality: low}
settings: {concurrency: 2, lease: 10}
requests:
  - name: "image {{ i }}"
    prompt: "A postage stamp, number {{ i }}"
    matrix: {i: {range: [1, COUNT]}}
"""
PRICE = 0.0061
"""USD that one of these images may cost at most."""

Start = Callable[..., Gateway]


class Worker:
    """One process that works on a shard, in a folder of its own."""

    def __init__(self, out: str, gateway: Gateway, *flags: str) -> None:
        self._out = out
        self._flags = flags
        self._url = gateway.base_url
        self._folder = Path(gateway.journal).parent / uuid.uuid4().hex[:8]
        self._folder.mkdir()
        self._program = Program(self._folder)
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, **environment: str) -> Worker:
        """Start it."""
        self.process = self._program.start(
            *("run", self._folder.parent / "many.yaml", "--out", self._out, "--json"),
            *("--base-url", self._url, *self._flags),
            BATCHER_API_KEY="sandbox",
            **environment,
        )
        return self

    def run(self, **environment: str) -> Worker:
        """Run it to its end."""
        return self.start(**environment).waited()

    def waited(self) -> Worker:
        """Wait for its end."""
        assert self.process is not None
        self.process.wait(60)
        return self

    def send(self, number: int) -> None:
        """Send it a signal."""
        assert self.process is not None
        self.process.send_signal(number)

    @property
    def code(self) -> int | None:
        """How it ended; None while it lives."""
        assert self.process is not None
        return self.process.poll()

    @property
    def words(self) -> str:
        """What it said to people."""
        return self._program.printed("stderr")

    @property
    def summary(self) -> Mapping[str, object]:
        """What it said to programs."""
        found: Mapping[str, object] = json.loads(self._program.printed())
        return found


@pytest.fixture(scope="module")
def store() -> Iterator[str]:
    with faithful_server() as origin:
        yield origin


@pytest.fixture
def credentials(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "made-up-key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "made-up-secret")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    return monkeypatch


@pytest.fixture
def bucket(store: str, credentials: pytest.MonkeyPatch) -> str:
    credentials.setenv("AWS_ENDPOINT_URL", store)
    name = f"bucket-{uuid.uuid4().hex[:12]}"
    asked("PUT", f"{store}/{name}")
    return f"s3://{name}/out"


@pytest.fixture
def out(tmp_path: Path) -> str:
    return str(tmp_path / "out")


def manifest(program: Program, count: int) -> None:
    program.write("many.yaml", MANIFEST.replace("COUNT", str(count)))


def events(out: str, name: str) -> list[dict[str, object]]:
    lines = [json.loads(raw) for _, raw in raw_lines(open_directory(out))]
    return [line for line in lines if line["event"] == name]


def kept(out: str) -> set[object]:
    """Name the requests that the ledger says are kept."""
    lines = events(out, "result")
    return {line["name"] for line in lines if line["status"] == "succeeded"}


def is_idle(gateway: Gateway) -> bool:
    """Tell whether every POST that came has been answered."""
    lines = read_lines(gateway.journal)
    return 2 * len(gateway.posts()) == len(lines)


def check_whole(program: Program, out: str, count: int) -> None:
    """Check what the reading commands say of a run of several workers."""
    status = json.loads(program("status", out, "--json").stdout)
    assert (status["succeeded"], status["unknown"]) == (count, 0)
    verified = program("verify", out, "--deep")
    assert verified.returncode == 0, verified.stdout
    listed = program("list", out, "--json").stdout
    assert listed.count('"succeeded"') == count


@pytest.mark.parametrize("place", ["out", "bucket"])
def test_two_shards_at_once_make_each_image_once(
    start_gateway: Start, request: pytest.FixtureRequest, tmp_path: Path, place: str
) -> None:
    out = request.getfixturevalue(place)
    program = Program(tmp_path)
    gateway = start_gateway("--latency", "0.1-0.3")
    manifest(program, 12)
    workers = [Worker(out, gateway, "--shard", f"{n}/2").start() for n in (1, 2)]
    for worker in workers:
        assert worker.waited().code == 0, worker.words
    assert sorted(count_by(gateway.posts(), "prompt").values()) == [1] * 12
    assert len(kept(out)) == 12
    check_whole(program, out, 12)
    sums = [worker.summary for worker in workers]
    assert (
        sum(int(str(each["attempts"])) for each in sums) == 12
    )  # each its own, not the other's
    assert [each["maybe_billed_usd"] for each in sums] == [0, 0]


def test_a_killed_shard_goes_on_at_once_and_repairs_the_line_it_tore(
    program: Program, start_gateway: Start, out: str
) -> None:
    gateway = start_gateway("--latency", "0.1-0.4")
    manifest(program, 16)
    flags = ("--shard", "1/2", "--set", "watermark=false")
    patient = {"BATCHER_LEASE": "600"}
    first = Worker(out, gateway, *flags).start(**patient)
    wait_until(lambda: len(gateway.posts()) > 3)
    first.send(signal.SIGKILL)
    first.waited()
    before = kept(out)
    with (Path(out) / "ledger.jsonl").open("ab") as ledger:
        ledger.write(b'{"event":"attempt","at":"2026-11-')
    second = Worker(out, gateway, *flags).run(**patient)
    assert second.code == 0, second.words
    sent = count_by(gateway.posts(), "prompt")
    assert all(
        sent[f"A postage stamp, number {str(n).split()[1]}"] == 1 for n in before
    )
    assert max(sent.values()) <= 2
    assert sum(sent.values()) - len(sent) <= 2
    assert len(kept(out)) == len(sent)
    assert program("verify", out).returncode == 0


def test_a_frozen_shard_is_taken_over_and_once_thawed_sends_nothing_more(
    program: Program, start_gateway: Start, out: str
) -> None:
    gateway = start_gateway("--latency", "0.3")
    manifest(program, 16)
    short = {"BATCHER_LEASE": "5"}
    frozen = Worker(out, gateway, "--shard", "1/2").start(**short)
    wait_until(lambda: len(gateway.posts()) > 3)
    frozen.send(signal.SIGSTOP)
    refused = Worker(out, gateway, "--shard", "1/2").run(**short)
    assert refused.code == 2
    assert "is held by process" in refused.words
    others = [Worker(out, gateway, "--shard", "1/2").run(**short)]
    while others[-1].code == 2:
        others.append(Worker(out, gateway, "--shard", "1/2").run(**short))
    assert others[-1].code == 0, others[-1].words
    posts = len(gateway.posts())
    frozen.send(signal.SIGCONT)
    assert frozen.waited().code == 3
    assert "no longer held" in str(frozen.summary["stopped"])
    assert len(gateway.posts()) == posts
    assert max(count_by(gateway.posts(), "prompt").values()) <= 2
    assert program("verify", out).returncode in {0, 1}
    again = Worker(out, gateway, "--shard", "1/2").run(**short)
    assert (again.code, len(gateway.posts())) == (0, posts)


def test_a_line_lock_that_another_holds_for_ever_stops_a_run_once(
    program: Program, start_gateway: Start, out: str
) -> None:
    gateway = start_gateway("--latency", "1")
    manifest(program, 24)
    flags = ("--shard", "1/2", "--concurrency", "4")
    worker = Worker(out, gateway, *flags).start(BATCHER_LEASE="60")
    wait_until(lambda: len(gateway.posts()) == 4)
    with FileLock(Path(out) / LINE_LOCK_NAME):
        started = time.monotonic()
        assert worker.waited().code == 3
        assert time.monotonic() - started < 3 * PATIENCE
    assert "it is frozen; end it" in str(worker.summary["stopped"])
    assert (len(gateway.posts()), len(kept(out))) == (4, 0)
    again = Worker(out, gateway, *flags).run()
    assert again.code == 0, again.words
    assert set(count_by(gateway.posts(), "prompt").values()) == {1}
    assert len(kept(out)) == len(gateway.posts()) > 4


def test_what_overlaps_with_a_shard_that_lives_is_refused(
    program: Program, start_gateway: Start, out: str
) -> None:
    gateway = start_gateway("--latency", "30")
    manifest(program, 8)
    living = Worker(out, gateway, "--shard", "1/2").start(BATCHER_LEASE="20")
    wait_until(lambda: len(gateway.posts()) == 2)
    words = {
        ("--shard", "1/3"): "shards of different numbers overlap",
        ("--shard", "1/2"): "is held by process",
        (): "shard 0001-of-0002 of it is being worked on",
    }
    for flags, reason in words.items():
        other = Worker(out, gateway, *flags).run(BATCHER_LEASE="20")
        assert (other.code, reason in other.words) == (2, True), other.words
    living.send(signal.SIGKILL)
    living.waited()
    assert len(gateway.posts()) == 2
    whole = Worker(out, gateway).start()
    wait_until(lambda: len(gateway.posts()) == 4)
    shard = Worker(out, gateway, "--shard", "2/2").run()
    assert (shard.code, len(gateway.posts())) == (2, 4)
    assert "another run is writing" in shard.words
    whole.send(signal.SIGKILL)
    whole.waited()


def test_one_limit_holds_for_all_that_work_at_once(
    program: Program, start_gateway: Start, out: str
) -> None:
    gateway = start_gateway("--latency", "0.05-0.2")
    manifest(program, 40)
    flags = ("--max-spend", str(PRICE * 15))
    workers = [
        Worker(out, gateway, "--shard", f"{n}/2", *flags).start() for n in (1, 2)
    ]
    for worker in workers:
        assert worker.waited().code == 3, worker.words
    assert 8 <= len(gateway.posts()) <= 15
    for worker in workers:
        assert "max_spend of the whole fleet" in str(worker.summary["stopped"])


def test_orders_reach_all(program: Program, start_gateway: Start, out: str) -> None:
    gateway = start_gateway("--latency", "0.3")
    manifest(program, 200)
    workers = [Worker(out, gateway, "--shard", f"{n}/2").start() for n in (1, 2)]
    wait_until(lambda: len(events(out, "run")) == 2 and len(gateway.posts()) > 4)
    assert program("ctl", out, "pause").returncode == 0
    wait_until(lambda: is_idle(gateway))
    paused_at = len(gateway.posts())
    assert program("ctl", out, "concurrency", "1").returncode == 0
    assert program("ctl", out, "resume").returncode == 0
    wait_until(lambda: len(gateway.posts()) > paused_at + 4)
    lines = read_lines(gateway.journal)
    begun = [each["number"] for each in lines].index(paused_at + 1)
    out_now = most = 0
    for line in lines[begun:]:
        out_now += 1 if line["event"] == "post" else -1
        most = max(most, out_now)
    assert most <= 2
    refused = program("ctl", out, "max-spend", "3")
    assert (refused.returncode, "began without max_spend" in refused.stderr) == (
        2,
        True,
    )
    told = program("ctl", out, "stop")
    assert (told.returncode, "workers        2" in told.stdout) == (0, True)
    for worker in workers:
        assert worker.waited().code in {3, 143}, worker.words
        assert worker.summary["unknown"] == 0
    assert len(gateway.posts()) < 200


def test_a_store_that_gives_one_name_to_two_is_refused(
    program: Program, start_gateway: Start, credentials: pytest.MonkeyPatch
) -> None:
    with odd_server() as (origin, _):
        credentials.setenv("AWS_ENDPOINT_URL", origin)
        gateway = start_gateway()
        manifest(program, 2)
        worker = Worker("s3://careless/out", gateway, "--shard", "1/2").run()
    assert worker.code == 2
    assert "gives one name to two writers" in worker.words
    assert not gateway.posts()


def test_schedulers_say_which_shard_is_meant(
    program: Program, start_gateway: Start, out: str
) -> None:
    gateway = start_gateway()
    manifest(program, 8)
    slurm = {
        "SLURM_ARRAY_TASK_ID": "3",
        "SLURM_ARRAY_TASK_MIN": "3",
        "SLURM_ARRAY_TASK_MAX": "4",
        "SLURM_ARRAY_TASK_COUNT": "2",
    }
    kubernetes = {"JOB_COMPLETION_INDEX": "1", "BATCHER_SHARDS": "2"}
    for environment in (slurm, kubernetes):
        worker = Worker(out, gateway, "--shard", "auto").run(**environment)
        assert worker.code == 0, worker.words
    assert sorted(count_by(gateway.posts(), "prompt").values()) == [1] * 8
    lost = Worker(out, gateway, "--shard", "auto").run()
    assert (lost.code, "JOB_COMPLETION_INDEX" in lost.words) == (2, True)

from __future__ import annotations

import json
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest

from tests.acceptance.program import Gateway, Program, events, wait_until

TEN = (
    "requests: [{prompt: 'n {{ i }}', name: 'n{{ i }}', matrix: {i: {range: [1, 10]}}}]"
)
SANDBOX = ("--endpoint", "sandbox", "--out", "out")


def test_a_canary_stops_until_somebody_agrees(program: Program) -> None:
    program.write("m.yaml", TEN)
    first = program("run", "m.yaml", *SANDBOX, "--canary", "3", "--json")
    summary = json.loads(first.stdout)
    assert first.returncode == 3
    assert (summary["succeeded"], summary["pending"]) == (3, 7)
    assert summary["stopped"]["class"] == "canary"
    assert "each" in first.stderr
    text = program("run", "m.yaml", *SANDBOX, "--canary", "3")
    assert text.stdout.splitlines()[-1].endswith("--canary 3 --yes")
    agreed = program("run", "m.yaml", *SANDBOX, "--canary", "3", "--yes", "--json")
    assert agreed.returncode == 0
    assert json.loads(agreed.stdout)["succeeded"] == 10


@pytest.mark.parametrize("agreed", [(), ("--yes",)], ids=["nobody", "yes"])
def test_a_canary_that_was_all_there_is_needs_nobody(
    program: Program, agreed: tuple[str, ...]
) -> None:
    program.write("m.yaml", TEN)
    done = program("run", "m.yaml", *SANDBOX, "--canary", "10", *agreed, "--json")
    summary = json.loads(done.stdout)
    assert (done.returncode, summary["stopped"]) == (0, None)
    assert (summary["succeeded"], summary["skipped"]) == (10, 0)
    assert len(events(program.folder / "out", "run")) == 1


def test_the_end_is_told_to_a_command(program: Program) -> None:
    program.write("m.yaml", TEN)
    told = program.folder / "told.json"
    done = program("run", "m.yaml", *SANDBOX, "--on-end", f"cat > '{told}'")
    assert done.returncode == 0
    assert json.loads(told.read_text())["succeeded"] == 10


def test_a_command_that_fails_does_not_change_how_the_run_ended(
    program: Program,
) -> None:
    program.write("m.yaml", TEN)
    done = program("run", "m.yaml", *SANDBOX, "--on-end", "exit 7")
    assert done.returncode == 0
    assert "exit code 7" in done.stderr


def test_the_end_is_told_to_a_webhook(program: Program) -> None:
    told: list[bytes] = []

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            told.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    program.write("m.yaml", TEN)
    with HTTPServer(("127.0.0.1", 0), Hook) as server:
        thread = Thread(target=server.handle_request)
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}/hook"
        done = program("run", "m.yaml", *SANDBOX, "--webhook", url)
        thread.join()
    assert done.returncode == 0
    assert json.loads(told[0])["total"] == 10


def test_the_log_can_be_json_lines(program: Program) -> None:
    program.write("m.yaml", TEN)
    done = program("run", "m.yaml", *SANDBOX, "--log-format", "json")
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    ended = [line for line in lines if line["event"] == "ended"]
    assert len(ended) == 10
    assert all(line["status"] == "succeeded" and line["paths"] for line in ended)


def test_check_asks_the_gateway_and_sends_nothing(
    program: Program, start_gateway: Callable[..., Gateway]
) -> None:
    gateway = start_gateway("--balance", "0.01")
    program.write("m.yaml", TEN)
    command = ("run", "m.yaml", "--base-url", gateway.base_url, "--check")
    done = program(*command, BATCHER_API_KEY="sandbox")
    assert done.returncode == 3
    assert "$0.01 is left" in done.stdout
    assert gateway.posts() == []
    assert not (program.folder / "runs").exists()
    wrong = program(*command, BATCHER_API_KEY="wrong")
    assert "refuses the key" in wrong.stdout


def test_a_running_night_is_paused_slowed_and_stopped(
    program: Program, start_gateway: Callable[..., Gateway]
) -> None:
    gateway = start_gateway("--latency", "0.3")
    program.write("m.yaml", TEN.replace("10", "400"))
    command = ("run", "m.yaml", "--base-url", gateway.base_url, "--out", "out")
    process = program.start(*command, "--json", BATCHER_API_KEY="sandbox")
    wait_until(lambda: len(gateway.posts()) > 8)
    paused = json.loads(program("ctl", "out", "pause", "--json").stdout)
    assert paused["paused"] == "by hand"
    wait_until(lambda: status(program)["in_flight"] == 0)
    seen = len(gateway.posts())
    assert status(program)["in_flight"] == 0
    assert len(gateway.posts()) == seen
    assert program("ctl", "out", "concurrency", "2").returncode == 0
    assert program("ctl", "out", "resume").returncode == 0
    wait_until(lambda: len(gateway.posts()) > seen + 4)
    assert status(program)["concurrency"] == 2
    refused = program("ctl", "out", "concurrency", "none")
    assert refused.returncode == 2
    assert program("ctl", "out", "stop").returncode == 0
    assert process.wait(timeout=30) == 3
    summary = json.loads(program.printed())
    assert summary["unknown"] == 0
    assert summary["pending"] > 0
    commands = [line["command"] for line in events(program.folder / "out", "control")]
    assert commands == ["pause", "concurrency", "resume", "stop"]
    gone = program("ctl", "out", "status")
    assert gone.returncode == 2
    assert "no run is going on" in gone.stderr


def status(program: Program) -> dict[str, object]:
    reply: dict[str, object] = json.loads(
        program("ctl", "out", "status", "--json").stdout
    )
    return reply


@pytest.mark.parametrize("flag", ["--max-images", "--max-time"])
def test_other_limits_stop_the_run_too(program: Program, flag: str) -> None:
    program.write("m.yaml", TEN.replace("10", "300"))
    value = "5" if flag == "--max-images" else "1"
    done = program("run", "m.yaml", *SANDBOX, flag, value, "--latency", "0.2", "--json")
    summary = json.loads(done.stdout)
    assert done.returncode == 3
    assert summary["stopped"]["class"] == "spend"
    assert 0 < summary["succeeded"] < 300
    if flag == "--max-images":
        assert summary["images"] == 5


def test_a_class_may_stop_the_run(program: Program) -> None:
    text = TEN.replace("n {{ i }}'", "n {{ i }} sandbox:moderation'")
    program.write(
        "m.yaml", f"settings: {{stop_on: [moderation], concurrency: 1}}\n{text}"
    )
    done = program("run", "m.yaml", *SANDBOX, "--json")
    summary = json.loads(done.stdout)
    assert done.returncode == 3
    assert summary["stopped"]["class"] == "moderation"
    assert (summary["rejected"], summary["pending"]) == (1, 9)


def test_a_run_warns_of_what_the_gateway_says_before_it(
    program: Program, start_gateway: Callable[..., Gateway]
) -> None:
    gateway = start_gateway("--balance", "0.02", "--latency", "0.5")
    program.write("m.yaml", TEN)
    command = ("run", "m.yaml", "--base-url", gateway.base_url)
    done = program(*command, "--set", "quality=high", BATCHER_API_KEY="sandbox")
    assert "warning: $0.02 is left on this key" in done.stderr


def test_a_canarys_failures_are_not_sent_again_by_the_same_run(
    program: Program,
) -> None:
    program.write("m.yaml", TEN)
    faults = ("--faults", "server", "--max-attempts", "1", "--retry", "all")
    done = program("run", "m.yaml", *SANDBOX, "--canary", "2", *faults, "--json")
    assert done.returncode == 3
    summary = json.loads(done.stdout)
    assert (summary["failed"], summary["pending"], summary["attempts"]) == (2, 8, 2)


def test_after_a_canary_of_which_nothing_is_kept_nothing_follows_unasked(
    program: Program,
) -> None:
    program.write("m.yaml", TEN)
    faults = ("--faults", "server", "--max-attempts", "1")
    words = ("run", "m.yaml", *SANDBOX, "--canary", "2", "--yes", *faults, "--json")
    for attempts in (2, 4):
        done = program(*words, "--log-format", "json")
        assert done.returncode == 3
        stopped = json.loads(done.stdout)["stopped"]
        assert stopped["class"] == "canary"
        assert "nothing of the canary was kept" in stopped["message"]
        assert len(events(program.folder / "out", "attempt")) == attempts
        said = [json.loads(line)["message"] for line in done.stderr.splitlines()]
        assert "  errors: server 2" in said


def test_a_canary_is_of_what_is_to_be_sent(program: Program) -> None:
    program.write("m.yaml", TEN)
    program("run", "m.yaml", *SANDBOX, "--first", "4")
    done = program("run", "m.yaml", *SANDBOX, "--canary", "2")
    assert done.returncode == 3
    assert "canary: 2 of 2 kept" in done.stderr
    assert "the other 4 would cost about" in done.stderr
    status = json.loads(program("status", "out", "--json").stdout)
    assert (status["succeeded"], status["pending"]) == (6, 4)


def test_a_canary_of_nothing_sends_nothing(program: Program) -> None:
    program.write("m.yaml", TEN)
    flags = ("--first", "0", "--canary", "2")
    done = program("run", "m.yaml", *SANDBOX, *flags, "--json")
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert (summary["stopped"], summary["attempts"], summary["pending"]) == (None, 0, 0)
    assert "canary" not in done.stderr


def test_what_is_forced_is_made_once_though_a_canary_goes_first(
    program: Program,
) -> None:
    program.write("m.yaml", TEN)
    assert program("run", "m.yaml", *SANDBOX).returncode == 0
    forced = (
        "--force",
        "--where",
        "status=succeeded",
        "--canary",
        "1",
        "--yes",
        "--json",
    )
    done = program("run", "m.yaml", *SANDBOX, *forced)
    assert done.returncode == 0, done.stderr
    assert "canary: 1 of 1 kept" in done.stderr
    assert json.loads(done.stdout)["attempts"] == 20


def test_consent_is_asked_for_before_the_canary_is_sent(program: Program) -> None:
    program.write("m.csv", "prompt,name\nfox,a\nhen,b\n")
    program("run", "m.csv", *SANDBOX)
    program.write("m.csv", "prompt,name\nowl,c\nfox,a\nhen edited,b\n")
    done = program("run", "m.csv", *SANDBOX, "--canary", "1", "--yes")
    assert done.returncode == 2
    assert len(events(program.folder / "out", "attempt")) == 2

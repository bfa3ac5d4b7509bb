"""What a person sees at a terminal, and what goes to standard error without one."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import termios
import time
from pathlib import Path
from typing import IO

import pytest

from tests.acceptance.program import BATCHER, SECONDS, STARTED, Program, wait_until

TEN = (
    "requests: [{prompt: 'n {{ i }}', name: 'n{{ i }}', matrix: {i: {range: [1, 10]}}}]"
)
SANDBOX = ("--endpoint", "sandbox", "--out", "out")
SLOW = ("--latency", "0.6", "--concurrency", "1")
STEPS = re.compile(r"\x1b\[[0-9;]*[A-Za-z]|[\r\n]")
"""What moves the cursor, or erases."""


class Terminal:
    """A command at a terminal of its own, and all that it has shown there."""

    def __init__(
        self,
        program: Program,
        columns: int,
        *words: str,
        stderr: IO[str] | None = None,
        **env: str,
    ) -> None:
        self.shown = ""
        self._screen, end = pty.openpty()
        self.resize(columns)
        self.process = subprocess.Popen(
            [*BATCHER, *words],
            cwd=program.folder,
            env=program.environment | {"TERM": "xterm"} | env,
            stdin=end,
            stdout=end,
            stderr=stderr or end,
        )
        STARTED.append(self.process)
        os.close(end)

    def resize(self, columns: int) -> None:
        termios.tcsetwinsize(self._screen, (24, columns))

    def wait_for(self, words: str) -> None:
        """Read on until it has shown something new, many times if it must."""
        limit, seen = time.monotonic() + SECONDS, len(self.shown)
        while words not in self.shown[seen:]:
            assert time.monotonic() < limit, self.shown
            assert self._read(), self.shown

    def type(self, keys: bytes) -> None:
        """Press keys."""
        os.write(self._screen, keys)

    def close(self) -> None:
        """Take the screen away, whatever is yet to be shown."""
        os.close(self._screen)

    def end(self) -> int:
        """Read to the end, and give the exit code."""
        while self._read():
            pass
        self.close()
        return self.process.wait(SECONDS)

    def _read(self) -> bool:
        try:
            piece = os.read(self._screen, 1 << 16)
        except OSError:  # Linux: all is read, and nobody is left to write
            return False
        self.shown += piece.decode(errors="replace")
        return bool(piece)


def test_a_narrower_window_holds_the_panel_whole(program: Program) -> None:
    program.write("m.yaml", TEN)
    terminal = Terminal(program, 140, "run", "m.yaml", *SANDBOX, *SLOW)
    terminal.wait_for("images/min")
    terminal.resize(60)
    terminal.wait_for("\x1b[J")
    narrow = len(terminal.shown)
    terminal.wait_for("images/min")
    terminal.process.send_signal(signal.SIGINT)
    assert terminal.end() == 130
    said, *_ = terminal.shown[narrow:].partition("\x1b[Jstopping: ")
    assert max(map(len, STEPS.split(said))) <= 60
    assert "stopping: interrupted" in terminal.shown


def test_a_terminal_that_cannot_move_its_cursor_gets_lines(program: Program) -> None:
    program.write("m.yaml", TEN)
    terminal = Terminal(program, 80, "run", "m.yaml", *SANDBOX, TERM="dumb")
    assert terminal.end() == 0
    assert "\x1b" not in terminal.shown
    assert terminal.shown.count("✓") == 10


def test_whoever_is_to_be_told_is_told_though_the_terminal_was_closed(
    program: Program,
) -> None:
    program.write("m.yaml", TEN)
    told = ("--on-end", "cat > told.json")
    terminal = Terminal(program, 140, "run", "m.yaml", *SANDBOX, *SLOW, *told)
    terminal.wait_for("images/min")
    terminal.close()
    terminal.process.send_signal(signal.SIGHUP)
    assert terminal.process.wait(SECONDS) == 129
    summary = json.loads((program.folder / "told.json").read_text())
    assert summary["exit_code"] == 129


@pytest.mark.parametrize(
    "words",
    [
        ("plan", "m.yaml"),
        ("plan", "m.yaml", "--json"),
        ("plan", "m.yaml", "--requests"),
        ("run", "m.yaml", *SANDBOX, "--quiet", "--json"),
        ("list", "done"),
        ("--help",),
    ],
)
def test_a_full_disk_under_the_output_is_told_in_a_line(
    program: Program, words: tuple[str, ...]
) -> None:
    program.write("m.yaml", TEN)
    assert program("run", "m.yaml", *SANDBOX[:2], "--out", "done").returncode == 0
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [*BATCHER, *words],
            cwd=program.folder,
            env=program.environment,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    full_disk = "batcher: cannot write the output: No space left on device\n"
    assert (done.returncode, done.stderr) == (3, full_disk)


CANARY = (*SANDBOX, "--canary", "1", "--on-end", "cat > told.json")


def told(program: Program) -> dict[str, object]:
    summary: dict[str, object] = json.loads((program.folder / "told.json").read_text())
    return summary


@pytest.mark.parametrize(
    ("number", "exit_code"),
    [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)],
)
def test_a_signal_at_the_canarys_question_ends_the_run_as_ever(
    program: Program, number: signal.Signals, exit_code: int
) -> None:
    program.write("m.yaml", TEN)
    terminal = Terminal(program, 80, "run", "m.yaml", *CANARY)
    terminal.wait_for("go on? [y/N] ")
    terminal.process.send_signal(number)
    assert terminal.end() == exit_code
    _, _, last = terminal.shown.partition("go on? [y/N] ")
    assert last.startswith("\r\nstopping: nothing is in flight")
    assert "stopped: interrupted: stopped by a signal" in last
    assert "Traceback" not in last
    summary = told(program)
    assert summary["exit_code"] == exit_code
    assert (summary["succeeded"], summary["pending"]) == (1, 9)


def test_a_terminal_that_is_closed_at_the_canarys_question_hangs_the_run_up(
    program: Program,
) -> None:
    program.write("m.yaml", TEN)
    terminal = Terminal(program, 80, "run", "m.yaml", *CANARY)
    terminal.wait_for("go on? [y/N] ")
    terminal.process.send_signal(signal.SIGHUP)
    terminal.close()
    assert terminal.process.wait(SECONDS) == 129
    assert told(program)["pending"] == 9


@pytest.mark.parametrize(
    ("answer", "exit_code", "kept"), [(b"y\n", 0, 10), (b"n\n", 3, 1), (b"\x04", 3, 1)]
)
def test_the_canarys_question_takes_an_answer(
    program: Program, answer: bytes, exit_code: int, kept: int
) -> None:
    program.write("m.yaml", TEN)
    terminal = Terminal(program, 80, "run", "m.yaml", *CANARY)
    terminal.wait_for("go on? [y/N] ")
    terminal.type(answer)
    assert terminal.end() == exit_code
    assert told(program)["succeeded"] == kept


def test_what_was_typed_before_the_canarys_question_is_no_answer(
    program: Program,
) -> None:
    program.write("m.yaml", TEN)
    terminal = Terminal(program, 80, "run", "m.yaml", *CANARY, "--latency", "1")
    terminal.wait_for("1 in flight")
    terminal.type(b"y\n")
    terminal.wait_for("go on? [y/N] ")
    terminal.type(b"n\n")
    assert terminal.end() == 3
    assert told(program)["succeeded"] == 1
    _, _, way_on = terminal.shown.partition("to go on: ")
    assert "--canary 1" in way_on
    assert "--yes" not in way_on


def test_nobody_is_asked_who_would_not_see_the_question(program: Program) -> None:
    program.write("m.yaml", TEN)
    log = program.folder / "err.log"
    with log.open("w") as stderr:
        terminal = Terminal(program, 80, "run", "m.yaml", *CANARY, stderr=stderr)
        assert terminal.end() == 3
    assert "canary: 1 of 1 kept" in log.read_text()


def test_a_canary_that_is_interrupted_is_not_the_whole_run(program: Program) -> None:
    program.write("m.yaml", TEN)
    terminal = Terminal(program, 80, "run", "m.yaml", *CANARY, "--latency", "1")
    terminal.wait_for("1 in flight")
    terminal.process.send_signal(signal.SIGINT)
    assert terminal.end() == 130
    assert "go on?" not in terminal.shown
    summary = told(program)
    assert (summary["succeeded"], summary["pending"]) == (1, 9)


def test_the_reason_why_a_run_stops_is_on_standard_error(program: Program) -> None:
    program.write("m.yaml", TEN)
    flags = ("--quiet", "--json", "--faults", "auth")
    done = program("run", "m.yaml", *SANDBOX, *flags)
    assert done.returncode == 3
    stopped = json.loads(done.stdout)["stopped"]
    (words,) = [line for line in done.stderr.splitlines() if "stopping" in line]
    assert words.startswith(f"stopping: auth: {stopped['message']}; ")
    assert words.endswith("the same command goes on")


def test_quiet_says_what_is_not_kept_and_no_more(program: Program) -> None:
    manifest = "requests: [{prompt: a, name: good}, {prompt: 'sandbox:moderation'}]"
    program.write("m.yaml", manifest)
    done = program("run", "m.yaml", *SANDBOX, "--quiet")
    assert done.returncode == 1
    assert [line[0] for line in done.stderr.splitlines()] == ["✗"]


def test_quiet_says_once_that_the_gateway_is_down(program: Program) -> None:
    program.write("m.yaml", TEN)
    nobody = ("--base-url", "http://127.0.0.1:9/v1", "--out", "out", "--quiet")
    run = program.start("run", "m.yaml", *nobody, BATCHER_API_KEY="sandbox")
    wait_until(lambda: "\n" in program.printed("stderr"))
    run.send_signal(signal.SIGINT)
    assert run.wait(SECONDS) == 130
    first, *rest = program.printed("stderr").splitlines()
    assert first.startswith("paused: connect")
    assert rest == ["stopping: nothing is in flight"]


@pytest.mark.parametrize(
    ("shards", "words"),
    [
        (2, "this is 1 of 2 shards; the other has not begun"),
        (3, "this is 1 of 3 shards; the others have not begun"),
    ],
)
def test_status_counts_the_shards_that_have_not_begun(
    program: Program, shards: int, words: str
) -> None:
    program.write("m.yaml", TEN)
    done = program("run", "m.yaml", *SANDBOX, "--shard", f"1/{shards}")
    assert done.returncode == 0, done.stderr
    assert program("status", "out").stdout.splitlines()[-1] == words


def test_the_sandboxes_of_a_fleet_are_told_what_goes_wrong(program: Program) -> None:
    program.write("m.yaml", TEN)
    fleet = (*SANDBOX, "--engine", "processes", "--workers", "1", "--shards", "1")
    refused = program("run", "m.yaml", *fleet, "--faults", "nothing-like-it")
    assert (refused.returncode, "no fault" in refused.stderr) == (2, True)
    assert not (program.folder / "out").exists()
    done = program("run", "m.yaml", *fleet, "--faults", "moderation", "--json")
    assert done.returncode == 1, done.stderr
    assert json.loads(done.stdout)["rejected"] == 10

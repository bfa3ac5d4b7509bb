"""Watches real runs as a user does: a command in a process, its page in Chromium."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.acceptance.program import Program, events, read_lines, wait_until
from tests.integration.chromium import CHROMIUM, LiveVisit, open_browser

needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
HOSTILE = "<img src=x onerror=alert(1)></script>"
MANIFEST = f"""
requests:
  - {{prompt: {json.dumps(HOSTILE)}, name: hostile}}
  - prompt: "a poster of {{{{ city }}}}, number {{{{ i }}}}"
    name: "{{{{ city }}}} {{{{ i }}}}"
    matrix: {{city: [Tokyo, Lagos], i: {{range: [1, MOST]}}}}
"""
LONG = 200
"""Of each city: a run that does not end before a slow page has seen enough of it."""
RUN = ("run", "m.yaml", "--endpoint", "sandbox", "--out", "out", "--concurrency", "3")


@pytest.fixture(scope="module")
def browser() -> Iterator[object]:
    with open_browser() as chromium:
        yield chromium


@pytest.fixture
def visit(browser: object) -> Iterator[Callable[..., LiveVisit]]:
    """Opens a page; every test also asserts that nothing was complained of."""
    visits: list[LiveVisit] = []

    def open_page(url: str, **context: object) -> LiveVisit:
        visits.append(LiveVisit(browser, url, **context))
        return visits[-1]

    yield open_page
    for each in visits:
        complaints = each.complaints
        each.page.context.close()
        assert complaints == []


@pytest.fixture
def start(program: Program) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Starts commands that are ended with the test."""
    started: list[subprocess.Popen[bytes]] = []

    def begin(*arguments: str, most: int = 12) -> subprocess.Popen[bytes]:
        program.write("m.yaml", manifest(most))
        started.append(program.start(*arguments))
        wait_until(lambda: len(addresses(program)) == 2)
        return started[-1]

    yield begin
    for process in started:
        process.kill()
        process.wait()


def manifest(most: int = 12) -> str:
    """Ask for one image, and for so many of each of two cities."""
    return MANIFEST.replace("MOST", str(most))


def addresses(program: Program) -> list[str]:
    """Give the two addresses that a command printed: to look, and to control."""
    named = r"^watch \(read only\): (\S+)\nwatch and control: (\S+)\n"
    found = re.search(named, program.printed("stderr"))
    return list(found.groups()) if found else []


def attempts(program: Program) -> int:
    return len(events(program.folder / "out", "attempt"))


@needs_browser
def test_a_run_is_seen_and_controlled_while_it_goes_on(
    program: Program,
    start: Callable[..., subprocess.Popen[bytes]],
    visit: Callable[..., LiveVisit],
) -> None:
    process = start(*RUN, "--watch", "--latency", "0.6", most=24)
    page = visit(addresses(program)[1])
    page.has("document.querySelectorAll('.tile img').length >= 4")
    page.says("Running")
    page.click("#pause")
    page.says("Paused")
    page.has("REPORT.standing?.in_flight === 0")
    sent = attempts(program)
    page.page.locator("#concurrency").fill("5")
    page.press("Enter")
    page.has("REPORT.standing?.concurrency === 5 && REPORT.standing?.in_flight === 0")
    assert attempts(program) == sent
    page.click("#pause")
    page.says("Running")
    page.has("REPORT.standing?.in_flight === 5")
    page.says("No longer followed")
    assert page.text("#count") == "49 requests"
    assert "49 of 49" in page.text("#numbers")
    assert process.wait() == 0
    assert "batcher watch out" in program.printed("stderr")
    commands = [line["command"] for line in events(program.folder / "out", "control")]
    assert commands == ["pause", "concurrency", "resume"]
    # What was not loaded before the end cannot be; nothing else may be complained of.
    page.tolerate("REFUSED")


@needs_browser
def test_what_the_reader_is_at_stays_as_it_is(
    program: Program,
    start: Callable[..., subprocess.Popen[bytes]],
    visit: Callable[..., LiveVisit],
) -> None:
    start(*RUN, "--watch", "--latency", "0.6", most=LONG)
    page = visit(addresses(program)[1])
    page.has("document.querySelectorAll('.value').length > 4")
    page.page.fill("#search", "poster")
    page.has("shown.length >= 4")
    page.page.locator("[data-index='1']").focus()
    page.press("p", "Enter")
    page.run("window.picture = document.querySelector('.canvas img')")
    before = page.run("REPORT.requests.length")
    page.has(f"REPORT.requests.length > {before} + 6")
    assert page.run("lightbox.isOpen && window.picture.isConnected")
    assert page.run("[...marks.values()]") == ["pick"]
    page.press("Escape")
    page.page.locator("[data-index='1']:focus").wait_for()
    page.run("window.tile = document.activeElement")
    page.click("#pause")
    page.says("Paused")
    page.page.locator("[data-index='1']").focus()
    assert page.run("window.tile.isConnected")
    assert page.page.locator("#search").input_value() == "poster"
    assert "requests" in page.text("#count")
    assert " of " in page.text("#count")


@needs_browser
def test_who_may_only_look_has_no_buttons(
    program: Program,
    start: Callable[..., subprocess.Popen[bytes]],
    visit: Callable[..., LiveVisit],
) -> None:
    start(*RUN, "--watch", "--latency", "0.6", most=LONG)
    page = visit(addresses(program)[0], viewport={"width": 390, "height": 844})
    page.says("Running")
    assert not page.page.locator("#live-controls").is_visible()
    order = "{method: 'POST', body: JSON.stringify({name: 'pause'})}"
    assert page.run(f"fetch('control', {order}).then((a) => a.status)") == 403
    assert events(program.folder / "out", "control") == []
    assert page.run("document.documentElement.scrollWidth") == 390
    page.tolerate("403")


@needs_browser
def test_a_finished_run_is_shown_from_another_process(
    program: Program,
    start: Callable[..., subprocess.Popen[bytes]],
    visit: Callable[..., LiveVisit],
) -> None:
    program.write("m.yaml", manifest())
    assert program(*RUN).returncode == 0
    process = start("watch", "out")
    page = visit(addresses(program)[1])
    page.says("No run is going on")
    assert page.page.locator("#pause").is_disabled()
    page.await_pictures()
    page.page.locator(".tile", has_text="hostile").click()
    assert HOSTILE in page.text(".panel")
    page.press("Escape")
    process.send_signal(signal.SIGINT)
    page.says("No longer followed")
    assert process.wait() == 0


@needs_browser
def test_a_page_without_a_key_shows_nothing(
    program: Program,
    start: Callable[..., subprocess.Popen[bytes]],
    visit: Callable[..., LiveVisit],
) -> None:
    program.write("m.yaml", manifest())
    assert program(*RUN, "--first", "2").returncode == 0
    start("watch", "out")
    root = visit(addresses(program)[0]).page.url
    page = visit(root)
    assert "open the address that batcher printed" in page.text("body")
    page.tolerate("401")


@pytest.mark.parametrize("command", ["run", "watch"])
def test_a_port_that_is_taken_ends_the_command_first(
    program: Program, tmp_path: Path, command: str
) -> None:
    program.write("m.yaml", manifest())
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        if command == "run":
            done = program(*RUN, "--watch", port)
        else:
            (tmp_path / "out").mkdir()
            (tmp_path / "out" / "ledger.jsonl").touch()
            done = program("watch", "out", "--port", port)
    assert done.returncode == 2
    assert f"cannot listen on port {port}" in done.stderr
    assert read_lines(tmp_path / "out" / "ledger.jsonl") == []


def test_a_manifest_after_the_flag_is_not_taken_for_a_port(program: Program) -> None:
    done = program("run", "--watch", "m.yaml")
    assert done.returncode == 2
    assert "a manifest stands before --watch" in done.stderr


def test_a_folder_without_a_ledger_is_not_watched(program: Program) -> None:
    done = program("watch", "nowhere")
    assert done.returncode == 2
    assert "there is no ledger.jsonl" in done.stderr

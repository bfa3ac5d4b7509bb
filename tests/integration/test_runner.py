"""Whole runs against the sandbox: resumed, interrupted, refused, on a full disk."""

from __future__ import annotations

import asyncio
import base64
import json
import os
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from decimal import Decimal
from pathlib import Path

import pytest
from aiohttp import web

from batcher.control import Control
from batcher.errors import UsageError
from batcher.job import Job
from batcher.ledger import FILE_NAME, lock_folder
from batcher.ledger.event import Result
from batcher.models import Failure, Request, Summary
from batcher.options import Options
from batcher.run_view import RunView
from batcher.runner import execute
from batcher.sandbox import Sandbox, SandboxOptions
from batcher.status import read_status
from tests.integration.odd_server import serving
from tests.integration.small_disk import small_disk
from tests.integration.store_conformance import png
from tests.integration.test_worker import check_books, full_at, lines, partials

KEY = "sk-a-key-that-nobody-else-may-see"
MANY = """
defaults: {size: 64x64}
requests:
  - {name: "fox {{ i }}", prompt: "fox {{ i }}", matrix: {i: {range: [1, 12]}}}
"""


WORDS = (
    *("total", "succeeded", "failed", "rejected", "unknown", "pending", "skipped"),
    *("images", "attempts", "spent_usd", "maybe_billed_usd", "errors", "warnings"),
    *("seconds", "out", "exit_code", "stopped"),
)
"""The summary's fields (README, Ledger)."""


def rows(**prompts: str) -> str:
    """Write a manifest of small requests by name."""
    written = (f"  - {{name: {name}, prompt: '{p}'}}" for name, p in prompts.items())
    return "\n".join(["defaults: {size: 64x64}", "requests:", *written])


class Watcher:
    """An observer that may be told to do something when things happen."""

    def __init__(self) -> None:
        self.at_attempt: Callable[[], None] | None = None
        self.at_end: Callable[[], None] | None = None
        self.attempts = self.ends = 0
        self.drained: list[int] = []
        self.stopped: list[Failure | None] = []
        self.view: RunView | None = None

    def started(self, view: RunView) -> None:
        self.view = view

    def attempted(self, _: Request, __: int, /) -> None:
        self.attempts += 1
        if self.at_attempt is not None:
            self.at_attempt()

    def retrying(self, _: Request, __: Failure, ___: float | None, /) -> None:
        pass

    def ended(self, _: Request, __: Result | None, /) -> None:
        self.ends += 1
        if self.at_end is not None:
            self.at_end()

    def draining(self, in_flight: int, failure: Failure | None = None) -> None:
        self.drained.append(in_flight)
        self.stopped.append(failure)


class Project:
    """A folder with a manifest, and the runs of it."""

    def __init__(self, folder: Path, base_url: str) -> None:
        self.folder = folder
        self.base_url = base_url
        self.out = folder / "out"
        self.watcher = Watcher()
        self.control = Control()

    def write(self, text: str, name: str = "m.yaml") -> None:
        (self.folder / name).write_text(text)

    def job(
        self,
        *,
        manifest: str = "m.yaml",
        first: int | None = None,
        retry: tuple[str, ...] = (),
        accept_changes: bool = False,
        **settings: object,
    ) -> Job:
        options = Options(
            manifests=(str(self.folder / manifest),),
            out=str(self.out),
            base_url=self.base_url,
            settings=settings,
            retry=retry,
            first=first,
            accept_changes=accept_changes,
        )
        environment = {"BATCHER_API_KEY": KEY, "XDG_CONFIG_HOME": str(self.folder)}
        return Job(options, environment)

    async def start(self, job: Job) -> Summary:
        return await execute(
            job, self.watcher, control=self.control, chance=lambda: 0.0
        )

    async def run(self, **options: object) -> Summary:
        return await self.start(self.job(**options))  # type: ignore[arg-type]  # by name

    def events(self, name: str) -> list[dict[str, object]]:
        return [line for line in lines(self.out) if line["event"] == name]

    def images(self) -> set[str]:
        return {path.name for path in self.out.rglob("*.png")}


@pytest.fixture
async def gateway() -> AsyncIterator[Sandbox]:
    async with Sandbox(SandboxOptions(key=KEY)) as sandbox:
        yield sandbox


@pytest.fixture
def project(tmp_path: Path, gateway: Sandbox) -> Project:
    return Project(tmp_path, gateway.base_url)


async def slow(tmp_path: Path, latency: float) -> AsyncIterator[Project]:
    options = SandboxOptions(key=KEY, latency=(latency, latency))
    async with Sandbox(options) as sandbox:
        yield Project(tmp_path, sandbox.base_url)


async def test_a_run_leaves_images_and_their_ledger_and_nothing_else(
    project: Project, gateway: Sandbox
) -> None:
    project.write(MANY)
    summary = await project.run()
    assert (summary.total, summary.succeeded, summary.exit_code) == (12, 12, 0)
    assert summary.images == summary.attempts == gateway.journal.posts == 12
    assert project.images() == {f"fox {i}.png" for i in range(1, 13)}
    found = {path.name for path in project.out.iterdir()} - project.images()
    assert found <= {FILE_NAME, ".lock"}
    check_books(project.out)


async def test_the_ledger_begins_and_ends_with_the_run(project: Project) -> None:
    project.write(rows(a="a fox"))
    summary = await project.run()
    (run,), (end,) = project.events("run"), project.events("end")
    assert run["endpoint"] == {"name": "ad-hoc", "base_url": project.base_url}
    assert (run["total"], run["v"], run["run"]) == (1, 1, end["run"])
    assert (end["reason"], end["succeeded"]) == ("finished", 1)
    assert end["spent_usd"] == float(summary.spent_usd or 0)


async def test_a_resumed_run_sends_nothing_that_is_kept(
    project: Project, gateway: Sandbox
) -> None:
    project.write(MANY)
    await project.run()
    (project.out / "fox 3.png").unlink()
    (project.out / "fox 4.png").write_bytes(b"short")
    again = await project.run()
    assert (again.succeeded, again.skipped) == (12, 10)
    assert gateway.journal.posts == 14
    await project.run()
    assert gateway.journal.posts == 14


async def test_a_row_that_is_there_twice_is_bought_once(
    project: Project, gateway: Sandbox
) -> None:
    row = "  - {prompt: a fox, size: 64x64}\n"
    project.write("requests:\n" + 3 * row)
    summary = await project.run()
    assert (summary.total, summary.succeeded) == (1, 1)
    assert gateway.journal.posts == 1


async def test_partial_names_go_while_the_run_goes_on(tmp_path: Path) -> None:
    out = tmp_path / "out"
    begun = 0

    async def answer(http: web.Request) -> web.StreamResponse:
        nonlocal begun
        await http.read()
        if http.method != "POST":
            return web.Response(status=404)
        begun += 1
        if begun == 2:
            assert partials(out)
            async with asyncio.timeout(30):
                while partials(out):  # noqa: ASYNC110 - a sync is at most a second away
                    await asyncio.sleep(0.02)
        image = base64.b64encode(png()).decode()
        return web.json_response({"data": [{"b64_json": image}]})

    async with serving(answer) as origin:
        project = Project(tmp_path, f"{origin}/v1")
        project.write(rows(a="a fox", b="a heron"))
        assert (await project.run(concurrency=1)).exit_code == 0
    assert begun == 2
    assert partials(out) == []


async def test_the_key_is_written_nowhere(project: Project, gateway: Sandbox) -> None:
    faults = ("server*1", "moderation", "download_500*1", "truncate", "redirected")
    project.write(rows(**{each[:6]: f"x sandbox:{each}" for each in faults}))
    await project.run(max_attempts=2)
    for path in project.out.rglob("*"):
        if path.is_file():
            assert KEY.encode() not in path.read_bytes()
    assert gateway.journal.keys_seen == 0


async def test_the_first_interruption_lets_what_is_in_flight_finish(
    project: Project, gateway: Sandbox
) -> None:
    project.write(MANY)

    def interrupt() -> None:
        if project.watcher.attempts == 3:
            project.control.interrupt(130)

    project.watcher.at_attempt = interrupt
    summary = await project.run(concurrency=3)
    assert (summary.succeeded, summary.pending, summary.unknown) == (3, 9, 0)
    assert (summary.exit_code, gateway.journal.posts) == (130, 3)
    assert summary.stopped is not None
    assert summary.stopped["class"] == "interrupted"
    assert project.watcher.drained == [3]
    assert project.events("end")[0]["reason"] == "interrupted"


async def test_the_second_interruption_cancels_and_says_what_is_unknown(
    tmp_path: Path,
) -> None:
    async for project in slow(tmp_path, 60.0):
        project.write(MANY)

        def interrupt(project: Project = project) -> None:
            if project.watcher.attempts == 3:
                project.control.interrupt(143)
                asyncio.get_running_loop().call_soon(project.control.interrupt, 143)
                asyncio.get_running_loop().call_soon(project.control.interrupt, 143)

        project.watcher.at_attempt = interrupt
        summary = await project.run(concurrency=3)
        assert (summary.succeeded, summary.pending, summary.unknown) == (0, 9, 3)
        assert summary.exit_code == 143
        assert summary.errors == {"ambiguous": 3}
        assert summary.maybe_billed_usd is not None
        assert summary.maybe_billed_usd > 0
        check_books(project.out)


async def test_an_interruption_before_the_start_sends_nothing(
    project: Project, gateway: Sandbox
) -> None:
    project.write(MANY)
    project.control.interrupt(130)
    summary = await project.run()
    assert (summary.pending, summary.exit_code) == (12, 130)
    assert gateway.journal.posts == 0


async def test_an_interruption_when_all_is_kept_is_a_success(project: Project) -> None:
    project.write(rows(a="a fox"))
    project.watcher.at_attempt = lambda: project.control.interrupt(130)
    assert (await project.run()).exit_code == 0


async def test_a_cancelled_caller_leaves_a_whole_ledger(tmp_path: Path) -> None:
    async for project in slow(tmp_path, 60.0):
        project.write(MANY)
        started = asyncio.Event()
        project.watcher.at_attempt = started.set
        running = asyncio.create_task(project.run(concurrency=2))
        await started.wait()
        running.cancel()
        await asyncio.wait([running])
        assert running.cancelled()
        check_books(project.out)
        (end,) = project.events("end")
        assert (end["reason"], end["unknown"]) == ("interrupted", 2)
        lock_folder(project.out).release()


async def test_the_ledger_does_not_call_finished_what_an_exception_ended(
    project: Project,
) -> None:
    project.write(MANY)

    def fail() -> None:
        raise ValueError(f"of whoever watches, with the key {KEY}")

    project.watcher.at_end = fail
    with pytest.raises(ExceptionGroup):
        await project.run(concurrency=1)
    (end,) = project.events("end")
    assert (end["reason"], end["message"]) == ("crashed", "ended by ValueError")
    assert (end["succeeded"], end["pending"], end["exit_code"]) == (1, 11, 3)
    assert read_status(project.out).summary.stopped == {
        "class": "crashed",
        "message": "ended by ValueError",
    }


class Disk:
    """Keeps a run's last sync waiting, until the loop has had its turns meanwhile."""

    def __init__(self, project: Project) -> None:
        self._out = project.out
        self.image = self._out / "a.png"
        self.answered = asyncio.Event()
        project.watcher.at_end = self.fail

    def fail(self) -> None:
        """Have whoever opens the image wait for the other end of a pipe."""
        self.image.unlink()
        os.mkfifo(self.image)
        self.answer()

    def answer(self) -> None:
        """Let the sync go on whenever it waits: till then the pipe has no reader."""
        with suppress(OSError):
            os.close(os.open(self.image, os.O_WRONLY | os.O_NONBLOCK))
            self.answered.set()
        asyncio.get_running_loop().call_later(0.01, self.answer)


@pytest.mark.timeout(30)
async def test_the_loop_goes_on_while_the_disk_takes_its_time_at_the_end(
    project: Project,
) -> None:
    project.write(rows(a="a fox"))
    disk = Disk(project)
    summary = await project.run()
    assert disk.answered.is_set()
    assert summary.stopped is not None
    assert "cannot sync images" in summary.stopped["message"]


@pytest.mark.parametrize(
    ("fault", "error_class"),
    [("auth", "auth"), ("quota", "quota"), ("redirected", "config")],
)
async def test_what_no_request_can_help_stops_the_run(
    project: Project, fault: str, error_class: str
) -> None:
    project.write(rows(bad=f"sandbox:{fault}", b="a fox", c="a heron"))
    summary = await project.run(concurrency=1)
    assert summary.stopped is not None
    assert summary.stopped["class"] == error_class
    assert (summary.exit_code, summary.pending) == (3, 3)
    assert summary.attempts == 1
    (failure,) = project.watcher.stopped
    assert failure is not None
    assert (failure.error_class, failure.message) == (
        error_class,
        summary.stopped["message"],
    )


@pytest.mark.parametrize("concurrency", [1, 12])
async def test_a_budget_is_never_passed_at_any_concurrency(
    project: Project, gateway: Sandbox, concurrency: int
) -> None:
    project.write(MANY)
    budget = Decimal("0.45")
    summary = await project.run(max_spend=budget, concurrency=concurrency)
    assert summary.exit_code == 3
    assert summary.stopped is not None
    assert summary.stopped["class"] == "spend"
    assert Decimal(0) < gateway.journal.billed_usd <= budget
    assert summary.spent_usd is not None
    assert summary.spent_usd <= budget
    again = await project.run(max_spend=budget, concurrency=concurrency)
    assert gateway.journal.billed_usd <= budget
    assert again.exit_code == 3


async def test_a_run_that_may_spend_nothing_says_that_it_spent_nothing(
    project: Project,
) -> None:
    project.write(rows(a="a fox"))
    summary = await project.run(max_spend=0)
    assert summary.spent_usd == summary.maybe_billed_usd == Decimal(0)


async def test_a_budget_needs_prices(project: Project, gateway: Sandbox) -> None:
    project.write("requests: [{prompt: a fox, model: dreamer}]")
    with pytest.raises(UsageError, match="prices"):
        await project.run(max_spend=1)
    assert gateway.journal.posts == 0
    unpriced = await project.run()
    assert unpriced.spent_usd is unpriced.maybe_billed_usd is None


async def test_the_time_may_be_limited(tmp_path: Path) -> None:
    async for project in slow(tmp_path, 1.0):
        project.write(MANY)
        summary = await project.run(concurrency=1, max_time=0.8)
        assert (summary.succeeded, summary.pending) == (1, 11)
        assert summary.exit_code == 3
        assert summary.stopped is not None
        assert "max_time" in summary.stopped["message"]


async def test_what_failed_is_tried_again_by_the_next_run_and_no_other(
    project: Project, gateway: Sandbox
) -> None:
    faults = {"a": "x sandbox:server*2", "b": "x sandbox:moderation", "c": "x"}
    project.write(rows(**faults))
    first = await project.run(max_attempts=1)
    assert (first.succeeded, first.failed, first.rejected) == (1, 1, 1)
    assert first.exit_code == 1
    assert first.errors == {"moderation": 1, "server": 1}
    left = await project.run(max_attempts=1, retry=("none",))
    assert (left.attempts, left.exit_code) == (3, 1)
    await project.run(max_attempts=1)
    last = await project.run(max_attempts=1)
    assert (last.succeeded, last.rejected, last.errors) == (2, 1, {"moderation": 1})
    assert gateway.journal.posts == 5
    await project.run(retry=("rejected",))
    assert gateway.journal.posts == 6


async def test_an_unknown_outcome_that_is_left_alone_stays_unknown(
    project: Project, gateway: Sandbox
) -> None:
    project.write(rows(a="x sandbox:truncate*1", b="x"))
    for _ in range(2):
        summary = await project.run(on_unknown="skip")
        assert (summary.succeeded, summary.unknown, summary.exit_code) == (1, 1, 1)
    assert gateway.journal.posts == 2
    assert project.job(on_unknown="skip").plan.unknown == 1
    assert (await project.run()).exit_code == 0


async def test_an_image_that_was_whole_at_a_kill_is_adopted(
    project: Project, gateway: Sandbox
) -> None:
    project.write(rows(a="a fox"))
    await project.run()
    (attempt,), (result,) = project.events("attempt"), project.events("result")
    content = (project.out / "a.png").read_bytes()
    (project.out / "a.png").unlink()
    ledger = [json.dumps(line) for line in (*project.events("run"), attempt)]
    (project.out / FILE_NAME).write_text("\n".join(ledger) + "\n")
    (project.out / ".partial").mkdir()
    (project.out / ".partial" / f"{attempt['id']}.1.0").write_bytes(content)
    summary = await project.run()
    assert (summary.succeeded, gateway.journal.posts) == (1, 1)
    assert summary.warnings == {"adopted": 1}
    adopted = project.events("result")[-1]
    assert adopted["images"] == [
        {**image, "revised_prompt": None}
        for image in result["images"]  # type: ignore[attr-defined]  # JSON
    ]
    assert partials(project.out) == []


@pytest.mark.parametrize(
    ("was", "now", "plan"),
    [
        ({"a": "x"}, {"a": "y"}, {"changed": 1, "new": 0, "orphaned": 0}),
        ({"a": "x"}, {"b": "y"}, {"changed": 0, "new": 1, "orphaned": 1}),
        ({"a": "x", "b": "x2"}, {"a": "y", "b": "x2"}, {"changed": 1, "done": 1}),
    ],
    ids=["changed", "replaced", "one of two"],
)
async def test_what_was_bought_is_not_bought_anew_without_consent(
    project: Project,
    gateway: Sandbox,
    *,
    was: dict[str, str],
    now: dict[str, str],
    plan: dict[str, int],
) -> None:
    project.write(rows(**was))
    await project.run()
    project.write(rows(**now))
    found = project.job().plan
    assert {word: getattr(found, word) for word in plan} == plan
    words = ("new", "done", "failed", "rejected", "unknown", "changed")
    assert sum(getattr(found, word) for word in words) == found.total
    with pytest.raises(UsageError, match="--accept-changes"):
        await project.run()
    assert gateway.journal.posts == len(was)
    assert (await project.run(accept_changes=True)).exit_code == 0
    assert gateway.journal.posts == len(was) + 1


@pytest.mark.parametrize(
    ("was", "now"),
    [
        ({"a": "x"}, {"a": "x", "b": "y"}),
        ({"a": "x", "b": "y"}, {"a": "x"}),
        ({"a": "x", "b": "y"}, {"b": "y", "a": "x"}),
        ({"a": "x"}, {"renamed": "x"}),
        ({"a": "x", "b": "sandbox:moderation"}, {"a": "x", "b": "a kind fox"}),
    ],
    ids=["added", "removed", "reordered", "renamed", "rejected and edited"],
)
async def test_what_buys_nothing_twice_needs_no_consent(
    project: Project, gateway: Sandbox, was: dict[str, str], now: dict[str, str]
) -> None:
    project.write(rows(**was))
    await project.run()
    project.write(rows(**now))
    assert (await project.run()).exit_code == 0
    assert gateway.journal.posts == len({*was.values(), *now.values()})


async def test_an_accepted_change_is_accepted_once(project: Project) -> None:
    project.write(rows(a="x"))
    await project.run()
    project.write(rows(a="y", b="z"))
    await project.run(first=1, accept_changes=True)
    plan = project.job().plan
    assert (plan.changed, plan.orphaned, plan.new, plan.done) == (0, 0, 1, 1)
    assert (await project.run()).exit_code == 0


async def test_what_is_unknown_again_is_not_sent_a_third_time(
    project: Project, gateway: Sandbox
) -> None:
    project.write(rows(a="sandbox:reset"))
    await project.run(on_unknown="skip")
    again = await project.run(on_unknown="skip", retry=("unknown",))
    assert (again.unknown, gateway.journal.posts) == (1, 2)


async def test_a_change_that_is_not_asked_for_needs_no_consent(
    project: Project,
) -> None:
    project.write(rows(a="x", b="y"))
    await project.run()
    project.write(rows(a="x", b="other", c="z"))
    plan = project.job(first=1).plan
    assert (plan.total, plan.done, plan.new, plan.changed) == (1, 1, 0, 0)
    assert (await project.run(first=1)).exit_code == 0


@pytest.mark.parametrize("by_flag", [True, False], ids=["flag", "run without it"])
async def test_what_is_lacking_on_purpose_is_asked_about_once(
    project: Project, by_flag: bool
) -> None:
    project.write(rows(a="x", b="y"))
    await project.run()
    project.write(rows(a="x", **({"c": "z"} if by_flag else {})))
    await project.run(accept_changes=by_flag)
    project.write(rows(a="x", c="z", d="more"))
    plan = project.job().plan
    assert (plan.new, plan.orphaned, plan.accepted) == (2 - by_flag, 1, 1)
    assert (await project.run()).exit_code == 0
    next(path for path in project.out.glob("a*")).unlink()
    assert (await project.run()).exit_code == 0


async def test_what_is_lacking_since_then_is_asked_about(project: Project) -> None:
    project.write(rows(a="x", b="y", c="z"))
    await project.run()
    project.write(rows(a="x", b="y"))
    await project.run()
    project.write(rows(a="x", d="more"))
    with pytest.raises(UsageError, match="the manifest lacks 1 that the ledger has"):
        await project.run()
    project.write(rows(a="x", b="y", c="z"))
    await project.run()
    project.write(rows(a="x", b="y", d="more"))
    with pytest.raises(UsageError, match="the manifest lacks 1 that the ledger has"):
        await project.run()


async def test_a_run_of_a_part_accepts_nothing_and_forgets_nothing(
    project: Project,
) -> None:
    project.write(rows(a="x", b="y"))
    await project.run()
    project.write(rows(a="x", c="z"))
    await project.run(first=1)
    with pytest.raises(UsageError, match="--accept-changes"):
        await project.run()
    await project.run(accept_changes=True)
    await project.run(first=1)
    project.write(rows(a="x", c="z", d="more"))
    assert (await project.run()).exit_code == 0


async def test_a_new_content_under_a_name_that_was_given_up_is_asked_about(
    project: Project,
) -> None:
    project.write(rows(a="x", b="y"))
    await project.run()
    project.write(rows(a="x"))
    await project.run()
    project.write(rows(a="x", b="other"))
    with pytest.raises(UsageError, match="1 request changed: going on would buy 1"):
        await project.run()


async def test_another_manifests_ledger_is_refused(
    project: Project, gateway: Sandbox
) -> None:
    project.write(rows(a="x"))
    await project.run()
    project.write(rows(b="y"), "other.yaml")
    with pytest.raises(UsageError, match=r"m\.yaml"):
        project.job(manifest="other.yaml")
    assert gateway.journal.posts == 1
    both = await project.run(manifest="other.yaml", accept_changes=True)
    assert both.exit_code == 0


@pytest.mark.parametrize(
    "content", [b"hello\n", b'{"step":1,"loss":0.5}\n', b"[1]\n[2]\n"]
)
async def test_another_programs_file_is_no_ledger(
    project: Project, content: bytes
) -> None:
    project.write(rows(a="x"))
    project.out.mkdir()
    (project.out / FILE_NAME).write_bytes(content)
    with pytest.raises(UsageError, match="no ledger"):
        await project.run()
    assert (project.out / FILE_NAME).read_bytes() == content


async def test_a_damaged_ledger_is_repaired_and_goes_on(
    project: Project, gateway: Sandbox
) -> None:
    project.write(MANY)
    await project.run()
    ledger = project.out / FILE_NAME
    content = ledger.read_bytes().splitlines(keepends=True)
    content[4] = b"\\0" * 60 + b"\n"
    ledger.write_bytes(b"".join(content) + b'{"event":"att')
    job = project.job()
    assert job.reading.damaged == ("ledger.jsonl:5",)
    assert (await project.start(job)).exit_code == 0
    assert gateway.journal.posts <= 13
    assert ledger.read_bytes().splitlines(keepends=True)[4] == content[4]


async def test_one_folder_has_one_run_at_a_time(project: Project) -> None:
    project.write(rows(a="x"))
    project.out.mkdir()
    lock = lock_folder(project.out)
    with pytest.raises(UsageError, match="another run"):
        await project.run()
    lock.release()


async def test_a_plan_that_another_run_overtook_is_refused(
    project: Project, gateway: Sandbox
) -> None:
    project.write(rows(a="x"))
    late = project.job()
    await project.run()
    with pytest.raises(UsageError, match="run the command again"):
        await project.start(late)
    assert gateway.journal.posts == 1


async def test_a_manifest_that_breaks_while_it_is_worked_on_stops_the_run(
    project: Project, gateway: Sandbox
) -> None:
    table = project.folder / "m.csv"
    table.write_text("prompt,size\nfox,64x64\nheron,64x64\n")
    job = project.job(manifest="m.csv")
    table.write_text("prompt,size\nfox,64x64\nheron,64x\n")
    summary = await project.start(job)
    assert (summary.exit_code, summary.unknown, summary.failed) == (3, 0, 0)
    assert summary.succeeded == gateway.journal.posts
    assert summary.stopped is not None
    assert "m.csv:3" in summary.stopped["message"]


async def test_a_full_disk_stops_the_run_and_nothing_kept_is_lost(
    project: Project,
) -> None:
    project.write(MANY)
    with small_disk(project.out, 24):
        summary = await project.run(concurrency=4)
        assert summary.exit_code == 3
        assert summary.stopped is not None
        assert summary.stopped["class"] == "store"
        assert "No space left" in summary.stopped["message"]
        assert 0 < summary.succeeded < 12
        assert summary.succeeded + summary.unknown + summary.pending == 12
        standings = project.job().reading.standings
        assert len(project.events("result")) == summary.succeeded
        assert len(standings) >= summary.succeeded + summary.unknown


async def test_a_file_that_may_not_grow_stops_the_run(project: Project) -> None:
    project.write(MANY)
    project.out.mkdir()
    with full_at(4000):
        summary = await project.run(concurrency=2)
    assert summary.exit_code == 3
    assert summary.stopped is not None
    assert summary.stopped["class"] == "store"
    again = await project.run()
    assert (again.succeeded, again.exit_code) == (12, 0)
    check_books(project.out)


async def test_a_ledger_that_cannot_be_begun_stops_before_anything_is_sent(
    project: Project, gateway: Sandbox
) -> None:
    project.write(rows(a="x"))
    project.out.mkdir()
    with full_at(10):
        summary = await project.run()
    assert (summary.exit_code, summary.pending) == (3, 1)
    assert gateway.journal.posts == 0


async def test_a_status_says_what_the_run_said(project: Project) -> None:
    project.write(rows(a="x sandbox:moderation", b="x", c="x sandbox:html_504"))
    summary = await project.run(on_unknown="skip")
    status = read_status(project.out)
    assert status.damaged == ()
    told = {word: getattr(summary, word) for word in WORDS}
    assert {word: getattr(status.summary, word) for word in WORDS} == told
    assert (summary.rejected, summary.succeeded, summary.unknown) == (1, 1, 1)


async def test_a_status_of_a_stopped_run_says_so(project: Project) -> None:
    project.write(rows(a="x sandbox:auth"))
    summary = await project.run()
    status = read_status(project.out).summary
    assert status.stopped is not None
    assert status.stopped["class"] == "auth"
    assert (status.exit_code, status.pending) == (summary.exit_code, 1)


async def test_a_status_counts_no_more_than_there_are(project: Project) -> None:
    project.write(MANY)
    await project.run()
    await project.run(first=2)
    status = read_status(project.out).summary
    assert (status.total, status.succeeded, status.pending) == (12, 12, 0)


def test_a_status_needs_a_ledger(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=FILE_NAME):
        read_status(tmp_path)


async def test_the_sandbox_comes_with_the_run_when_it_is_the_endpoint(
    tmp_path: Path,
) -> None:
    (tmp_path / "m.yaml").write_text(rows(a="a fox"))
    options = Options(
        manifests=(str(tmp_path / "m.yaml"),),
        out=str(tmp_path / "out"),
        endpoint="sandbox",
    )
    job = Job(options, {"XDG_CONFIG_HOME": str(tmp_path)})
    summary = await execute(job, Watcher(), sandbox=SandboxOptions())
    assert summary.exit_code == 0


async def test_a_bug_ends_the_run_loudly_and_the_ledger_is_closed(
    project: Project,
) -> None:
    project.write(MANY)

    def break_down() -> None:
        raise ZeroDivisionError

    project.watcher.at_attempt = break_down
    with pytest.raises(ExceptionGroup) as caught:
        await project.run()
    assert caught.group_contains(ZeroDivisionError)
    lock_folder(project.out).release()
    assert len(project.events("end")) == 1


async def test_an_endpoint_that_is_not_there_is_never_billed(tmp_path: Path) -> None:
    async def never(_: object) -> object:
        raise AssertionError

    async with serving(never) as origin:  # type: ignore[arg-type]  # never called
        pass
    project = Project(tmp_path, f"{origin}/v1")
    project.write(rows(a="a fox"))
    summary = await project.run(max_attempts=2)
    assert (summary.failed, summary.errors) == (1, {"connect": 1})
    assert summary.maybe_billed_usd == 0

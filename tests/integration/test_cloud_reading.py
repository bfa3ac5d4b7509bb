"""Commands on a finished run: the same on a folder, on a URL and on segments."""

from __future__ import annotations

import hashlib
import json
import shutil
import threading
from collections.abc import Iterator
from contextlib import chdir
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import msgspec
import pytest

from batcher.cli import main
from batcher.fleet import Lease
from batcher.ledger import Standings, writer_name
from batcher.ledger.event import Event
from batcher.ledger.segment_writer import SegmentWriter
from batcher.stores import Directory, LocalDirectory, open_directory
from tests.acceptance.program import Program

MANIFEST = """
output: "{{ city }}/{{ name }}"
settings: {embed_metadata: true}
vars: {city: x}
requests:
  - name: "{{ city }}-{{ number }}"
    prompt: A poster of {{ city }}, no. {{ number }}
    size: 16:9
    matrix: {city: [Tokyo, 東京], number: {range: [1, 3]}}
  - {name: refused, prompt: "sandbox:moderation"}
"""
KEPT = 6
PLACES = ("url", "url in segments", "folder in segments")

Answer = tuple[int, str, str]


class Run:
    """A run directory, and what commands say of it."""

    def __init__(self, place: str, capsys: pytest.CaptureFixture[str]) -> None:
        self.place = place
        self.directory = open_directory(place)
        self._capsys = capsys

    def __call__(self, command: str, *arguments: str) -> Answer:
        """Run a command; its place is called RUN in what it says."""
        self._capsys.readouterr()
        code = main([command, self.place, *arguments])
        out, err = self._capsys.readouterr()
        return code, self._named(out), self._named(err)

    def _named(self, text: str) -> str:
        return text.replace(self.place, "RUN")


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run directory, made once."""
    program = Program(tmp_path_factory.mktemp("kept"))
    program.write("m.yaml", MANIFEST)
    done = program("run", "m.yaml", "--endpoint", "sandbox", "--quiet")
    assert done.returncode == 1, done.stderr
    return program.folder / "runs" / "m"


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Path]:
    """A folder in which commands run."""
    with chdir(tmp_path):
        yield tmp_path


@pytest.fixture
def folder(here: Path, kept: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """The run as it was made."""
    shutil.copytree(kept, here / "m")
    return Run(str(here / "m"), capsys)


@pytest.fixture(params=PLACES)
def run(
    request: pytest.FixtureRequest,
    here: Path,
    kept: Path,
    capsys: pytest.CaptureFixture[str],
) -> Run:
    """The run where it was copied to."""
    place = str(here / "copy" / "m")
    if "url" in request.param:
        place = f"s3://{request.getfixturevalue('bucket')}/runs/m"
    copy(kept, open_directory(place), is_split="segments" in request.param)
    return Run(place, capsys)


@pytest.fixture
def url(bucket: str, here: Path, kept: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """The run in a bucket."""
    del here
    copy(kept, open_directory(f"s3://{bucket}/m"), is_split=False)
    return Run(f"s3://{bucket}/m", capsys)


def copy(kept: Path, directory: Directory, *, is_split: bool) -> None:
    for file in sorted(kept.rglob("*")):
        name = file.relative_to(kept).as_posix()
        if file.is_file() and not name.startswith((".", "ledger.jsonl")):
            directory.write(name, file.read_bytes())
    lines = (kept / "ledger.jsonl").read_bytes()
    if not is_split:
        directory.write("ledger.jsonl", lines)
        return
    name = writer_name(datetime(2026, 1, 1, tzinfo=UTC), shard=1, shards=1, epoch=1)
    writer = SegmentWriter(directory, name, Standings())
    decode = msgspec.json.Decoder(Event).decode
    for number, line in enumerate(lines.splitlines()):
        writer.append(decode(line))
        if number % 3 == 0:
            writer.sync()
    writer.close()


def harm(directory: Directory) -> None:
    """Lose, cut, spoil and add files; some are the program's own."""
    names = sorted(e.name for e in directory.entries() if e.name.endswith(".png"))
    lost, cut, spoilt = names[0], names[1], names[-1]
    directory.remove([lost])
    directory.write(cut, (directory.read(cut) or b"")[:-7])
    data = bytearray(directory.read(spoilt) or b"")
    data[100] ^= 1
    directory.write(spoilt, bytes(data))
    strange = ("Tokyo/a.png", "b.png", "notes.txt", "ledger/picture.png")
    own = (".lock", ".partial/x.1.0", "fleet/pace", "shards/0001-of-0002/epoch-000001")
    made = ("report/index.html", "purse/000001/slot-000001-t000001", "Tokyo/.hid.png")
    inner = ("x/ledger.jsonl", "x/y/z.png")
    for name in (*strange, *own, *made, *inner):
        directory.write(name, b"strange")


TABLE = {
    "status": ("status",),
    "status as JSON": ("status", "--json"),
    "list": ("list",),
    "list as JSON": ("list", "--json"),
    "list selected": ("list", "--where", "city=Tokyo", "--sort=-name"),
    "show a name": ("show", "Tokyo-2"),
    "show a file": ("show", "東京/東京-1.png", "--json"),
    "show nothing": ("show", "Tokyo-9"),
    "verify": ("verify",),
    "verify deep": ("verify", "--deep", "--all"),
    "verify as JSON": ("verify", "--json", "--where", "city=Tokyo"),
}


@pytest.mark.parametrize("arguments", TABLE.values(), ids=TABLE.keys())
def test_a_command_says_the_same_wherever_the_run_is(
    folder: Run, run: Run, arguments: tuple[str, ...]
) -> None:
    assert run(*arguments) == folder(*arguments)


@pytest.mark.parametrize(
    "arguments",
    [("status",), ("list", "--where", "status=lost"), ("report", "--out", "page")],
    ids=" ".join,
)
def test_what_is_lost_is_lost_wherever_the_run_is(
    folder: Run, run: Run, arguments: tuple[str, ...]
) -> None:
    harm(folder.directory)
    harm(run.directory)
    answer = run(*arguments)
    if arguments[0] == "report":
        data = Path("page/data.js").read_text(encoding="utf-8")
        assert data.count('"status":"lost"') == 2
        assert '"succeeded":4' in data
        return
    assert answer == folder(*arguments)
    assert "lost" in answer[1]


@pytest.mark.parametrize("flags", [(), ("--deep",), ("--deep", "--json")], ids=str)
def test_harm_is_found_wherever_the_run_is(
    folder: Run, run: Run, flags: tuple[str, ...]
) -> None:
    harm(folder.directory)
    harm(run.directory)
    answer = run("verify", *flags)
    assert answer == folder("verify", *flags)
    assert answer[0] == 1
    if not flags:
        marks = [line[0] for line in answer[1].splitlines()[:-1]]
        assert sorted(marks) == sorted("-!++++")


def test_what_is_put_back_is_pending_wherever_the_run_is(run: Run) -> None:
    harm(run.directory)
    code, out, err = run("verify", "--deep", "--requeue", "--delete-orphans")
    assert (code, err) == (1, "")
    assert "3 requests put back" in out
    assert "3 orphans deleted" in out
    status = json.loads(run("status", "--json")[1])
    assert (status["succeeded"], status["pending"]) == (KEPT - 3, 3)
    code, out, _ = run("verify", "--deep", "--json")
    findings = json.loads(out)["findings"]
    paths = [finding["path"] for finding in findings]
    assert len([path for path in paths if "~corrupt" in path]) == 2
    assert len(paths) == 3  # and notes.txt
    assert run.directory.size("x/y/z.png") is not None


def test_a_second_spoilt_file_is_set_aside_beside_the_first(url: Run) -> None:
    name = "Tokyo/Tokyo-1.png"
    url.directory.write("Tokyo/Tokyo-1~corrupt.png", b"earlier")
    url.directory.write(name, b"spoilt")
    assert url("verify", "--requeue")[0] == 1
    assert url.directory.read("Tokyo/Tokyo-1~corrupt.png") == b"earlier"
    assert url.directory.read("Tokyo/Tokyo-1~corrupt2.png") == b"spoilt"
    assert url.directory.size(name) is None


@pytest.mark.parametrize("flag", ["--requeue", "--delete-orphans"])
def test_nothing_is_changed_under_a_worker_that_lives(run: Run, flag: str) -> None:
    lease = Lease(run.directory, (1, 2))
    lease.acquire()
    code, _, err = run("verify", flag)
    assert code == 2
    assert "others are writing to 'RUN': shard 0001-of-0002" in err
    lease.release(lease.inherited)
    assert run("verify", flag)[0] == 0


@pytest.mark.parametrize("format_", ["imagefolder", "webdataset", "parquet"])
def test_an_export_is_the_same_wherever_the_run_is(
    here: Path, folder: Run, run: Run, format_: str
) -> None:
    for name, each in (("one", folder), ("two", run)):
        answer = each("export", "--format", format_, "--out", name)
        assert answer[0] == 0, answer[2]
        again = each("export", "--format", format_, "--out", name)
        assert again[0] == 0, again[2]
    assert content(here / "two") == content(here / "one")


def test_an_export_by_path_names_urls(here: Path, url: Run) -> None:
    assert url("export", "--format", "csv")[0] == 0
    table = (here / "export-m" / "csv" / "train.csv").read_text()
    assert f",{url.place}/Tokyo/Tokyo-1.png," in table
    paths = ("--paths", "--split", "train=1")
    assert url("export", "--format", "parquet", *paths)[0] == 0


def test_what_is_not_as_kept_is_left_out_of_an_export(folder: Run, run: Run) -> None:
    answers = []
    for name, each in (("one", folder), ("two", run)):
        harm(each.directory)
        code, out, err = each("export", "--format", "webdataset", "--out", name)
        answers.append((code, out.replace(name, "OUT"), err))
    assert answers[0] == answers[1]
    assert answers[0][0] == 1
    assert answers[0][2].count("left out: ") == 3


def test_an_export_does_not_fetch_what_it_has(here: Path, url: Run) -> None:
    assert url("export", "--format", "imagefolder", "--out", "one")[0] == 0
    names = [e.name for e in url.directory.entries() if e.name.endswith(".png")]
    url.directory.remove(names)
    code, _, err = url("export", "--format", "imagefolder", "--out", "one")
    assert (code, err) == (0, "")
    assert len([*(here / "one" / "train").glob("*.png")]) == KEPT


def content(folder: Path) -> dict[str, str]:
    """Hash the files of an export, its books and their times aside."""
    return {
        file.relative_to(folder).as_posix(): hashlib.sha256(
            file.read_bytes()
        ).hexdigest()
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }


def test_a_report_of_a_url_holds_its_images(here: Path, url: Run) -> None:
    code, out, _ = url("report")
    assert code == 0
    assert f"{KEPT} thumbnails made, " in out
    assert " MB copied" in out
    images = here / "report-m" / "images"
    data = (here / "report-m" / "data.js").read_text()
    assert '"src":"images/Tokyo/Tokyo-1.png"' in data
    copied = (images / "Tokyo" / "Tokyo-1.png").read_bytes()
    assert copied == url.directory.read("Tokyo/Tokyo-1.png")
    assert len([*images.rglob("*.png")]) == KEPT
    assert "MB copied" not in url("report")[1]


def test_a_report_may_do_with_thumbnails(here: Path, url: Run) -> None:
    for words in (f"{KEPT} thumbnails made\n", "requests\n"):
        code, out, err = url("report", "--thumbs-only")
        assert (code, err) == (0, "")
        assert words in out
        assert not [*(here / "report-m" / "images").rglob("*.png")]
        data = (here / "report-m" / "data.js").read_text()
        assert data.count('"src":"thumbs/') == KEPT


def test_a_lost_image_is_not_linked_from_a_report(here: Path, url: Run) -> None:
    harm(url.directory)
    assert url("report")[0] == 0
    data = (here / "report-m" / "data.js").read_text()
    assert data.count('"src":"') == KEPT - 1


def test_the_images_of_a_folder_are_linked_and_nothing_else(folder: Run) -> None:
    code, _, err = folder("report", "--thumbs-only")
    assert code == 2
    assert "--thumbs-only is for a URL" in err


def test_show_takes_an_images_url(url: Run) -> None:
    code, out, _ = url("show", f"{url.place}/Tokyo/Tokyo-1.png")
    assert code == 0
    assert out.startswith("Tokyo-1 ")


def test_an_image_at_a_url_says_itself_whence_it_came(
    url: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["show", f"{url.place}/Tokyo/Tokyo-1.png"]) == 0
    assert capsys.readouterr().out.startswith("Tokyo-1 ")
    url.directory.write("b.png", b"strange")
    for name in ("b.png", "nothing.png", ""):
        assert main(["show", f"{url.place}/{name}"]) == 2
        assert "is no image that says whence it came" in capsys.readouterr().err


def test_show_knows_a_downloaded_copy(here: Path, url: Run) -> None:
    (here / "copy.png").write_bytes(url.directory.read("Tokyo/Tokyo-1.png") or b"")
    assert url("show", "copy.png")[1].startswith("Tokyo-1 ")


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("compact", "'RUN' is no folder: there a ledger cannot be replaced"),
        ("watch", "'RUN' is no folder: it cannot be followed live; `batcher report`"),
        ("ctl", "no run is going on in 'RUN'"),
    ],
)
def test_what_a_url_cannot_do_is_said(url: Run, command: str, words: str) -> None:
    code, _, err = url(command, *(["status"] if command == "ctl" else []))
    assert code == 2
    assert words in err


def test_a_fleet_is_told_by_a_file(run: Run) -> None:
    lease = Lease(run.directory, (1, 2))
    lease.acquire()
    code, out, _ = run("ctl", "status", "--json")
    assert code == 0
    told = json.loads(out)
    assert (told["workers"], told["shards"]) == (1, "0001-of-0002")
    code, out, _ = run("ctl", "ipm", "30", "--json")
    assert json.loads(out)["order"] == 1
    order = json.loads(run.directory.read("fleet/control-000001.json") or b"")
    assert (order["name"], order["value"]) == ("ipm", "30")
    lease.release(lease.inherited)
    code, _, err = run("ctl", "pause")
    assert (code, err) == (2, "batcher: no run is going on in 'RUN'\n")


@pytest.mark.parametrize("is_split", [False, True], ids=["one file", "segments"])
def test_a_folders_ledger_is_compacted_when_nobody_is_at_work(
    here: Path, kept: Path, capsys: pytest.CaptureFixture[str], is_split: bool
) -> None:
    directory = LocalDirectory(here / "m")
    copy(kept, directory, is_split=is_split)
    run = Run(str(here / "m"), capsys)
    before = run("status", "--json")
    lease = Lease(directory, (1, 2))
    lease.acquire()
    for command in (("compact",), ("verify", "--requeue")):
        code, _, err = run(*command)
        assert code == 2
        assert "others are writing to 'RUN': shard 0001-of-0002" in err
    lease.release(lease.inherited)
    code, out, err = run("compact")
    assert (code, err) == (0, "")
    assert ("segments one file" in out) is is_split
    assert run("status", "--json") == before


COMMANDS: dict[str, tuple[str, ...]] = {
    "status": (),
    "list": (),
    "show": ("x",),
    "verify": (),
    "report": (),
    "export": ("--format", "csv"),
}


@pytest.mark.parametrize(("command", "flags"), COMMANDS.items(), ids=COMMANDS.keys())
def test_a_place_that_holds_no_run_is_said_to(
    bucket: str,
    here: Path,
    capsys: pytest.CaptureFixture[str],
    command: str,
    flags: tuple[str, ...],
) -> None:
    wrong = {
        f"s3://{bucket}/nothing": "there is no ledger.jsonl in 'RUN'",
        f"s3://no-{bucket}/m": "cannot list 'RUN/ledger/': NoSuchBucket",
        "s3://": "names no bucket",
        "ftp://host/m": "cannot use ftp://",
        str(here / "nothing"): "there is no ledger.jsonl in 'RUN'",
    }
    for place, words in wrong.items():
        code = main([command, place, *flags])
        err = capsys.readouterr().err.replace(place, "RUN")
        assert (code, words in err) == (2, True), err
    assert not [*here.iterdir()]


class Refusing(BaseHTTPRequestHandler):
    """Lets nobody read."""

    def do_HEAD(self) -> None:
        self.send_error(403)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def test_who_may_not_read_is_told_so(
    credentials: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with HTTPServer(("127.0.0.1", 0), Refusing) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        credentials.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_port}")
        assert main(["status", "s3://bucket/m"]) == 2
        server.shutdown()
        thread.join()
    assert "check the credentials" in capsys.readouterr().err

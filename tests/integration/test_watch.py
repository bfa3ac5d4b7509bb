"""Asks a watch as browsers, and as those who should not, do: over HTTP."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import pytest
from msgspec.structs import replace

from batcher.errors import UsageError
from batcher.ledger.event import Event, encode
from batcher.remote import Command, RemoteControl
from batcher.watch import Watch
from tests.unit.reports.ledger import attempt_line, draw, kept, rejected, run_line

SECONDS = 20


class Answer(NamedTuple):
    status: int
    headers: Mapping[str, str]
    body: bytes


class Client:
    """Whoever opened an address of a watch."""

    def __init__(self, address: str) -> None:
        self.port = urlsplit(address).port
        self.host = f"127.0.0.1:{self.port}"
        self.cookie = ""
        self.opened = self.ask(urlsplit(address).path)
        self.cookie = self.opened.headers.get("Set-Cookie", "").partition(";")[0]
        self.root = self.opened.headers.get("Location", "/")

    @contextmanager
    def send(
        self, path: str, method: str = "GET", *, body: str = "", **headers: str
    ) -> Iterator[HTTPResponse]:
        """Ask for a path as it stands, and give the answer unread."""
        own = {"Cookie": self.cookie, "Host": self.host}
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        with closing(HTTPConnection("127.0.0.1", self.port, timeout=SECONDS)) as link:
            link.request(method, path, body, own | given)
            with link.getresponse() as answer:
                yield answer

    def ask(self, *arguments: str, **options: str) -> Answer:
        with self.send(*arguments, **options) as answer:
            return Answer(answer.status, dict(answer.getheaders()), answer.read())

    def get(self, path: str, **headers: str) -> Answer:
        return self.ask(self.root + path, **headers)

    def post(self, order: object, **headers: str) -> Answer:
        given = {"Origin": f"http://{self.host}"} | headers
        return self.ask(self.root + "control", "POST", body=json.dumps(order), **given)

    def report(self) -> dict[str, object]:
        """Read what the page is given beside its requests."""
        text = self.get("data.js").body.decode().splitlines()[1]
        literal = text.partition("JSON.parse('")[2].removesuffix("');")
        told: dict[str, object] = json.loads(literal.replace("\\x3c", "<"))
        return told

    @contextmanager
    def events(self, after: str, **headers: str) -> Iterator[Iterator[Told]]:
        """Listen from a cursor on."""
        with self.send(f"{self.root}events?after={after}", **headers) as answer:
            assert answer.status == 200
            yield read_events(answer)


class Told(NamedTuple):
    event: str
    id: str
    data: object


def read_events(answer: HTTPResponse) -> Iterator[Told]:
    """Read server-sent events as a browser does."""
    fields: dict[str, str] = {}
    while line := answer.readline():
        name, _, value = line.decode().rstrip("\n").partition(": ")
        if name:
            fields[name] = value
            continue
        if "data" in fields:
            words = fields.get("event", ""), fields.get("id", "")
            yield Told(*words, json.loads(fields["data"]))
        fields = {}


def ids_of(told: Told) -> list[str]:
    assert isinstance(told.data, list)
    return [entry["id"] for entry in told.data]


def next_requests(events: Iterator[Told]) -> Told:
    return next(told for told in events if told.event == "requests")


def append(folder: Path, *events: Event, tail: bytes = b"") -> None:
    with (folder / "ledger.jsonl").open("ab") as stream:
        stream.writelines(encode(event) for event in events)
        stream.write(tail)


def cursor_of(client: Client) -> str:
    live = client.report()["live"]
    assert isinstance(live, dict)
    return str(live["cursor"])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A run directory with an image, and a secret beside it."""
    (tmp_path / "secret.png").write_bytes(b"secret")
    place = tmp_path / "run"
    image = draw(place, "Tokyo/at dawn #%.png")
    outside = replace(image, path="../secret.png")
    append(place, run_line(9), kept(1, image), kept(2, outside), rejected(3))
    return place


@pytest.fixture
def watch(folder: Path) -> Iterator[Watch]:
    with Watch(folder) as watching:
        yield watching


@pytest.fixture
def reader(watch: Watch) -> Client:
    return Client(watch.look)


@pytest.fixture
def owner(watch: Watch) -> Client:
    return Client(watch.control)


def test_an_address_is_exchanged_for_a_cookie(watch: Watch, reader: Client) -> None:
    assert reader.opened.status == 303
    flags = reader.opened.headers["Set-Cookie"].split("; ")
    assert {"HttpOnly", "SameSite=Strict", f"Path={reader.root}"} <= {*flags}
    key = watch.look.rpartition("/")[2]
    assert key not in reader.root
    assert b"<!doctype html>" in reader.get("").body


@pytest.mark.parametrize(
    "path",
    ["", "data.js", "events", "page/app.js", "image/a/0", "thumb/a/0", "none"],
)
@pytest.mark.parametrize("cookie", ["", "batcher=", "batcher=nonsense"])
def test_without_a_key_there_is_nothing(reader: Client, path: str, cookie: str) -> None:
    assert reader.get(path, Cookie=cookie).status == 401
    assert reader.ask(f"/{path}", Cookie=cookie).status == 401


def test_a_wrong_key_opens_nothing(watch: Watch, reader: Client) -> None:
    refused = reader.ask("/open/" + watch.look.rpartition("/")[2][:-1])
    assert refused.status == 403
    assert "Set-Cookie" not in refused.headers


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "", "[::1"]
)
def test_another_name_for_this_machine_is_refused(
    watch: Watch, reader: Client, host: str
) -> None:
    for path in (reader.root, "/", urlsplit(watch.look).path):
        assert reader.ask(path, Host=host).status in {400, 403}


def test_a_forwarded_port_is_no_other_name(reader: Client) -> None:
    assert reader.get("", Host="localhost:9999").status == 200


def test_every_answer_carries_its_headers(reader: Client) -> None:
    paths = ("", "data.js", "page/app.js", "none", f"image/{1:020x}/0")
    answers = [reader.opened, *map(reader.get, paths), reader.ask("/", Cookie="")]
    for answer in answers:
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]


def test_a_kept_image_is_served_and_its_thumbnail(reader: Client, folder: Path) -> None:
    image = reader.get(f"image/{1:020x}/0")
    assert image.body == (folder / "Tokyo" / "at dawn #%.png").read_bytes()
    assert image.headers["Content-Type"] == "image/png"
    assert "at%20dawn%20%23%25.png" in image.headers["Content-Disposition"]
    thumbnail = reader.get(f"thumb/{1:020x}/0")
    assert thumbnail.headers["Content-Type"] == "image/webp"
    assert thumbnail.body[8:12] == b"WEBP"


@pytest.mark.parametrize(
    "path",
    [
        f"image/{2:020x}/0",
        f"thumb/{2:020x}/0",
        f"image/{1:020x}/1",
        f"image/{1:020x}/-1",
        f"image/{1:020x}/0/../../../../secret.png",
        f"image/{1:020x}/%2e%2e%2fsecret.png",
        f"image/{3:020x}/0",
        f"image/{9:020x}/0",
        "image/Tokyo/at%20dawn%20%23%25.png",
        "../../secret.png",
        "..%2f..%2fsecret.png",
        "page/../../../secret.png",
        "page/..%2fentry.py",
        "ledger.jsonl",
        ".control",
        "//etc/hostname",
    ],
)
def test_nothing_but_kept_images_is_served(reader: Client, path: str) -> None:
    answer = reader.get(path)
    assert answer.status == 404
    assert b"secret" not in answer.body


def test_who_may_only_look_cannot_control(reader: Client, owner: Client) -> None:
    assert reader.post({"name": "pause"}).status == 403
    for client, may_control in ((reader, False), (owner, True)):
        live = client.report()["live"]
        assert isinstance(live, dict)
        assert live["may_control"] is may_control


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "", "http://{}0"])
def test_a_command_from_another_page_is_refused(owner: Client, origin: str) -> None:
    answer = owner.post({"name": "pause"}, Origin=origin.format(owner.host))
    assert answer.status == 403


@pytest.mark.parametrize(
    ("order", "words"),
    [
        ({"name": "stop"}, "expected one of"),
        ({"name": "max-spend", "value": "9999"}, "expected one of"),
        ({"name": "concurrency", "value": "none"}, "expected a number"),
        ({"name": "concurrency"}, "takes a number"),
        ({"name": "pause"}, "no run is going on"),
        (["pause"], "Expected `object`"),
    ],
)
def test_what_cannot_be_done_is_said(owner: Client, order: object, words: str) -> None:
    answer = owner.post(order)
    assert answer.status == 400
    assert words in answer.body.decode()


def test_a_long_body_is_not_read(owner: Client) -> None:
    assert owner.post({"name": "pause", "value": "x" * 2000}).status == 413


async def test_commands_go_to_the_run_as_those_of_ctl_do(
    folder: Path, owner: Client
) -> None:
    heard: list[Command] = []

    def handle(command: Command) -> Mapping[str, object]:
        heard.append(command)
        return {"paused": "by hand", "in_flight": 2}

    def told() -> object:
        with owner.events(cursor_of(owner)) as events:
            return next(told for told in events if told.event == "run").data

    async with RemoteControl(folder, handle):
        order = {"name": "concurrency", "value": "3"}
        assert (await asyncio.to_thread(owner.post, order)).status == 204
        run = await asyncio.to_thread(told)
    assert str(heard[0].value) == "3"
    assert isinstance(run, dict)
    assert run["standing"]["paused"] == "by hand"


def test_a_page_is_told_of_new_requests_and_numbers(
    folder: Path, reader: Client
) -> None:
    with reader.events(cursor_of(reader)) as events:
        append(folder, attempt_line("a"), tail=encode(attempt_line("b"))[:-5])
        told = next_requests(events)
        assert ids_of(told) == ["a"]
        append(folder, tail=encode(attempt_line("b"))[-5:])
        assert ids_of(next_requests(events)) == ["b"]
    with reader.events(told.id) as events:
        assert ids_of(next_requests(events)) == ["b"]


def test_a_page_that_was_away_goes_on_where_it_was(
    folder: Path, reader: Client
) -> None:
    start = cursor_of(reader)
    with reader.events(start) as events:
        append(folder, attempt_line("a"))
        seen = next_requests(events)
    append(folder, attempt_line("b"), rejected(7), attempt_line("b"))
    with reader.events(start, Last_Event_ID=seen.id) as events:
        ids: list[str] = []
        while len(ids) < 2:
            ids += ids_of(next_requests(events))
    assert ids == [f"{7:020x}", "b"]


def test_a_compacted_ledger_has_the_page_reload(folder: Path, reader: Client) -> None:
    with reader.events(cursor_of(reader)) as events:
        next(events)
        (folder / "new").write_bytes((folder / "ledger.jsonl").read_bytes())
        (folder / "new").replace(folder / "ledger.jsonl")
        assert any(told.event == "reload" for told in events)
    assert reader.report()["title"] == "run"


def test_a_page_that_does_not_listen_holds_up_nobody(
    folder: Path, reader: Client
) -> None:
    start = cursor_of(reader)
    with socket.create_connection(("127.0.0.1", reader.port or 0)) as deaf:
        lines = f"GET {reader.root}events?after={start} HTTP/1.1", "Host: localhost"
        deaf.sendall("\r\n".join([*lines, f"Cookie: {reader.cookie}", "", ""]).encode())
        assert deaf.recv(1)
        long = replace(rejected(4), request={"prompt": "x" * 30_000})
        results = [replace(long, id=f"{number:020x}") for number in range(100, 400)]
        append(folder, *results)
        ids: set[str] = set()
        with reader.events(start) as events:
            while len(ids) < len(results):
                ids |= {*ids_of(next_requests(events))}
    assert ids == {result.id for result in results}


def test_at_the_end_a_page_is_told_the_last(folder: Path) -> None:
    with Watch(folder) as watch:
        client = Client(watch.look)
        with client.events(cursor_of(client)) as events:
            next(events)
            append(folder, attempt_line("last"))
            watch.__exit__()
            told = list(events)
    assert told[-1].event == "end"
    assert "last" in [
        id_ for each in told if each.event == "requests" for id_ in ids_of(each)
    ]


def test_a_ledger_may_come_later(tmp_path: Path) -> None:
    with Watch(tmp_path / "run") as watch:
        client = Client(watch.look)
        assert client.report()["runs"] == []
        with client.events(cursor_of(client)) as events:
            (tmp_path / "run").mkdir()
            append(tmp_path / "run", attempt_line("a"))
            assert ids_of(next_requests(events)) == ["a"]


def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UsageError, match=f"port {port}"), Watch(tmp_path, port):
            pass


def test_what_goes_wrong_within_is_logged_and_no_more(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "ledger.jsonl").mkdir()
    with Watch(tmp_path) as watch:
        watch.wait()
    assert "the page cannot be shown any more" in caplog.text


@pytest.mark.parametrize("address", ["127.0.0.2", "::1"])
def test_no_other_address_is_listened_at(watch: Watch, address: str) -> None:
    port = urlsplit(watch.look).port
    with pytest.raises(OSError, match=r"refused|assign"):
        socket.create_connection((address, port or 0), timeout=SECONDS).close()

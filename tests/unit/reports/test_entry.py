from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import msgspec
import pytest

from batcher.ledger import ReplyLine, Standing, State
from batcher.ledger.event import ErrorRecord
from batcher.models import Image
from batcher.reports.entry import Picture, Sighting, ended, link, unfinished
from tests.unit.reports.ledger import kept, rejected

IMAGE = Image(
    index=0, path="a.png", bytes=9, sha256="0" * 64, format="png", width=4, height=3
)
PICTURE = Picture(
    path="a.png", src="../a.png", bytes=9, format="png", width=4, height=3
)


@pytest.mark.parametrize(
    ("path", "url"),
    [
        ("Tokyo/dawn.png", "../Tokyo/dawn.png"),
        ("a b#1?%41.png", "../a%20b%231%3F%2541.png"),
        ("javascript:alert(1).png", "../javascript%3Aalert%281%29.png"),
        ("京都.png", "../%E4%BA%AC%E9%83%BD.png"),
        ("/etc/passwd", None),
        ("a/../../b.png", None),
    ],
)
def test_a_link_leads_to_the_file_and_never_outside(path: str, url: str | None) -> None:
    assert link("../", path) == url


def test_an_entry_keeps_the_prompt_apart_from_what_else_was_sent() -> None:
    entry = ended(kept(1, IMAGE, prompt="a cube"), None, (PICTURE,))
    assert entry.prompt == "a cube"
    assert entry.request == {"model": "gpt-image-2-pro", "size": "640x480"}
    assert entry.images == (PICTURE,)
    assert entry.status == "succeeded"


def test_an_image_that_is_gone_is_lost_and_not_kept() -> None:
    gone = msgspec.structs.replace(PICTURE, src=None)
    kept_once = Standing(state=State.SUCCEEDED, attempts=1)
    for standing in (None, kept_once):
        assert ended(kept(1, IMAGE), standing, (PICTURE, gone)).status == "lost"
    again = Standing(state=State.UNKNOWN, attempts=2)
    assert ended(kept(1, IMAGE), again, (gone,)).status == "unknown"


def test_a_prompt_that_is_no_text_is_left_out() -> None:
    result = msgspec.structs.replace(kept(1, IMAGE), request={"prompt": 5})
    assert ended(result, None, ()).prompt is None


def test_a_revised_prompt_that_revises_nothing_is_left_out() -> None:
    same = msgspec.structs.replace(PICTURE, revised_prompt="a cube")
    other = msgspec.structs.replace(PICTURE, revised_prompt="a blue cube")
    entry = ended(kept(1, IMAGE, prompt="a cube"), None, (same, other))
    assert [each.revised_prompt for each in entry.images] == [None, "a blue cube"]


def test_what_was_sent_again_since_stands_as_the_ledger_says() -> None:
    standing = Standing(state=State.UNKNOWN, attempts=3)
    entry = ended(rejected(1), standing, ())
    assert (entry.status, entry.attempts) == ("unknown", 3)


def test_a_request_without_a_result_says_what_is_known() -> None:
    standing = Standing(
        state=State.UNKNOWN,
        attempts=2,
        maybe_billed=Decimal("0.05"),
        open_usd=Decimal("0.05"),
    )
    at = datetime(2026, 1, 1, tzinfo=UTC)
    error = ErrorRecord(error_class="ambiguous", message="reset")
    entry = unfinished("f" * 20, standing, Sighting(at=at, error=error))
    assert entry.status == "unknown"
    assert entry.maybe_billed_usd == Decimal("0.10")
    assert (entry.at, entry.error) == (at, error)


def test_a_paid_reply_is_pending_and_says_so() -> None:
    reply = ReplyLine(attempt=1, urls=("https://example.org/a",))
    standing = Standing(state=State.REPLIED, attempts=1, reply=reply)
    entry = unfinished("f" * 20, standing, None)
    assert entry.status == "pending"
    assert entry.is_replied
    assert entry.maybe_billed_usd is None


def test_empty_fields_take_no_room_in_the_page() -> None:
    entry = unfinished("f" * 20, Standing(state=State.PENDING), None)
    assert msgspec.to_builtins(entry) == {"id": "f" * 20, "status": "pending"}

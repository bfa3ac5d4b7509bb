from __future__ import annotations

import io
import json
from datetime import UTC, datetime
from decimal import Decimal

import msgspec
import pytest
from PIL import Image as Picture

from batcher import images
from batcher.ledger.event import Attempt, ErrorRecord, Result, Retry, Unknown
from batcher.models import Image, Status
from batcher.provenance import document, history_in, recorded

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
ERROR = ErrorRecord(
    error_class="server",
    status=500,
    message="see https://me:key@h.example/a/b?token=secret#secret now",
)
HISTORY = (
    Attempt(at=AT, id="ab", name="fox", attempt=1, endpoint="octopusx:OTHER_KEY"),
    Retry(at=AT, id="ab", attempt=1, error=ERROR, maybe_billed=False, delay=2.5),
    Unknown(at=AT, id="ab", attempt=2, error=ERROR, request_id="req-2"),
)
PROMPT = "as on https://h.example/?q=fox, \N{FOX FACE}"
RESULT = Result(
    at=AT,
    id="ab",
    name="fox",
    status=Status.SUCCEEDED,
    attempts=2,
    request={
        "model": "gpt-image-2-pro",
        "prompt": PROMPT,
        "image": ["sha256:00", "https://u:p@s@h.example/a.png?sig=secret"],
        "n": 1,
    },
    vars={"customer": "secret"},
    usage={"output_tokens": 7},
    cost_usd=Decimal("0.2500"),
    latency=1.5,
    request_id="req-3",
    warnings=("size_mismatch",),
)
FILE = Image(
    index=0, path="a.png", bytes=9, sha256="0", format="png", width=8, height=8
)


def known(
    result: Result = RESULT, revised: str | None = "a red fox"
) -> dict[str, object]:
    """Give what comes back out of a file."""
    stream = io.BytesIO()
    Picture.new("RGB", (8, 8)).save(stream, "PNG")
    data = stream.getvalue()
    what = document(result, HISTORY, software="batcher 1.2.3", revised_prompt=revised)
    splices = images.embedding([data], what)
    assert isinstance(splices, tuple)
    found = images.read_provenance(images.spliced([data], splices))
    assert found is not None
    return found


def test_a_result_comes_back_but_for_what_a_file_need_not_say() -> None:
    image = msgspec.structs.replace(FILE, revised_prompt="a red fox")
    request = {**RESULT.request, "image": ["sha256:00", "https://h.example/a.png"]}
    assert recorded(known(), FILE) == msgspec.structs.replace(
        RESULT, vars={}, images=(image,), request=request
    )


def test_every_attempt_is_told() -> None:
    assert [(step["event"], step["attempt"]) for step in history_in(known())] == [
        ("attempt", 1),
        ("retry", 1),
        ("unknown", 2),
    ]
    _, retry, unknown = history_in(known())
    assert retry["error"] == {
        "class": "server",
        "status": 500,
        "code": None,
        "message": "see https://h.example/a/b now",
    }
    assert retry["at"] == "2026-03-01T12:00:00Z"
    assert unknown["request_id"] == "req-2"


@pytest.mark.parametrize("word", ["secret", "key@", "p@s", "u:p", "OTHER_KEY"])
def test_nothing_private_is_told(word: str) -> None:
    assert word not in json.dumps(known())


def test_a_prompt_stays_as_it_is() -> None:
    request = known()["request"]
    assert isinstance(request, dict)
    assert request["prompt"] == PROMPT


def test_what_is_not_known_is_left_out() -> None:
    bare = Result(
        at=AT, id="a", name="b", status=Status.FAILED, attempts=1, request={}, vars={}
    )
    found = known(bare, None)
    assert set(found) == {
        *("software", "at", "id", "name", "status", "attempts", "request"),
        *("warnings", "history"),
    }
    result = recorded(found, FILE)
    assert result is not None
    assert result.images == (FILE,)


@pytest.mark.parametrize(
    "found", [{}, {"id": 1}, {**known(), "status": "x"}, {**known(), "at": []}]
)
def test_what_is_of_another_form_is_not_taken(found: dict[str, object]) -> None:
    assert recorded(found, FILE) is None


@pytest.mark.parametrize("steps", [None, "x", [1, "x"], {"a": 1}])
def test_a_history_of_another_form_is_empty(steps: object) -> None:
    assert history_in({"history": steps}) == []

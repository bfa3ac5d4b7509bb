"""Whatever bytes a gateway answers with, its run ends in good order, and the next."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import example, given, settings
from hypothesis import strategies as st

from batcher.ledger import read_ledger
from batcher.models import ErrorClass
from tests.integration.odd_server import Talk, read_request, talking
from tests.integration.store_conformance import png
from tests.integration.test_runner import Project, rows
from tests.integration.test_worker import check_books, lines
from tests.unit.transport.test_whatever_comes import BODY

WHOLE = json.dumps({"data": [{"b64_json": base64.b64encode(png()).decode()}]}).encode()
REASONS = {"finished", *ErrorClass} - {ErrorClass.STORE}
"""How such a run may end: nothing of it is the disk's fault."""

NAMES = [
    b"x-request-id",
    b"cf-ray",
    b"Retry-After",
    b"x-should-retry",
    b"x-ratelimit-remaining-images",
    b"Content-Length",
    b"Content-Encoding",
    b"Transfer-Encoding",
    b"Connection",
]
VALUE = st.binary(max_size=9) | st.sampled_from(
    [b"0", b"9" * 40, b"1e308", b"gzip", b"chunked", b"close", b"false", b"r\xff1"]
)


def answer(
    status: int, headers: Sequence[tuple[bytes, bytes]], body: bytes, *, is_told: bool
) -> bytes:
    told = [(b"Content-Length", b"%d" % len(body))] if is_told else []
    head = b"".join(b"%b: %b\r\n" % each for each in (*headers, *told))
    return b"HTTP/1.1 %d OK\r\n%b\r\n%b" % (status, head, body)


ANSWER = st.binary() | st.builds(
    answer,
    st.just(200) | st.integers(0, 999),
    st.lists(st.tuples(st.sampled_from(NAMES), VALUE), max_size=3),
    BODY | st.just(WHOLE),
    is_told=st.booleans(),
)
ODD = (b"x-request-id", b"r\xff1")


def gateway(answers: Sequence[bytes]) -> Talk:
    """Give the answers in turn, the last one for ever, each on its own connection."""
    left = list(reversed(answers))

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(left.pop() if len(left) > 1 else left[0])
        await writer.drain()

    return talk


@settings(max_examples=25, deadline=None)
@given(st.lists(ANSWER, min_size=1, max_size=3))
@example(
    [answer(200, [ODD], WHOLE, is_told=True), answer(500, [ODD], b"", is_told=True)]
)
@example(
    [answer(200, [], b'{"data":[{"url":"http://127.0.0.1:1/\\ud800"}]}', is_told=True)]
)
async def test_any_answer_ends_a_run_in_good_order(answers: list[bytes]) -> None:
    with TemporaryDirectory() as folder:
        async with talking(gateway(answers)) as origin:
            project = Project(Path(folder), f"{origin}/v1")
            project.write(rows(a="a fox", b="a heron", c="an owl"))
            for _ in range(2):
                summary = await project.run(
                    max_attempts=1, max_time=0.3, timeout=20, concurrency=1
                )
                assert summary.total == 3
                last = lines(project.out)[-1]
                assert (last["event"], last["reason"] in REASONS) == ("end", True)
                check_books(project.out)
        assert read_ledger(project.out).damaged == ()

from __future__ import annotations

import json
import re

from hypothesis import given
from hypothesis import strategies as st

from batcher.reports.script import BATCH, data_script

LITERAL = re.compile(rb"JSON\.parse\('((?:[^'\\]|\\.)*)'\)")
ESCAPE = re.compile(r"\\(x3c|u2028|u2029|.)")
texts = st.text(st.characters(exclude_categories=["Cs"])) | st.sampled_from(
    ["</script>", "<!--", "'", "\\", "\\'", '\\"', "\u2028\u2029", "\n"]
)
values = st.recursive(
    texts | st.integers(-(2**53), 2**53) | st.none() | st.booleans(),
    lambda inner: st.lists(inner) | st.dictionaries(texts, inner),
    max_leaves=8,
)


def evaluated(script: bytes) -> list[object]:
    """Read back what a browser would: the string literals, then their JSON."""
    special = {"x3c": "<", "u2028": "\u2028", "u2029": "\u2029"}
    literals = [found.decode() for found in LITERAL.findall(script)]
    unescaped = [
        ESCAPE.sub(lambda match: special.get(match[1], match[1]), literal)
        for literal in literals
    ]
    return [json.loads(text) for text in unescaped]


@given(values, st.lists(values, max_size=5))
def test_the_page_reads_what_was_written(
    header: object, requests: list[object]
) -> None:
    read, *batches = evaluated(b"".join(data_script(header, requests)))
    assert read == header
    assert batches == ([requests] if requests else [])


@given(values)
def test_no_text_can_end_the_script_or_its_line(value: object) -> None:
    script = b"".join(data_script(value, [value]))
    assert b"<" not in script
    assert not {"\u2028", "\u2029"} & set(script.decode())
    assert script.count(b"\n") == 4


def test_requests_are_taken_a_batch_at_a_time() -> None:
    taken: list[int] = []
    requests = (taken.append(i) or i for i in range(3 * BATCH))  # type: ignore[func-returns-value]  # append gives None
    script = data_script({}, requests)
    for _ in range(3):
        next(script)
    assert len(taken) == BATCH

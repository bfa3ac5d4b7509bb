from __future__ import annotations

from collections.abc import Callable

from tests.acceptance.program import Gateway, Program, events

MANIFEST = """
defaults: {size: 1024x1024, quality: low}
requests:
  - name: "{{ i }}"
    prompt: "A postage stamp, number {{ i }}"
    matrix: {i: {range: [1, 8]}}
"""


def test_status_says_the_same_after_a_compaction_and_nothing_is_sent_again(
    program: Program, start_gateway: Callable[..., Gateway]
) -> None:
    gateway = start_gateway()
    program.write("m.yaml", MANIFEST)
    run = ("run", "m.yaml", "--base-url", gateway.base_url, "--out", "out")
    program(*run, BATCHER_API_KEY="sandbox")
    before = program("status", "out", "--json")
    compacted = program("compact", "out")
    assert compacted.returncode == 0, compacted.stderr
    assert "kept as ledger.jsonl.1" in compacted.stdout
    assert program("status", "out", "--json").stdout == before.stdout
    kept = {line["id"] for line in events(program.folder / "out", "result")}
    posts = len(gateway.posts())
    program(*run, "--retry", "none", BATCHER_API_KEY="sandbox")
    assert len(gateway.posts()) == posts
    assert len(kept) == 8
    assert "nothing to leave out" in program("compact", "out").stdout


def test_a_folder_without_a_ledger_is_refused(program: Program) -> None:
    refused = program("compact", ".")
    assert refused.returncode == 2
    assert "there is no ledger.jsonl" in refused.stderr

"""A manifest of a billion requests is planned at once, and run in small parts."""

from __future__ import annotations

import json
from collections.abc import Callable

from tests.acceptance.program import Gateway, Program

MANIFEST = """
name: huge
defaults: {size: 1024x1024, quality: low}
requests:
  - name: "{{ a }}-{{ b }}-{{ c }}"
    prompt: "Pattern {{ a }} in {{ b }} on {{ c }}"
    matrix: {a: {range: [1, 1000]}, b: {range: [1, 1000]}, c: {range: [1, 1000]}}
"""


def test_a_billion_requests_are_counted_and_priced_by_a_sample(
    program: Program,
) -> None:
    program.write("huge.yaml", MANIFEST)
    planned = program("plan", "huge.yaml", "--json")
    assert planned.returncode == 0, planned.stderr
    plan = json.loads(planned.stdout)
    assert plan["total"] == plan["images"] == plan["new"] == 10**9
    assert plan["warnings"] == {"sampled": 1}
    few = json.loads(program("plan", "huge.yaml", "--json", "--sample", "1000").stdout)
    ratio = plan["estimated_usd"] / few["estimated_usd"] / 10**6
    assert 0.99 < ratio < 1.01
    assert "1,000,000,000 requests in all, counted; 10,002 drawn" in planned.stderr


def test_a_billion_requests_are_not_run_at_once(program: Program) -> None:
    program.write("huge.yaml", MANIFEST)
    for more in ((), ("--shard", "1/2"), ("--where", "a=1"), ("--canary", "1")):
        ended = program("run", "huge.yaml", "--endpoint", "sandbox", "--yes", *more)
        assert ended.returncode == 2
        assert "take some with --first, --sample or --shard" in ended.stderr
    assert not (program.folder / "runs").exists()


def test_a_sample_of_a_billion_is_run_and_resumed(
    program: Program, start_gateway: Callable[..., Gateway]
) -> None:
    gateway = start_gateway()
    program.write("huge.yaml", MANIFEST)
    shared = ("huge.yaml", "--base-url", gateway.base_url, "--out", "out")
    run = ("run", *shared, "--sample", "5", "--json")
    first = program(*run, BATCHER_API_KEY="sandbox")
    assert first.returncode == 0, first.stderr
    assert "no more was looked at than the 5 asked for" in first.stderr
    second = program(*run, BATCHER_API_KEY="sandbox")
    assert second.returncode == 0, second.stderr
    summary = json.loads(second.stdout)
    assert (summary["total"], summary["succeeded"], summary["skipped"]) == (5, 5, 5)
    assert len(gateway.posts()) == 5
    # Another sample goes into the same folder, and claims nothing of the first.
    other = ("--sample", "3", "--seed", "1", "--json")
    plan = json.loads(program("plan", *shared, *other).stdout)
    assert (plan["new"], plan["changed"], plan["orphaned"]) == (3, 0, 0)
    third = program("run", *shared, *other, BATCHER_API_KEY="sandbox")
    assert third.returncode == 0, third.stderr
    assert len(gateway.posts()) == 8

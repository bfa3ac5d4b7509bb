from __future__ import annotations

import json
from collections.abc import Callable

from tests.acceptance.program import Gateway, Program, count_by, events

TWENTY = (
    "defaults: {size: 64x64}\n"
    "requests: [{prompt: 'n {{ i }}', matrix: {i: {range: [1, 20]}}}]\n"
)


def test_several_keys_of_one_account_share_the_work(
    program: Program, start_gateway: Callable[..., Gateway]
) -> None:
    gateway = start_gateway("--latency", "0.1")
    program.write(
        "batcher.toml",
        f"[endpoints.two]\nbase_url = '{gateway.base_url}'\nkey_env = ['ONE', 'TWO']\n",
    )
    program.write("m.yaml", TWENTY)
    done = program("run", "m.yaml", "--endpoint", "two", ONE="sandbox", TWO="sandbox")
    assert done.returncode == 0, done.stderr
    served = count_by(events(program.folder / "runs" / "m", "attempt"), "endpoint")
    assert set(served) == {"two:ONE", "two:TWO"}
    assert min(served.values()) >= 5


def test_a_key_that_is_refused_leaves_the_rotation(
    program: Program, start_gateway: Callable[..., Gateway]
) -> None:
    gateway = start_gateway()
    program.write(
        "batcher.toml",
        f"[endpoints.two]\nbase_url = '{gateway.base_url}'\n"
        "key_env = ['BAD', 'GOOD']\n",
    )
    program.write("m.yaml", TWENTY)
    done = program(
        "run", "m.yaml", "--endpoint", "two", "--json", BAD="wrong", GOOD="sandbox"
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["succeeded"] == 20
    retries = events(program.folder / "runs" / "m", "retry")
    assert {json.dumps(line["error"]) for line in retries} != set()
    assert len(retries) <= 8


def test_a_fallback_takes_over_when_the_money_is_out(
    program: Program, start_gateway: Callable[..., Gateway]
) -> None:
    dry, full = start_gateway("--balance", "0.01"), start_gateway()
    program.write(
        "batcher.toml",
        f"[endpoints.first]\nbase_url = '{dry.base_url}'\nkey_env = 'FIRST'\n"
        "fallback = ['second']\n"
        f"[endpoints.second]\nbase_url = '{full.base_url}'\nkey_env = 'SECOND'\n",
    )
    program.write("m.yaml", TWENTY)
    keys = {"FIRST": "sandbox", "SECOND": "sandbox"}
    done = program("run", "m.yaml", "--endpoint", "first", "--json", **keys)
    assert done.returncode == 0, done.stderr
    served = count_by(events(program.folder / "runs" / "m", "attempt"), "endpoint")
    assert served["second"] >= 12
    assert len(full.posts()) == served["second"]


def test_the_run_stops_when_no_key_is_left(
    program: Program, start_gateway: Callable[..., Gateway]
) -> None:
    gateway = start_gateway("--key", "another")
    program.write(
        "batcher.toml",
        f"[endpoints.two]\nbase_url = '{gateway.base_url}'\nkey_env = ['ONE', 'TWO']\n",
    )
    program.write("m.yaml", TWENTY)
    done = program("run", "m.yaml", "--endpoint", "two", "--json", ONE="a", TWO="b")
    summary = json.loads(done.stdout)
    assert done.returncode == 3
    assert summary["stopped"]["class"] == "auth"
    assert summary["pending"] == 20

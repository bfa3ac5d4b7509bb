from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.acceptance.program import Gateway, Program


@pytest.mark.parametrize(
    ("entry", "fields"),
    [
        ("{prompt: a cube}", {"model", "prompt"}),
        ("{prompt: a cube, watermark: false}", {"model", "prompt", "watermark"}),
        ("{prompt: a cube, n: 0}", {"model", "prompt", "n"}),
        ("{prompt: a cube, size: '16:9(2K)'}", {"model", "prompt", "size"}),
        (
            "{prompt: a cube, style: {a: 1}, extra: {seed: 7}}",
            {"model", "prompt", "style", "seed"},
        ),
    ],
)
def test_only_what_was_set_is_sent(
    program: Program,
    start_gateway: Callable[..., Gateway],
    entry: str,
    fields: set[str],
) -> None:
    gateway = start_gateway()
    program.write("m.yaml", f"requests: [{entry}]\n")
    command = ("run", "m.yaml", "--base-url", gateway.base_url)
    done = program(*command, BATCHER_API_KEY="sandbox")
    assert done.returncode == 0, done.stderr
    sent = gateway.posts()[0]["fields"]
    assert isinstance(sent, list)
    assert set(sent) == fields


def test_a_refused_prompt_is_not_rewritten(
    program: Program, start_gateway: Callable[..., Gateway]
) -> None:
    gateway = start_gateway()
    prompt = "a cube sandbox:moderation"
    program.write("m.yaml", f"requests: [{{prompt: '{prompt}'}}]\n")
    command = ("run", "m.yaml", "--base-url", gateway.base_url)
    assert program(*command, BATCHER_API_KEY="sandbox").returncode == 1
    again = program(*command, "--retry", "rejected", BATCHER_API_KEY="sandbox")
    assert again.returncode == 1
    assert [post["prompt"] for post in gateway.posts()] == [prompt, prompt]

"""Every fault of the sandbox, against both kinds of reply, once, always and at resume.

What must hold whatever the gateway does: the run ends by itself with an exit code that
fits, every POST was announced, every kept file is the one its line names, nothing that
was billed is missing from what is called spent or maybe billed, and no key is written.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path

import pytest

from batcher.job import Job
from batcher.models import Summary
from batcher.options import Options
from batcher.runner import execute
from batcher.sandbox import Sandbox, SandboxOptions, list_faults
from tests.integration.silence import Silence

FAULTS = [line.split()[0] for line in list_faults().splitlines() if line.strip()]
KEY = "sk-matrix-key-that-must-not-be-seen"
PRICE = Decimal("0.05")


async def run(folder: Path, settings: Mapping[str, object]) -> Summary:
    job = Job(
        Options(
            manifests=(str(folder / "m.yaml"),),
            out=str(folder / "out"),
            endpoint="matrix",
            settings={"max_attempts": 2, **settings},
        ),
        {"MATRIX_KEY": KEY, "XDG_CONFIG_HOME": str(folder)},
    )
    return await execute(job, Silence(), chance=lambda: 0.0)


def write(folder: Path, base_url: str, fault: str, reply: str, times: str) -> None:
    (folder / "batcher").mkdir(exist_ok=True)
    (folder / "batcher" / "config.toml").write_text(
        f'[endpoints.matrix]\nbase_url = "{base_url}"\nkey_env = "MATRIX_KEY"\n'
        f'prices = {{"*" = {PRICE}}}\n'
    )
    (folder / "m.yaml").write_text(
        f"defaults: {{size: 64x64, response_format: {reply}}}\n"
        "requests:\n"
        f"  - {{name: bad, prompt: 'a cat sandbox:{fault}{times}'}}\n"
        "  - {name: good, prompt: a dog}\n"
    )


def lines(folder: Path) -> list[Mapping[str, object]]:
    text = (folder / "out" / "ledger.jsonl").read_text()
    return [json.loads(line) for line in text.splitlines()]


def check(folder: Path, summary: Summary, gateway: Sandbox) -> None:
    attempts = [line for line in lines(folder) if line["event"] == "attempt"]
    assert gateway.journal.posts <= len(attempts)
    for line in lines(folder):
        if line["event"] == "result" and line["status"] == "succeeded":
            images = line["images"]
            assert isinstance(images, list)
            assert images
            for image in images:
                content = (folder / "out" / image["path"]).read_bytes()
                assert hashlib.sha256(content).hexdigest() == image["sha256"]
    assert summary.spent_usd is not None
    assert summary.maybe_billed_usd is not None
    accounted = summary.spent_usd + summary.maybe_billed_usd
    assert gateway.journal.billed * PRICE <= accounted
    for path in folder.rglob("*"):
        if path.is_file():
            assert KEY.encode() not in path.read_bytes()


@pytest.mark.parametrize("times", ["*1", ""], ids=["once", "always"])
@pytest.mark.parametrize("reply", ["b64_json", "url"])
@pytest.mark.parametrize("fault", FAULTS)
async def test_whatever_a_gateway_does_nothing_is_lost_or_hidden(
    tmp_path: Path, fault: str, reply: str, times: str
) -> None:
    # What is waited for in vain is not waited for long; all else may take its time.
    settings = {
        "timeout": 0.5 if fault == "hang" else 30,
        "longest_wait": 2 if times else 0.5,
    }
    async with Sandbox(SandboxOptions(key=KEY)) as gateway:
        write(tmp_path, gateway.base_url, fault, reply, times)
        first = await run(tmp_path, settings)
        check(tmp_path, first, gateway)
        assert first.exit_code in (0, 1, 3)
        assert first.exit_code == 3 or first.succeeded + first.failed > 0
        kept = first.succeeded
        again = await run(tmp_path, settings)
        check(tmp_path, again, gateway)
        assert again.succeeded >= kept

"""Generates a few images on the sandbox, from an ordinary program."""

import tempfile
from pathlib import Path

from batcher import Request, Result, plan, run

MANIFEST = """
defaults: {size: "1:1", quality: low}
requests:
  - name: "{{ animal }}"
    prompt: "A woodcut of a {{ animal }}"
    matrix: {animal: [fox, heron, otter]}
"""


def tell(request: Request, result: Result | None) -> None:
    """Say how each request ended, as soon as it has."""
    print(request.name, result.status if result else "unknown")


with tempfile.TemporaryDirectory() as folder:
    manifest = Path(folder) / "animals.yaml"
    manifest.write_text(MANIFEST)
    out = f"{folder}/out"
    print("would cost", plan(manifest, endpoint="sandbox", out=out).estimated_usd)
    summary = run(manifest, endpoint="sandbox", out=out, on_result=tell)
    print(f"{summary.succeeded} of {summary.total} kept, {summary.spent_usd} USD")

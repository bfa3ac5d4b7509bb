"""Runs two manifests at once inside an event loop that does other things, too."""

import asyncio
import tempfile
from pathlib import Path

from batcher import Summary, run


async def generate(folder: Path, word: str) -> Summary:
    """Generate two images of something."""
    manifest = folder / f"{word}.yaml"
    manifest.write_text(f"requests: [{{prompt: A {word}, name: {word}, samples: 2}}]")
    return await run(manifest, endpoint="sandbox", out=folder / word)


async def main() -> None:
    """Generate both and say what came of it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        both = await asyncio.gather(generate(folder, "kite"), generate(folder, "drum"))
    print([summary.images for summary in both])


asyncio.run(main())

"""The official SDK in the loop that its documentation shows.

Run it with `python -m tests.benchmarks.official_sdk BASE_URL FOLDER IMAGES AT_ONCE`;
it prints the seconds it took, its start left out.
"""

from __future__ import annotations

import asyncio
import base64
import sys
import time
from pathlib import Path

from openai import AsyncOpenAI


async def main(base_url: str, folder: Path, images: int, at_once: int) -> None:
    """Generate, so many at once, and print how long it took."""
    limit = asyncio.Semaphore(at_once)
    started = time.perf_counter()
    async with AsyncOpenAI(base_url=base_url, api_key="none") as client:

        async def generate(number: int) -> None:
            async with limit:
                reply = await client.images.generate(
                    model="gpt-image-2-pro", prompt=f"picture {number}"
                )
                entry = reply.data[0] if reply.data else None
                if entry is not None and entry.b64_json is not None:
                    data = base64.b64decode(entry.b64_json)
                    (folder / f"{number}.png").write_bytes(data)

        await asyncio.gather(*map(generate, range(images)))
    print(time.perf_counter() - started)


if __name__ == "__main__":
    url, out, *numbers = sys.argv[1:]
    asyncio.run(main(url, Path(out), *map(int, numbers)))

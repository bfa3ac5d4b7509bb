"""The script that one would write by hand: no ledger, no checks, no second try.

Run it with `python -m tests.benchmarks.hand_written BASE_URL FOLDER IMAGES AT_ONCE`;
it prints the seconds it took, its start left out.
"""

from __future__ import annotations

import asyncio
import base64
import json
import sys
import time
from pathlib import Path

import aiohttp


async def main(base_url: str, folder: Path, images: int, at_once: int) -> None:
    """Generate, so many at once, and print how long it took."""
    limit = asyncio.Semaphore(at_once)
    started = time.perf_counter()
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as session:

        async def generate(number: int) -> None:
            body = {"model": "gpt-image-2-pro", "prompt": f"picture {number}"}
            url = f"{base_url}/images/generations"
            async with limit, session.post(url, json=body) as response:
                entry = json.loads(await response.read())["data"][0]
                if "url" in entry:
                    async with session.get(entry["url"]) as download:
                        data = await download.read()
                else:
                    data = base64.b64decode(entry["b64_json"])
                with open(folder / f"{number}.png", "wb") as file:  # noqa: ASYNC230, PTH123 - as scripts do
                    file.write(data)

        await asyncio.gather(*map(generate, range(images)))
    print(time.perf_counter() - started)


if __name__ == "__main__":
    url, out, *numbers = sys.argv[1:]
    asyncio.run(main(url, Path(out), *map(int, numbers)))

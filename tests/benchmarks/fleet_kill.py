"""Kills, freezes and cuts off workers of one fleet, and counts what was bought.

Run it with `python -m tests.benchmarks.fleet_kill [--images 500] [--place s3]`. The
gateway and the store have processes of their own and survive; what each worker sends
goes through a `Cable`, so that nothing has to be believed of the program under test.
It ends with 1 when a promise is broken.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
import uuid
from contextlib import ExitStack
from pathlib import Path
from random import Random
from urllib.parse import urlsplit

from batcher.stores import open_directory
from tests.acceptance.program import Gateway
from tests.benchmarks.cable import Exchange
from tests.benchmarks.fleet_account import Account, billed, kept_numbers
from tests.benchmarks.fleet_worker import Crew, Scene
from tests.integration.object_server import asked, faithful_server

MANIFEST = """
name: many
defaults: {size: 1024x1024, quality: low}
settings: {concurrency: 4, max_attempts: 30}
requests:
  - name: "image {{ i }}"
    prompt: "A postage stamp, number {{ i }}"
    matrix: {i: {range: [1, COUNT]}}
"""
PRICE = 0.0061
"""USD that one of these images may cost at most."""

LONGEST_REPLY = 3.0


def main() -> int:
    """Run the fleet through both of its phases, and print the account."""
    options = _options()
    account = Account(images=options.images, ipm=options.ipm)
    with ExitStack() as resources:
        folder = Path(resources.enter_context(tempfile.TemporaryDirectory()))
        (folder / "many.yaml").write_text(
            MANIFEST.replace("COUNT", str(options.images))
        )
        latency = f"0.5-{LONGEST_REPLY:g}"
        gateway = Gateway(folder / "journal.jsonl", "--latency", latency)
        resources.callback(gateway.stop)
        exchange = Exchange()
        resources.callback(exchange.stop)
        store, out = _place(options, folder, resources)
        scene = Scene(
            folder=folder,
            out=out,
            gateway=urlsplit(gateway.base_url).port or 0,
            store=store,
            exchange=exchange,
            lease=options.lease,
            every=options.every,
            ipm=options.ipm,
            kept=lambda: kept_numbers(open_directory(out)),
        )
        crew = Crew(scene, options.workers, Random(options.seed))
        resources.callback(crew.end)
        # First with too little money, so that the limit is felt, and then with enough.
        little = options.images * PRICE / 2
        for limit in (little, little + options.images * PRICE * 10):
            is_done = crew.work(f"{limit:.4f}", seconds=options.seconds)
            time.sleep(LONGEST_REPLY + 1)
            account.note_money(limit, billed(gateway.base_url), is_done=is_done)
        account.close(open_directory(out), gateway.posts(), crew)
    print(f"{options.place}, {options.workers} workers, {options.images} images")
    print(account.text())
    return int(bool(account.broken))


def _place(
    options: argparse.Namespace, folder: Path, resources: ExitStack
) -> tuple[int | None, str]:
    """Give the store's port, if there is one, and the run directory."""
    if options.place == "folder":
        return None, str(folder / "out")
    origin = resources.enter_context(faithful_server())
    bucket = f"bucket-{uuid.uuid4().hex[:12]}"
    asked("PUT", f"{origin}/{bucket}")
    os.environ |= {
        "AWS_ENDPOINT_URL": origin,
        "AWS_ACCESS_KEY_ID": "made-up-key",
        "AWS_SECRET_ACCESS_KEY": "made-up-secret",
        "AWS_REGION": "us-east-1",
    }
    return urlsplit(origin).port, f"s3://{bucket}/out"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=500)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--place", choices=("folder", "s3"), default="folder")
    parser.add_argument("--seconds", type=float, default=600.0, help="of each phase")
    parser.add_argument("--lease", type=float, default=4.0)
    parser.add_argument("--ipm", type=int, default=360)
    parser.add_argument("--every", type=float, default=1.0, help="seconds to a blow")
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())

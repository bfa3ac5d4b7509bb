"""What a fleet bought, against what it had promised; see `fleet_kill`."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from itertools import groupby
from typing import TYPE_CHECKING
from urllib.request import Request, urlopen

from batcher.ledger import read_ledger
from batcher.ledger.reader import raw_lines
from tests.benchmarks.fleet_worker import CONCURRENCY

if TYPE_CHECKING:
    from batcher.stores import Directory
    from tests.benchmarks.fleet_worker import Crew

UNITS = 500_000
"""Units in which a sandbox tells what was used, for a USD."""

Line = Mapping[str, object]


class Account:
    """Sums, and the promises that were broken.

    Attributes:
        rows: What is to be told, by its name.
        broken: What should not have been.
    """

    def __init__(self, *, images: int, ipm: int) -> None:
        self.rows: dict[str, object] = {}
        self.broken: list[str] = []
        self._images = images
        self._ipm = ipm
        self._billed = 0.0

    def note_money(self, limit: float, billed: float, *, is_done: bool) -> None:
        """Compare what was billed with the limit that was in force."""
        self._billed = billed
        self.rows[f"billed under max_spend {limit:.4f}"] = f"{billed:.4f} USD"
        self._check(billed <= limit, f"billed {billed} USD of {limit}")
        self._check(is_done, "the fleet did not come to its end in time")

    def close(self, directory: Directory, posts: Sequence[Line], crew: Crew) -> None:
        """Take everything in when all have ended."""
        lines = list(_lines(directory))
        self._count_crew(crew)
        self._count_images(directory, lines)
        self._count_posts(posts, lines)
        self._count_pace(posts, starts=len(crew.all))
        self._count_fence(crew)
        reading = read_ledger(directory)
        standings = reading.standings
        covered = float(standings.spent + standings.maybe_billed())
        self.rows["the ledger's account"] = (
            f"{standings.spent} USD spent, {standings.maybe_billed()} USD maybe billed"
        )
        self._check(self._billed <= covered + 1e-9, "billed what no ledger line says")
        self._check(not reading.damaged, f"damaged lines: {reading.damaged}")

    def text(self) -> str:
        """Give everything as lines."""
        rows = [f"{name:36} {value}" for name, value in self.rows.items()]
        return "\n".join([*rows, *(f"BROKEN: {each}" for each in self.broken)])

    def _check(self, is_so: bool, words: str) -> None:
        if not is_so:
            self.broken.append(words)

    def _count_crew(self, crew: Crew) -> None:
        codes = Counter(worker.code for worker in crew.all)
        self.rows["blows"] = f"{crew.blows.total()}: {dict(sorted(crew.blows.items()))}"
        self.rows["processes, by exit code"] = dict(codes)
        self._check(not set(codes) - {0, 1, 2, 3, -9}, f"exit codes {codes}")
        self._check(not crew.blows["never ended"], "a worker never ended")
        for worker in crew.all:
            if "Traceback" in worker.words:
                self._check(is_so=False, words=worker.words.strip()[-300:])
                break
        reasons = Counter(worker.reason for worker in crew.all if worker.code == 3)
        self.rows["stopped early, by class"] = dict(reasons)

    def _count_images(self, directory: Directory, lines: Sequence[Line]) -> None:
        kept, lost = set(), 0
        for line in _of(lines, "result"):
            if line["status"] == "succeeded":
                kept.add(_number(line["name"]))
                lost += not _is_there(directory, line)
        self.rows["kept"] = f"{len(kept)} of {self._images}"
        self.rows["images lost"] = lost
        self._check(len(kept) == self._images, "not every request is kept")
        self._check(not lost, f"{lost} images are not what the ledger says")

    def _count_posts(self, posts: Sequence[Line], lines: Sequence[Line]) -> None:
        sent = Counter(_number(post["prompt"]) for post in posts)
        announced = Counter(_number(line["name"]) for line in _of(lines, "attempt"))
        names = {line["id"]: _number(line["name"]) for line in _of(lines, "attempt")}
        lost, late = Counter[int](), Counter[int]()
        attempts = {(line["id"], line["attempt"]) for line in _of(lines, "attempt")}
        ended = {(line["id"], line["attempts"]) for line in _of(lines, "result")}
        known = {
            (line["id"], line["attempt"])
            for line in _of(lines, "retry")
            if not line["maybe_billed"]
        }
        for id_, _ in attempts - ended - known:
            lost[names[id_]] += 1
        for id_, _ in ended:
            late[names[id_]] += 1
        again = {number: count - 1 for number, count in sent.items() if count > 1}
        strange = sum(
            max(0, count - lost[number] - (late[number] - 1))
            for number, count in again.items()
        )
        self.rows["POSTs"] = f"{len(posts)}, announced {announced.total()}"
        self.rows["POSTs sent again"] = sum(again.values())
        self.rows["attempts in flight at a blow"] = lost.total()
        self.rows["outcomes that came late"] = sum(n - 1 for n in late.values() if n)
        self.rows["sent again without a blow"] = strange
        self._check(not strange, "a POST was repeated whose outcome was known")
        silent = sum((sent - announced).values())
        self._check(not silent, f"{silent} POSTs were not announced")

    def _count_fence(self, crew: Crew) -> None:
        again = after = 0
        by_shard: dict[str, list[tuple[float, int]]] = {}
        for number, worker in enumerate(crew.all):
            again += sum(each in worker.kept for _, each in worker.cable.posts)
            turns = by_shard.setdefault(worker.shard, [])
            turns += [(at, number) for at, _ in worker.cable.posts]
        for turns in by_shard.values():
            # Who has sent for a shard sends nothing more once another has.
            senders = [number for number, _ in groupby(n for _, n in sorted(turns))]
            after += len(senders) - len(set(senders))
        most = max(worker.cable.most for worker in crew.all)
        self.rows["kept images bought again"] = again
        self.rows["POSTs of one that was replaced"] = after
        self.rows["most in flight of one worker"] = f"{most} of {CONCURRENCY}"
        self._check(not again, "what was kept was bought again")
        self._check(not after, "two workers sent for one shard")
        self._check(most <= CONCURRENCY, f"{most} in flight at once")

    def _count_pace(self, posts: Sequence[Line], *, starts: int) -> None:
        """Count POSTs in a window; each process that starts may send one at once."""
        times = [datetime.fromisoformat(str(post["at"])).timestamp() for post in posts]
        for seconds in (10, 60):
            most = _most_within(sorted(times), seconds)
            allowed = self._ipm * (seconds + 0.1) / 60 + min(starts, seconds)
            words = f"{most} POSTs in {seconds} s, {allowed:.0f} allowed"
            self.rows[f"most POSTs in {seconds} s"] = words
            self._check(most <= allowed, words)


def billed(base_url: str) -> float:
    """Ask a sandbox how many USD were charged."""
    url = f"{base_url.removesuffix('/v1')}/api/usage/token"
    request = Request(url, headers={"Authorization": "Bearer sandbox"})
    with urlopen(request, timeout=30) as response:
        return float(json.load(response)["data"]["total_used"]) / UNITS


def kept_numbers(directory: Directory) -> frozenset[int]:
    """Tell which requests a ledger says are kept."""
    return frozenset(
        _number(line["name"])
        for line in _of(list(_lines(directory)), "result")
        if line["status"] == "succeeded"
    )


def _lines(directory: Directory) -> Iterator[Line]:
    for _, raw in raw_lines(directory):
        if raw.endswith(b"\n"):
            yield json.loads(raw)


def _of(lines: Sequence[Line], event: str) -> list[Line]:
    return [line for line in lines if line["event"] == event]


def _number(words: object) -> int:
    found = re.search(r"(\d+)$", str(words))
    assert found is not None
    return int(found[1])


def _is_there(directory: Directory, line: Line) -> bool:
    images = line["images"]
    assert isinstance(images, list)
    return bool(images) and all(
        hashlib.sha256(directory.read(image["path"]) or b"").hexdigest()
        == image["sha256"]
        for image in images
    )


def _most_within(times: list[float], seconds: float) -> int:
    most = first = 0
    for last, at in enumerate(times):
        while times[first] <= at - seconds:
            first += 1
        most = max(most, last - first + 1)
    return most

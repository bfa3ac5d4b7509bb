"""What the ledger names and the manifest no longer asks for."""

from __future__ import annotations

from batcher.models import Request
from batcher.orphan import taken_names


def request(name: str) -> Request:
    body = {"model": "gpt-image-2-pro", "prompt": "a fox"}
    return Request(id=name, name=name, body=body, vars={}, output=name, origin="m:1")


def test_a_name_is_taken_when_another_request_has_it() -> None:
    orphans = {"0": "fox", "1": "heron"}
    assert taken_names([request("fox"), request("otter")], orphans) == {"fox"}

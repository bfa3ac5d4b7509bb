from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest

from tests.integration.object_server import (
    OddServer,
    asked,
    faithful_server,
    odd_server,
)

SECRET = "made-up-secret"


@pytest.fixture(scope="session")
def s3() -> Iterator[str]:
    """Origin of a faithful S3 server."""
    with faithful_server() as origin:
        yield origin


@pytest.fixture
def credentials(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment with a made-up key."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "made-up-key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    return monkeypatch


@pytest.fixture
def bucket(s3: str, credentials: pytest.MonkeyPatch) -> str:
    """Name of a new bucket that the environment leads to."""
    credentials.setenv("AWS_ENDPOINT_URL", s3)
    name = f"bucket-{uuid.uuid4().hex[:12]}"
    asked("PUT", f"{s3}/{name}")
    return name


@pytest.fixture
def odd(credentials: pytest.MonkeyPatch) -> Iterator[OddServer]:
    """A server of which each bucket errs in its own way."""
    with odd_server() as (origin, server):
        credentials.setenv("AWS_ENDPOINT_URL", origin)
        yield server

from __future__ import annotations

import pytest

from batcher.stores.cloud import allows_http


@pytest.mark.parametrize(
    ("name", "value", "is_so"),
    [
        ("AWS_ENDPOINT_URL", "http://127.0.0.1:9000", True),
        ("AWS_ENDPOINT_URL_S3", "http://localhost:9000", True),
        ("AZURE_STORAGE_ENDPOINT", "http://[::1]:10000/account", True),
        ("AWS_ENDPOINT_URL", "http://10.0.0.1:9000", False),
        ("AWS_ENDPOINT", "http://store.example", False),
        ("AWS_ALLOW_HTTP", "true", True),
        ("AWS_ALLOW_HTTP", "0", False),
        ("AZURE_STORAGE_USE_EMULATOR", "true", True),
        ("OTHER_ENDPOINT_URL", "http://127.0.0.1:9000", False),
    ],
)
def test_without_tls_only_this_machine_is_spoken_to_unasked(
    name: str, value: str, is_so: bool
) -> None:
    assert allows_http({name: value, "AWS_REGION": "us-east-1"}) == is_so

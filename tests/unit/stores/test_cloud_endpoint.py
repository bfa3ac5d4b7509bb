from __future__ import annotations

import pytest

from batcher.errors import UsageError
from batcher.stores.cloud_endpoint import allows_http, check_endpoints, server_words

ASKED = "Generic S3 error: Error performing GET {} in 1.2s, after 10 retries - no"


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


@pytest.mark.parametrize(
    ("address", "name", "value", "words"),
    [
        ("s3://b/x", "AWS_ENDPOINT_URL", "127.0.0.1:9", "'127.0.0.1:9', which is no"),
        ("s3a://b/x", "AWS_ENDPOINT", "me:pw@host:9", "AWS_ENDPOINT is 'host:9', "),
        ("gs://b/x", "GOOGLE_ENDPOINT_URL", "ftp://host", "is no URL"),
        ("az://b/x", "AZURE_STORAGE_ENDPOINT", "http://host", "AZURE_ALLOW_HTTP=true"),
        ("s3://b/x", "AWS_ENDPOINT_URL", "http://10.0.0.1:9000", "write https://, or"),
    ],
)
def test_an_endpoint_that_cannot_be_spoken_to_is_named(
    address: str, name: str, value: str, words: str
) -> None:
    with pytest.raises(UsageError) as raised:
        check_endpoints(address, {name: value})
    assert words in str(raised.value)
    assert name in str(raised.value)
    assert "pw" not in str(raised.value)


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"AWS_ENDPOINT_URL": ""},
        {"AWS_ENDPOINT_URL": "https://store.example"},
        {"AWS_ENDPOINT_URL": "http://127.0.0.1:9000"},
        {"AWS_ENDPOINT_URL": "http://10.0.0.1:9000", "AWS_ALLOW_HTTP": "true"},
        {"AWS_METADATA_ENDPOINT": "http://169.254.170.2"},
        {"AZURE_STORAGE_ENDPOINT": "no URL, and another cloud's"},
    ],
)
def test_what_can_be_spoken_to_or_is_not_meant_is_taken(
    environment: dict[str, str],
) -> None:
    check_endpoints("s3://bucket/x", environment)


@pytest.mark.parametrize(
    ("url", "environment", "words"),
    [
        (
            "http://me:pw@127.0.0.1:9/bucket?list-type=2",
            {"AWS_ENDPOINT_URL": "http://me:pw@127.0.0.1:9"},
            "asked http://127.0.0.1:9, see AWS_ENDPOINT_URL",
        ),
        (
            "https://bucket.s3.us-east-1.amazonaws.com/x",
            {},
            "asked https://bucket.s3.us-east-1.amazonaws.com",
        ),
        (
            "http://169.254.169.254/latest/api/token",
            {"AWS_ENDPOINT_URL": "http://127.0.0.1:9/"},
            "AWS_ENDPOINT_URL is http://127.0.0.1:9",
        ),
        ("http://169.254.169.254/latest/api/token", {}, ""),
    ],
)
def test_the_server_that_was_asked_is_named_without_who_asks(
    url: str, environment: dict[str, str], words: str
) -> None:
    assert server_words(ASKED.format(url), environment) == words


def test_where_no_server_was_asked_none_is_named() -> None:
    environment = {"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}
    assert server_words("the writer is closed", environment) == ""

from __future__ import annotations

import pytest
from obstore import exceptions

from batcher.stores.cloud_error import (
    ADVICE,
    FOREIGN,
    is_absent,
    is_unwell,
    refusal,
    scrubbed,
)

CLASSES = [
    each
    for each in vars(exceptions).values()
    if isinstance(each, type) and issubclass(each, Exception)
]


def test_every_exception_of_the_client_is_mapped() -> None:
    assert exceptions.BaseError in CLASSES
    assert [each for each in CLASSES if each not in ADVICE] == []
    assert [each for each in CLASSES if not issubclass(each, FOREIGN)] == []


@pytest.mark.parametrize(
    ("said", "is_so"),
    [
        ("Server returned non-2xx status code: 503 Service Unavailable: ", True),
        ("Server returned non-2xx status code: 429 Too Many Requests: ", True),
        ("Server returned non-2xx status code: 403 Forbidden: ", False),
        ("HTTP error: error sending request", False),
    ],
)
def test_a_store_that_answers_that_it_cannot_is_told_from_one_that_does_not(
    said: str, *, is_so: bool
) -> None:
    assert is_unwell(exceptions.GenericError(said)) is is_so


@pytest.mark.parametrize("kind", ADVICE)
def test_a_refusal_says_what_where_why_and_what_to_do(kind: type[Exception]) -> None:
    text = str(refusal("write", "s3://b/x", kind("for a reason")))
    assert text == f"cannot write 's3://b/x': for a reason; {ADVICE[kind]}"


def test_words_that_announce_nothing_end_without_a_colon() -> None:
    said = "Generic S3 error: it took 5 s - Server returned 503 Service Unavailable: "
    words = str(refusal("list", "s3://b/x", exceptions.GenericError(said)))
    assert "Server returned 503 Service Unavailable; check the network" in words


def test_the_words_of_the_store_are_found() -> None:
    reply = (
        "Generic S3 error: Error performing PUT http://h/x?sig=1 in 1ms - "
        "Server returned 403: <Error>\n<Code>Denied</Code>\n"
        "<Message>yours &amp; mine\nId: 7</Message></Error>"
        '\n\nDebug source:\nGeneric { message: "other" }'
    )
    text = str(refusal("read", "s3://b/x", exceptions.GenericError(reply)))
    assert "': Denied: yours & mine; " in text


def test_the_words_of_the_system_are_found() -> None:
    reply = (
        "Generic S3 error: Error performing PUT http://h/x in 1ms - HTTP error: no"
        '\n\nDebug source:\nOs { message: "Connection refused" }'
    )
    text = str(refusal("read", "s3://b/x", exceptions.GenericError(reply)))
    assert "': HTTP error: no: Connection refused; " in text


def test_the_server_that_was_asked_is_named() -> None:
    reply = "Generic S3 error: Error performing GET http://h:9/b?sig=1 in 1ms - refused"
    text = str(refusal("list", "s3://b/x", exceptions.GenericError(reply)))
    assert text.endswith("and run it again (asked http://h:9)")


def test_who_has_no_credentials_is_told_to_set_some() -> None:
    reply = "Error performing PUT http://169.254.169.254/latest/api/token in 9s - no"
    text = str(refusal("read", "s3://b/x", exceptions.GenericError(reply)))
    assert "AWS_ACCESS_KEY_ID" in text


def test_secrets_are_taken_out() -> None:
    environment = {
        "AWS_SECRET_ACCESS_KEY": "top/secret",
        "AZURE_STORAGE_SAS_TOKEN": "sv=2&sig=abc",
        "AWS_REGION": "us-east-1",
        "AWS_SESSION_TOKEN": "",
    }
    text = "us-east-1 top/secret (https://me:pw@host/x?sv=1&sig=zzz) sv=2&sig=abc"
    assert scrubbed(text, environment) == "us-east-1 … (https://host/x) …"


@pytest.mark.parametrize(
    ("error", "is_so"),
    [
        (FileNotFoundError("<Code>NoSuchKey</Code>"), True),
        (FileNotFoundError("<Code>NoSuchBucket</Code>"), False),
        (FileNotFoundError("<Code>ContainerNotFound</Code>"), False),
        (exceptions.GenericError("404"), False),
    ],
)
def test_an_absent_bucket_is_no_absent_name(error: Exception, is_so: bool) -> None:
    assert is_absent(error) == is_so

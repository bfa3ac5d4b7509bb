from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import cast

import pytest

from batcher.errors import UsageError
from batcher.stores import (
    Directory,
    LocalDirectory,
    LocalStore,
    is_url,
    open_directory,
    open_store,
)
from batcher.stores.cloud import CloudDirectory
from batcher.stores.cloud_store import CloudStore


@pytest.mark.parametrize("place", ["s3://b", "gs://b/x", "file:///x", "ftp://x/y"])
def test_a_url_is_one(place: str) -> None:
    assert is_url(place)


@pytest.mark.parametrize("place", ["runs/x", "C:\\runs", "c://x", "", Path("s3://b")])
def test_a_path_is_no_url(place: object) -> None:
    assert not is_url(place)


@pytest.mark.parametrize(
    ("place", "folder"),
    [
        ("runs/x", "runs/x"),
        (Path("runs/x"), "runs/x"),
        ("file:///srv/my%20runs", "/srv/my runs"),
        ("file://localhost/srv/x", "/srv/x"),
    ],
)
def test_a_folder_is_opened(place: str | Path, folder: str) -> None:
    directory = open_directory(place)
    assert isinstance(directory, LocalDirectory)
    assert directory.folder == Path(folder)
    assert isinstance(open_store(directory), LocalStore)


@pytest.mark.parametrize(
    "url", ["s3://b/x", "S3://b", "gs://b/x", "abfss://c@a.dfs.core.windows.net/y"]
)
def test_an_object_store_is_opened(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_NAME", "a")
    directory = open_directory(url)
    assert isinstance(directory, CloudDirectory)
    assert str(directory) == url
    assert isinstance(open_store(directory), CloudStore)


def test_what_is_open_is_given_back() -> None:
    directory = LocalDirectory("x")
    assert open_directory(directory) is directory


def test_a_place_of_no_kind_has_no_store() -> None:
    with pytest.raises(UsageError, match="there is no store for images at"):
        open_store(cast("Directory", object()))


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ("ftp://host/x", "cannot use ftp://: a run directory is a folder, or at s3://"),
        ("http://host/x", "cannot use http://"),
        ("file://host/x", "is no folder of this machine"),
        ("file://", "is no folder of this machine"),
        (Path("s3://bucket/x"), "give it as text"),
        ("s3://key:word@bucket/x", "holds no credentials"),
        ("s3://key@bucket/x", "holds no credentials"),
        ("abfss://box:word@account.example/x", "holds no credentials"),
        ("s3:///x", "names no bucket: write s3://BUCKET/PREFIX"),
        ("s3://bucket/x?versionId=1", "holds a '\\?' or '#'"),
        ("s3://bucket/a//b", "has an empty part, or one of dots"),
        ("s3://bucket/../b", "has an empty part, or one of dots"),
        ("s3://bucket/x#y", "holds a '\\?' or '#'"),
    ],
)
def test_a_place_that_cannot_be_is_refused(place: str | Path, words: str) -> None:
    with pytest.raises(UsageError, match=words) as caught:
        open_directory(place)
    assert "word" not in str(caught.value)


def test_a_store_that_lacks_a_variable_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("AZURE_STORAGE_ACCOUNT_NAME", raising=False)
    with pytest.raises(UsageError, match="Account must be specified; check the cloud"):
        open_directory("az://container/x")


WITHOUT_CLIENT = """
import sys
sys.modules["obstore"] = None
from batcher.errors import UsageError
from batcher.stores import open_directory
try:
    open_directory("s3://bucket/x")
except UsageError as error:
    print(error)
"""


def test_without_the_client_the_extra_is_named() -> None:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_CLIENT],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "pip install 'batcher[cloud]'" in done.stdout

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping

import pytest

from batcher.errors import ManifestError
from batcher.manifest import Expansion, Manifest, Problems, read_manifest
from batcher.models import Request
from tests.unit.manifest.folder import MODEL, Folder


def test_a_manifest_is_known_by_its_digest(folder: Folder) -> None:
    path = folder.write("m.yaml", "requests: [{prompt: x}]")
    manifest = read_manifest(str(path), Problems())
    assert manifest is not None
    assert manifest.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert manifest.path == str(path)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("m.yaml", "requests: [{prompt: x}]"),
        ("m.YML", "requests: [{prompt: x}]"),
        ("m.json", '{"requests": [{"prompt": "x"}]}'),
        ("m.csv", "prompt\nx\n"),
        ("m.tsv", "prompt\tsize\nx\t\n"),
        ("m.jsonl", '{"prompt": "x"}'),
        ("m.ndjson", '{"prompt": "x"}'),
        ("bom.yaml", "\ufeffrequests: [{prompt: x}]"),
    ],
)
def test_the_ending_says_what_a_manifest_is(
    folder: Folder, name: str, content: str
) -> None:
    assert folder.expand(name, content).bodies() == [{"model": MODEL, "prompt": "x"}]


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("m.txt", "is no manifest; the name ends in .csv .json .jsonl .ndjson .tsv .y"),
        ("m", "is no manifest; the name ends in"),
        ("no.yaml", "cannot read the manifest: No such file or directory"),
        ("folder.csv", "cannot read the manifest: Is a directory"),
        ("a\0.yaml", "cannot read the manifest: embedded null byte"),
    ],
)
def test_what_cannot_be_read_is_told(folder: Folder, path: str, told: str) -> None:
    (folder.path / "folder.csv").mkdir()
    problems = Problems()
    assert read_manifest(str(folder.path / path), problems) is None
    (problem,) = problems.all()
    assert problem.message.startswith(told)


def test_a_manifest_that_is_no_text_is_told_with_its_line(folder: Folder) -> None:
    expanded = folder.yaml(b"requests:\n- prompt: caf\xe9\n")
    assert [str(problem) for problem in expanded.problems] == [
        f"{folder.path / 'manifest.yaml'}:2: is not UTF-8 text; save it as UTF-8"
    ]


def both(folder: Folder) -> Expansion:
    folder.write("a.yaml", "requests: [{prompt: x}, {prompt: y}]")
    folder.write("b.csv", "prompt\nz\n")
    manifests = [
        manifest
        for name in ("a.yaml", "b.csv")
        if (manifest := read_manifest(str(folder.path / name), Problems()))
    ]
    return Expansion(manifests, model=MODEL, overrides={})


def test_several_manifests_are_expanded_in_their_order(folder: Folder) -> None:
    expansion = both(folder)
    assert [request.body["prompt"] for request in expansion] == ["x", "y", "z"]
    assert [request.body["prompt"] for request in expansion] == ["x", "y", "z"]


def test_a_file_that_changed_into_something_wrong_ends_the_walk(folder: Folder) -> None:
    expansion = both(folder)
    folder.write("b.csv", "prompt,n\nz,1,1\ny,1\n")
    with pytest.raises(ManifestError, match="has 3 cells, but the header names 1"):
        list(expansion)


class Endless:
    """A manifest whose third request is wrong, and which has no end."""

    path = sha256 = name = "endless"
    endpoint = None
    settings: Mapping[str, object] = {}
    remarks: tuple[()] = ()

    def __init__(self, request: Request) -> None:
        self.request = request
        self.made = 0

    def parts(
        self, model: str, overrides: Mapping[str, object], problems: Problems
    ) -> Iterator[Endless]:
        del model, overrides
        self.problems = problems
        yield self

    def walk(self) -> Iterator[Request]:
        while True:
            self.made += 1
            if self.made == 3:
                self.problems.add("endless", self.made, None, "is wrong")
            yield self.request


def test_a_walk_stops_at_the_first_mistake_and_makes_nothing_ahead(
    folder: Folder,
) -> None:
    (request,) = folder.yaml("requests: [{prompt: x}]").right()
    endless = Endless(request)
    manifest: Manifest = endless  # type: ignore[assignment]  # only what is walked
    walk = iter(Expansion([manifest], model=MODEL, overrides={}))
    assert next(walk) is request
    assert endless.made == 1
    with pytest.raises(ManifestError, match="endless:3: is wrong"):
        list(walk)
    assert endless.made == 3

"""A folder with a manifest in it, and what becomes of it."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from batcher.manifest import Expansion, Problems, read_manifest
from batcher.models import Problem, Request

MODEL = "gpt-image-2-pro"


class Expanded(NamedTuple):
    """What a manifest says, and what is wrong with it."""

    requests: list[Request]
    problems: list[Problem]

    def prompts(self) -> list[object]:
        return [request.body["prompt"] for request in self.right()]

    def names(self) -> list[str]:
        return [request.name for request in self.right()]

    def bodies(self) -> list[dict[str, object]]:
        return [dict(request.body) for request in self.right()]

    def right(self) -> list[Request]:
        assert not self.problems, "\n".join(map(str, self.problems))
        return self.requests

    def told(self) -> list[tuple[int | None, str | None]]:
        """Line and field of every mistake."""
        return [(problem.line, problem.field) for problem in self.problems]


class Folder:
    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, name: str, content: str | bytes) -> Path:
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, str):
            content = content.encode()
        path.write_bytes(content)
        return path

    def expand(self, name: str, content: str | bytes, **overrides: object) -> Expanded:
        """Write a manifest and expand it; `extra_x` overrides `extra.x`."""
        path = self.write(name, content)
        problems = Problems()
        manifest = read_manifest(str(path), problems)
        if manifest is None:
            return Expanded([], problems.all())
        forced = {key.replace("extra_", "extra."): v for key, v in overrides.items()}
        expansion = Expansion([manifest], model=MODEL, overrides=forced)
        return Expanded(list(expansion.checked(problems)), problems.all())

    def yaml(self, content: str | bytes, **overrides: object) -> Expanded:
        return self.expand("manifest.yaml", content, **overrides)

    def csv(self, content: str | bytes, **overrides: object) -> Expanded:
        return self.expand("manifest.csv", content, **overrides)

    def jsonl(self, content: str | bytes, **overrides: object) -> Expanded:
        return self.expand("manifest.jsonl", content, **overrides)


def png(colour: str = "red") -> bytes:
    stream = BytesIO()
    Image.new("RGB", (8, 8), colour).save(stream, "PNG")
    return stream.getvalue()

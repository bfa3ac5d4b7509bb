from __future__ import annotations

import json
import shutil
from pathlib import Path

from PIL import Image

from tests.acceptance.program import Program, events

MANIFEST = """
settings: {embed_metadata: true, max_attempts: 3}
output: "{{ name }}"
requests:
  - {name: fox, prompt: "a fox 🦊 sandbox:server*1", size: 1:1}
  - {name: hare, prompt: a hare, output_format: jpeg}
  - {name: newt, prompt: a newt, output_format: webp}
"""


def made(program: Program) -> Path:
    program.write("m.yaml", MANIFEST)
    done = program("run", "m.yaml", "--endpoint", "sandbox", "--quiet")
    assert done.returncode == 0, done.stderr
    return program.folder / "runs" / "m"


def test_a_file_tells_whence_it_came_when_it_has_left_its_folder(
    program: Program,
) -> None:
    out = made(program)
    for name in ("fox.png", "hare.jpg", "newt.webp"):
        (path,) = out.glob(f"{name.partition('.')[0]}.*")
        moved = shutil.copy(path, program.folder / f"moved{path.suffix}")
        told = program("show", moved, "--json")
        assert told.returncode == 0, told.stderr
        line = json.loads(told.stdout)
        assert line["name"] == name.partition(".")[0]
        assert line["request"]["prompt"].startswith("a ")


def test_a_file_tells_of_the_attempts_that_failed(program: Program) -> None:
    out = made(program)
    told = json.loads(program("show", out / "fox.png", "--json").stdout)
    history = [each["event"] for each in told["history"]]
    assert history[:3] == ["attempt", "retry", "attempt"]
    assert "server" in json.dumps(told["history"])


def test_what_is_recorded_is_the_file_with_its_metadata(program: Program) -> None:
    out = made(program)
    assert program("verify", out, "--deep").returncode == 0
    for line in events(out, "result"):
        images = line["images"]
        assert isinstance(images, list)
        for image in images:
            with Image.open(out / image["path"]) as opened:
                opened.load()
                assert opened.size == (image["width"], image["height"])


def test_any_viewer_shows_the_prompt_of_a_png(program: Program) -> None:
    with Image.open(made(program) / "fox.png") as opened:
        assert opened.info["Description"] == "a fox 🦊 sandbox:server*1"

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, get_args

import pytest

from batcher.cli import COMMANDS, make_parser
from batcher.config import fallbacks, read_config
from batcher.ledger.event import Event
from batcher.manifest.entry import ENTRY_KEYS
from batcher.manifest.yaml_manifest import TOP_KEYS
from batcher.models import ErrorClass
from batcher.sandbox.faults.choice import FAULTS
from batcher.settings import setting_types
from batcher.where import STATUSES, parse
from tests.acceptance.program import Program

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
BLOCK = re.compile(
    r"^(?: *<!-- file: (?P<file>[^ ,]+)(?:, plans (?P<plans>\d+))? -->\n)?"
    r"(?P<margin> *)```(?P<language>[a-z]+)\n(?P<text>.*?)^(?P=margin)```$",
    re.DOTALL | re.MULTILINE,
)
REFERENCES = {
    "a key of a manifest": TOP_KEYS,
    "a key of an entry": ENTRY_KEYS,
    "a setting": setting_types(),
    "an event": [event.__struct_config__.tag for event in get_args(Event)],
    "a class of error": [*ErrorClass],
    "a status": STATUSES,
    "a fault": FAULTS,
}


class Block(NamedTuple):
    """A code block, and what the comment above it says of it."""

    file: str
    plans: int
    language: str
    text: str


def blocks() -> Iterator[Block]:
    """Every code block; one that stands in a list is brought to the margin."""
    for match in BLOCK.finditer(README):
        file, plans, _, language, text = match.groups()
        yield Block(file or "", int(plans or 0), language, textwrap.dedent(text))


BLOCKS = tuple(blocks())
MANIFESTS = [block for block in BLOCKS if block.plans]


def texts(language: str) -> list[str]:
    return [block.text for block in BLOCKS if block.language == language]


def commands() -> Iterator[list[str]]:
    """Every `batcher …` in the shell blocks, as its arguments."""
    for line in "".join(texts("sh")).splitlines():
        lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
        lexer.whitespace_split = True
        part: list[str] = []
        for word in [*lexer, ";"]:
            if set(word) <= set("&|;"):
                names = [Path(each).name for each in part]
                if "batcher" in names:
                    yield part[names.index("batcher") + 1 :]
                part = []
            else:
                part.append(word)


CALLS = tuple(commands())


def flags_of(command: str, capsys: pytest.CaptureFixture[str]) -> set[str]:
    arguments = [command, "--help"]
    with pytest.raises(SystemExit):
        make_parser(arguments).parse_args(arguments)
    return set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", capsys.readouterr().out))


def lay_out(folder: Path) -> None:
    """Put what README shows, and the images it refers to, beside one another."""
    shutil.copytree(ROOT / "jobs" / "refs", folder / "refs")
    for block in BLOCKS:
        if block.file:
            (folder / block.file).write_text(block.text)


def test_every_block_is_found() -> None:
    assert len(BLOCKS) == README.count("```") / 2
    assert {block.language for block in BLOCKS} <= {
        *("sh", "yaml", "toml", "python", "csv", "jsonl", "text")
    }
    assert all(block.plans for block in BLOCKS if block.language == "yaml")


@pytest.mark.parametrize("call", CALLS, ids=" ".join)
def test_every_command_can_be_called(
    call: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    parsed = make_parser(call).parse_args(call)
    given = {word.partition("=")[0] for word in call if word.startswith("--")}
    assert given <= flags_of(parsed.command, capsys)
    if getattr(parsed, "where", None):
        parse(parsed.where)


@pytest.mark.parametrize("call", CALLS, ids=" ".join)
def test_every_job_of_a_command_is_there(call: list[str]) -> None:
    jobs = [word for word in call if word.startswith("jobs/")]
    assert all((ROOT / job).is_file() for job in jobs)


def test_every_kind_of_command_is_listed_in_its_own_words() -> None:
    rows = re.findall(r"^\| `batcher ([a-z]+).*` \| (.+) \|$", README, re.MULTILINE)
    assert dict(rows) == COMMANDS


@pytest.mark.parametrize("command", COMMANDS)
def test_every_flag_is_explained(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    unknown = flags_of(command, capsys) - {"--help", "--version"}
    missing = [flag for flag in unknown if not re.search(rf"{flag}(?![\w-])", README)]
    assert not missing


@pytest.mark.parametrize(
    ("kind", "word"),
    [(kind, str(word)) for kind, words in REFERENCES.items() for word in words],
)
def test_every_word_of_the_references_is_explained(kind: str, word: str) -> None:
    assert f"`{word}`" in README, f"{kind} is not in README"


@pytest.mark.parametrize("block", MANIFESTS, ids=lambda block: block.file)
def test_every_manifest_plans_as_it_says(program: Program, block: Block) -> None:
    lay_out(program.folder)
    done = program("plan", block.file, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["total"] == block.plans


def test_include_and_exclude_give_the_table_of_combinations(program: Program) -> None:
    lay_out(program.folder)
    done = program("plan", "rules.yaml", "--requests")
    made = [json.loads(line)["vars"] for line in done.stdout.splitlines()]
    table = README.partition("| combination | from |\n|---|---|\n")[2]
    rows = [row.split(" | ")[0] for row in table.partition("\n\n")[0].splitlines()]
    assert [set(combination.values()) for combination in made] == [
        set(row.removeprefix("| ").split(", ")) for row in rows
    ]


@pytest.mark.parametrize("text", texts("toml"))
def test_every_configuration_is_read(tmp_path: Path, text: str) -> None:
    (tmp_path / "batcher").mkdir()
    (tmp_path / "batcher" / "config.toml").write_text(text)
    config = read_config({"XDG_CONFIG_HOME": str(tmp_path)})
    for endpoint in config.endpoints.values():
        fallbacks(config, endpoint)
    name = config.default_endpoint
    assert name is None or name in config.endpoints


@pytest.mark.parametrize("text", texts("python"))
def test_every_python_block_runs(program: Program, text: str) -> None:
    path = program.write("example.py", text)
    done = subprocess.run(
        [sys.executable, path],
        cwd=program.folder,
        env=program.environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_every_relative_link_leads_somewhere() -> None:
    titles = re.findall(r"^#+ (.+)$", README, re.MULTILINE)
    anchors = {
        "#" + re.sub(r"[^\w -]", "", t).lower().replace(" ", "-") for t in titles
    }
    for target in re.findall(r"\]\(([^)\s]+)\)", README):
        if not target.startswith("https://"):
            assert target in anchors or (ROOT / target).is_file(), target

"""`batcher schema`: the manifest's JSON Schema, for editors."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes: nothing."""
    parser.epilog = (
        "In VS Code with the YAML extension, begin a manifest with:"
        " # yaml-language-server: $schema=./manifest.schema.json"
    )


def execute(parsed: argparse.Namespace) -> int:
    """Print the schema."""
    import json  # noqa: PLC0415 - for its indentation

    from batcher.manifest.schema import manifest_schema  # noqa: PLC0415

    del parsed
    print(json.dumps(manifest_schema(), indent=2, ensure_ascii=False))
    return 0

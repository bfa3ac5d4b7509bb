"""The files that are the same on every page, from disk and live."""

from __future__ import annotations

from importlib import resources

PAGE = "index.html"
FOLDER = "page"


def read_assets() -> dict[str, bytes]:
    """Read them all, by path relative to the page, `/`-separated."""
    files = resources.files(__package__).joinpath(FOLDER).iterdir()
    return {
        file.name if file.name == PAGE else f"{FOLDER}/{file.name}": file.read_bytes()
        for file in files
    }

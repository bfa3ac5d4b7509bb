from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.manifest.folder import Folder


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """A folder for a manifest and its files."""
    return Folder(tmp_path)

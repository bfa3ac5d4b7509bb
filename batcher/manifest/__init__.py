"""From manifest files to requests: lazily, and with every mistake found at once."""

from batcher.manifest.expansion import Expansion, Manifest, Wanted, read_manifest
from batcher.manifest.field import FieldError
from batcher.manifest.problem import Problems
from batcher.manifest.reference import encode

__all__ = [
    "Expansion",
    "FieldError",
    "Manifest",
    "Problems",
    "Wanted",
    "encode",
    "read_manifest",
]

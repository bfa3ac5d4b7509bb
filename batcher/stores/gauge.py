"""Measures an image as its bytes stream past, wherever they go."""

from __future__ import annotations

import hashlib

from batcher.images import Defect, Inspector
from batcher.stores.store import Draft


class Gauge:
    """Size, digest and properties of one image, given in pieces of any size."""

    def __init__(self) -> None:
        self.bytes = 0
        self._hash = hashlib.sha256()
        self._inspector = Inspector()

    def feed(self, data: bytes | memoryview) -> None:
        """Measure the next piece; it is not kept."""
        self.bytes += len(data)
        self._hash.update(data)
        self._inspector.feed(data)

    def finish(self) -> Draft | Defect:
        """Say what the bytes fed were."""
        verdict = self._inspector.finish()
        if isinstance(verdict, Defect):
            return verdict
        digest = self._hash.hexdigest()
        return Draft(properties=verdict, bytes=self.bytes, sha256=digest)

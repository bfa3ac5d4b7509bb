"""Tells what bytes are an image, and whether all of it is there, as they stream past.

Owns the outer structure of PNG, JPEG, WebP and GIF: enough to read the size in pixels,
to notice a cut file, and to put into a file whence its image came. Decodes no pixels
and keeps none: memory stays at a few bytes however large the image is. Knows nothing of
files or replies.

Each format is one module with a walker, a generator that reads like the format's
specification and suspends where it needs bytes that have not come yet.
"""

from batcher.images.fitting import Document
from batcher.images.inspector import Inspector, inspect, sniff
from batcher.images.provenance import NotEmbedded, embedding, read_provenance
from batcher.images.splice import Splice, spliced
from batcher.images.verdict import SUFFIX, Defect, Format, Properties

__all__ = [
    "SUFFIX",
    "Defect",
    "Document",
    "Format",
    "Inspector",
    "NotEmbedded",
    "Properties",
    "Splice",
    "embedding",
    "inspect",
    "read_provenance",
    "sniff",
    "spliced",
]

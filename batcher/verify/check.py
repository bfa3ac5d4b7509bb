"""Checks kept images: are they there, and still what was kept?"""

from __future__ import annotations

import hashlib
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from batcher.errors import StoreError
from batcher.images import Defect, Inspector
from batcher.ledger import ImageLine
from batcher.models import Status
from batcher.record import NO_IMAGE, ODD_LINE
from batcher.verify.finding import Finding, Mark

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from concurrent.futures import Future

    from batcher.layout import Inventory
    from batcher.models import Image
    from batcher.record import Record

THREADS = 8
"""Files read at once; hashing and checksums run beside each other in threads."""

FAR_THREADS = 32
"""The same for an object store, which takes its time to answer."""

_PIECE = 1 << 20


def check_images(
    files: Inventory, records: Iterable[Record], *, is_deep: bool = False
) -> Iterator[Finding]:
    """Check the images of results that still stand, in the ledger's order.

    Args:
        files: Of the run directory.
        records: What the ledger says.
        is_deep: Read every file, check its sha256 and its structure; otherwise only
            look for it and its size.

    What the ledger's line is too odd for is no match, whatever the file is like.

    Raises:
        StoreError: An object store fails.
    """
    kept = _kept(records)
    is_near = files.listed is None
    if is_near and not is_deep:
        yield from (_check(files, id_, image) for id_, image in kept)
        return
    threads = THREADS if is_near else FAR_THREADS
    pool = ThreadPoolExecutor(threads, thread_name_prefix="verify")
    running: deque[Future[Finding]] = deque()
    try:
        for id_, image in kept:
            running.append(pool.submit(_check, files, id_, image, is_deep=is_deep))
            if len(running) > 2 * threads:
                yield running.popleft().result()
        while running:
            yield running.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def _kept(records: Iterable[Record]) -> Iterator[tuple[str, Image | ImageLine | None]]:
    """Walk the images of requests that stand as they ended; None for one without."""
    for record in records:
        ended = record.result or record.odd
        if ended is None or ended.status != record.status:
            continue
        yield from ((record.id, image) for image in record.images)
        if not record.images and ended.status is Status.SUCCEEDED:
            yield record.id, None


def _check(
    files: Inventory,
    id_: str,
    image: Image | ImageLine | None,
    *,
    is_deep: bool = False,
) -> Finding:
    if image is None:
        return Finding(mark=Mark.UNREADABLE, path=id_, id=id_, message=NO_IMAGE)
    found = partial(Finding, path=image.path, id=id_)
    path = PurePosixPath(image.path)
    if path.is_absolute() or ".." in path.parts:
        return found(mark=Mark.UNREADABLE, message="leaves the run directory")
    try:
        defect = _defect(files, image, is_deep=is_deep)
    except (StoreError, OSError, ValueError) as error:
        if files.listed is not None:
            raise  # an object store that fails once fails for every image
        return found(mark=Mark.UNREADABLE, message=_words(error))
    if defect is None:
        return found(mark=Mark.MISSING)
    if not defect and isinstance(image, ImageLine):
        return found(mark=Mark.UNREADABLE, message=ODD_LINE)
    return found(mark=Mark.CORRUPT if defect else Mark.MATCH, message=defect)


def _defect(files: Inventory, image: Image | ImageLine, *, is_deep: bool) -> str | None:
    """Say what is wrong with a file, nothing when it is as kept; None for no file."""
    size = files.size(image.path)
    if size is None:
        if files.listed is None and files.directory.entry(image.path) is not None:
            raise OSError(0, "is no file")
        return None
    if size != image.bytes:
        return f"has {size:,} bytes instead of {image.bytes:,}"
    if not is_deep:
        return ""
    stream = files.directory.open(image.path)
    if stream is None:
        return None
    digest, inspector = hashlib.sha256(), Inspector()
    with stream:
        while piece := stream.read(_PIECE):
            digest.update(piece)
            inspector.feed(piece)
    verdict = inspector.finish()
    if isinstance(verdict, Defect):
        return verdict.message
    is_same = isinstance(image, ImageLine) or digest.hexdigest() == image.sha256
    return "" if is_same else "holds other bytes"


def _words(error: Exception) -> str:
    """Say in few words why a file of this machine cannot be read."""
    cause = error.__cause__ if isinstance(error, StoreError) else error
    return getattr(cause, "strerror", None) or "cannot be read"

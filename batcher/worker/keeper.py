"""Judges the images that came, gives them their names and records the request."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import msgspec

from batcher.errors import StoreError
from batcher.images import Defect, NotEmbedded
from batcher.ledger import ImageLine
from batcher.ledger.reader import raw_lines
from batcher.mismatch import mismatches
from batcher.models import ErrorClass, Failure, Image, Status
from batcher.provenance import document
from batcher.stores import Draft
from batcher.version import VERSION

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from batcher.governor import Space
    from batcher.ledger.event import Result
    from batcher.models import Request
    from batcher.provenance import Step
    from batcher.stores import Directory, Partial
    from batcher.transport import Reply
    from batcher.worker.arrival import Arrival
    from batcher.worker.recorder import Recorder
    from batcher.worker.terms import Terms


class _Sent(msgspec.Struct, frozen=True):
    size: str | None = None


class _Kept(msgspec.Struct, frozen=True):
    """Of a result, how large its images are; other lines have none."""

    request: _Sent = _Sent()
    images: tuple[ImageLine, ...] = ()


_kept = msgspec.json.Decoder(_Kept).decode


class Keeper:
    """Keeps the images of requests.

    Args:
        terms: What to do with images that are not as asked.
        record: Where a kept request is written down.
        space: Is told how large images are.
    """

    def __init__(self, terms: Terms, record: Recorder, space: Space) -> None:
        self._terms = terms
        self._record = record
        self._space = space

    async def keep(
        self,
        request: Request,
        partials: Mapping[int, Partial],
        arrival: Arrival,
    ) -> Failure | None:
        """Keep what is whole and write down that the request has ended.

        Args:
            request: What was asked.
            partials: What came, by its index in the reply.
            arrival: What is known besides.

        Returns:
            None when it has ended; else why not, and nothing was kept or written.
        """
        drafts, defects = await _judge(partials)
        if not drafts:
            return _bad_reply(next(iter(defects), "no image came"))
        self._space.saw(request.size, max(draft.bytes for draft in drafts.values()))
        found = mismatches(
            request,
            [draft.properties for draft in drafts.values()],
            quality=arrival.quality,
            usage=arrival.usage,
        )
        refusal = _bad_reply(f"not as asked: {', '.join(found)}") if found else None
        if refusal is not None and self._terms.on_mismatch == "retry":
            for partial in partials.values():
                await partial.discard()
            return refusal
        is_refused = refusal is not None and self._terms.on_mismatch == "fail"
        status = Status.FAILED if is_refused else Status.SUCCEEDED
        failure = refusal if is_refused else None
        arrival = arrival.warned(*found)
        if self._terms.embeds:
            line = self._record.outcome(request, status, arrival, failure=failure)
            history = self._record.history(request)
            if not await _embedded(line, history, arrival, partials, drafts):
                arrival = arrival.warned("not_embedded")
        images = await _named(request, partials, drafts, arrival)
        self._record.result(request, status, arrival, images=images, failure=failure)
        return None


def kept_sizes(place: Directory) -> Iterator[tuple[str | None, int]]:
    """Walk the images a ledger names: the size each was sent with, and its bytes.

    Ends early where the ledger cannot be read; its damaged lines are passed over.
    """
    with suppress(StoreError):
        for _, raw in raw_lines(place):
            with suppress(ValueError, RecursionError):
                line = _kept(raw)
                yield from ((line.request.size, image.bytes) for image in line.images)


async def unpack(reply: Reply, partials: Mapping[int, Partial]) -> dict[int, Partial]:
    """Give the images that came inside a reply, by index; discard the others.

    One that is not whole is left out where the reply has its URL, too.
    """
    came: dict[int, Partial] = {}
    for image in reply.usable:
        partial = None if image.number is None else partials.get(image.number)
        if partial is None:
            continue
        if image.url is None or isinstance(await partial.finish(), Draft):
            came[image.index] = partial
    for partial in partials.values():
        if partial not in came.values():
            await partial.discard()
    return came


async def _judge(
    partials: Mapping[int, Partial],
) -> tuple[dict[int, Draft], list[str]]:
    """Part the whole images from the others, which are discarded."""
    drafts: dict[int, Draft] = {}
    defects: list[str] = []
    for index, partial in partials.items():
        draft = await partial.finish()
        if isinstance(draft, Defect):
            defects.append(draft.message)
            await partial.discard()
        else:
            drafts[index] = draft
    return drafts, defects


async def _embedded(
    line: Result,
    history: Sequence[Step],
    arrival: Arrival,
    partials: Mapping[int, Partial],
    drafts: dict[int, Draft],
) -> bool:
    """Tell the files whence they came, and put what they are now into `drafts`."""
    is_whole = True
    for index in drafts:
        known = document(
            line,
            history,
            software=f"batcher {VERSION}",
            revised_prompt=arrival.revised(index),
        )
        made = await partials[index].embed(known)
        if isinstance(made, NotEmbedded):
            is_whole = False
        else:
            drafts[index] = made
    return is_whole


async def _named(
    request: Request,
    partials: Mapping[int, Partial],
    drafts: Mapping[int, Draft],
    arrival: Arrival,
) -> tuple[Image, ...]:
    """Give whole images their final names, in order."""
    images = []
    for index, draft in sorted(drafts.items()):
        suffix = f"-{index + 1}" if request.n > 1 else ""
        path = await partials[index].keep(request.output + suffix)
        images.append(_image(index, path, draft, arrival.revised(index)))
    return tuple(images)


def _image(index: int, path: str, draft: Draft, revised: str | None) -> Image:
    return Image(
        index=index,
        path=path,
        bytes=draft.bytes,
        sha256=draft.sha256,
        format=draft.properties.format.value,
        width=draft.properties.width,
        height=draft.properties.height,
        revised_prompt=revised,
    )


def _bad_reply(message: str) -> Failure:
    return Failure(error_class=ErrorClass.BAD_REPLY, message=message)

"""What a fault is: one or two steps of the honest gateway, replaced.

The sandbox knows a single way to answer a POST; each step of it is a field of `Fault`
whose default is honest. So a fault is a row that names only what it spoils.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias, TypeVar

import msgspec

from batcher.sandbox.canvas import Canvas
from batcher.sandbox.delivery import Delivery, whole
from batcher.sandbox.order import Order
from batcher.sandbox.reply import Document, Reply, encode

T = TypeVar("T")


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """What a fault may look at when it answers in place of the images.

    Attributes:
        document: The POST's fields as sent.
        lot: A number in [0, 1), drawn for this call.
        now: Seconds since 1970.
    """

    document: Document
    lot: float
    now: float


class Fetch(msgspec.Struct, frozen=True, kw_only=True):
    """One GET of a file.

    Attributes:
        name: The file's name.
        count: How often it was asked for, this time included.
        moved: It was asked for under its second path.
    """

    name: str
    count: int
    moved: bool


Answer: TypeAlias = Callable[[Call], Reply | None]

FileReply: TypeAlias = Callable[[Reply, Fetch], Reply]


def same(value: T) -> T:
    """Change nothing."""
    return value


def always(reply: Reply) -> Answer:
    """Give the same answer to every call."""
    return lambda _: reply


def as_it_is(reply: Reply, fetch: Fetch) -> Reply:
    """Hand a file out as it is."""
    del fetch
    return reply


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """One way to misbehave. The fields stand in the order of their use.

    Attributes:
        name: As in `sandbox:NAME` and `--faults NAME`.
        doc: What the client sees, in one line.
        source: Section of the gateway notes, or item of their checklist.
        answer: Answers in place of the images; None means draw all the same.
        late: The answer takes as long as images do.
        billed: The answer, or what else is drawn and sent, is paid for.
        revise: Changes what is drawn.
        render: Turns the drawing into a file.
        spoil: Changes the file's bytes.
        carry: Changes the Base64 text of the file.
        shape: Changes the reply's document.
        encode: Turns the document into a body.
        content_type: The body's type.
        deliver: Sends the reply.
        fetch: Changes a file's reply.
        hand_out: Sends a file's reply.
    """

    name: str
    doc: str
    source: str
    answer: Answer | None = None
    late: bool = False
    billed: bool = True
    revise: Callable[[Order], Order] = same
    render: Callable[[Canvas], bytes] = Canvas.png
    spoil: Callable[[bytes], bytes] = same
    carry: Callable[[str], str] = same
    shape: Callable[[Document], Document] = same
    encode: Callable[[Document], bytes] = encode
    content_type: str = "application/json"
    deliver: Delivery = whole
    fetch: FileReply = as_it_is
    hand_out: Delivery = whole


HONEST = Fault(name="", doc="nothing is wrong", source="")

"""Sells images: lets orders in, draws them, charges for them, draws files again.

Knows replies but no connections; the gateway brings the one to the other.
"""

from __future__ import annotations

import asyncio
import base64
import math
import secrets
import time
from typing import TYPE_CHECKING, TypeVar

import msgspec

from batcher.sandbox.chance import chance
from batcher.sandbox.draw import Picture, draw, picture, theme_of
from batcher.sandbox.faults import FAULTS, HONEST, Call, Fault, choose
from batcher.sandbox.gate import Bucket, Wallet
from batcher.sandbox.link import Link, write_name
from batcher.sandbox.order import Order, read_document, read_order
from batcher.sandbox.reply import (
    Document,
    RefusalError,
    Reply,
    cost,
    error,
    invalid,
    success,
)
from batcher.sandbox.tally import Tally

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Executor

    from batcher.sandbox.options import SandboxOptions

T = TypeVar("T")

REMEMBERED = 200_000
"""Prompts whose repetitions are counted."""

PLAYED = (HONEST, *FAULTS.values())
"""Every fault by the number that stands in a file's name."""

POOR = error(403, "用户额度不足 (insufficient quota)", code="insufficient_user_quota")


class Visit(msgspec.Struct, frozen=True, kw_only=True):
    """One order that was let in.

    Attributes:
        document: Its fields as sent.
        order: What it asks for.
        count: How often its prompt was let in, this time included.
        fault: What it meets.
        origin: Where its files will stand, such as `http://127.0.0.1:8080`.
    """

    document: Document
    order: Order
    count: int
    fault: Fault
    origin: str


class Sale(msgspec.Struct, frozen=True, kw_only=True):
    """How an order ended.

    Attributes:
        reply: What is sent.
        billed: Images charged for.
        micros: What was charged, in micro-dollars.
        drawn: Images drawn.
    """

    reply: Reply
    billed: int = 0
    micros: int = 0
    drawn: int = 0


class Shop:
    """All the state that orders share.

    Args:
        options: How to behave.
        threads: Where to draw, so that the event loop stays live.
    """

    def __init__(self, options: SandboxOptions, threads: Executor) -> None:
        self.options = options
        self.threads = threads
        self.bucket = Bucket(options.ipm, options.burst)
        self.wallet = Wallet(options.balance_usd)
        self.prompts = Tally(REMEMBERED)
        self.secret = secrets.token_bytes(32)

    def admit(self, document: Document, order: Order, origin: str) -> Visit:
        """Let an order in: first the pace, then the money (§2.1).

        Raises:
            RefusalError: It may not come in.
        """
        wait = self.bucket.take(order.n, now=time.monotonic())
        if wait:
            raise too_many(wait, say_when=self.options.retry_after)
        count = self.prompts.count(theme_of(order.prompt))
        rules, seed = self.options.faults, self.options.seed
        try:
            fault = choose(rules, order.prompt, count, seed=seed)
        except ValueError as wrong:
            raise invalid(str(wrong), param="prompt") from wrong
        if not self.wallet.reserve(cost(order)):
            raise RefusalError(POOR)
        return Visit(
            document=document, order=order, count=count, fault=fault, origin=origin
        )

    async def serve(self, visit: Visit) -> Sale:
        """Answer an order: with its images, or with what its fault says."""
        fault, price = visit.fault, cost(visit.order)
        answer = None if fault.answer is None else fault.answer(self.call(visit))
        if answer is None or fault.late:
            shortest, longest = self.options.latency
            lot = self.lot("latency", visit)
            await asyncio.sleep(shortest + (longest - shortest) * lot)
        if answer is None:
            order = fault.revise(visit.order)
            reply = await self.aside(lambda: self.images(visit, order))
            return Sale(reply=reply, billed=visit.order.n, micros=price, drawn=order.n)
        if fault.billed:
            return Sale(reply=answer, billed=visit.order.n, micros=price)
        self.wallet.refund(price)
        return Sale(reply=answer)

    async def aside(self, work: Callable[[], T]) -> T:
        """Do work in a thread."""
        return await asyncio.get_running_loop().run_in_executor(self.threads, work)

    def lot(self, question: str, visit: Visit) -> float:
        """Draw the lot of one question for one visit."""
        return chance(self.options.seed, question, visit.order.prompt, visit.count)

    def call(self, visit: Visit) -> Call:
        """Describe a visit to its fault."""
        lot = self.lot("form", visit)
        return Call(document=visit.document, lot=lot, now=time.time())

    def images(self, visit: Visit, order: Order) -> Reply:
        """Draw what was ordered and make the reply."""
        fault = visit.fault
        size = {"width": order.width, "height": order.height}
        carriers = []
        for index in range(order.n):
            sample = f"{self.options.seed}/{visit.count}/{index}"
            recipe = picture(order.prompt, sample, **size)
            if order.response_format == "url":
                carriers.append(f"{visit.origin}/files/{self.name(recipe, fault)}")
            else:
                text = base64.b64encode(paint(recipe, fault)).decode()
                carriers.append(fault.carry(text))
        document = success(order, carriers, created=int(time.time()))
        body = fault.encode(fault.shape(document))
        return Reply(body=body, content_type=fault.content_type)

    def name(self, recipe: Picture, fault: Fault) -> str:
        """Name the file of a picture."""
        ends = int((time.time() + self.options.url_ttl) * 1000)
        link = Link(picture=recipe, fault=PLAYED.index(fault), ends=ends)
        return write_name(link, self.secret)


def paint(recipe: Picture, fault: Fault) -> bytes:
    """Draw a picture and give its file, spoiled as the fault says."""
    return fault.spoil(fault.render(draw(recipe)))


def too_many(wait: float, *, say_when: bool) -> RefusalError:
    """Refuse for the limit of images a minute, as OpenAI does (§3.3)."""
    seconds = math.ceil(wait)
    headers = {"Retry-After": str(seconds)} if say_when else {}
    message = f"Rate limit reached for images per minute: come again in {seconds}s."
    code = "rate_limit_exceeded"
    return RefusalError(
        error(429, message, code=code, kind="requests", headers=headers)
    )


def read(body: bytes) -> tuple[Document, Order | Reply]:
    """Read a POST's body: its fields, and what it asks for or why it is refused.

    Reference images are long, and nobody looks at them again: `image` becomes a flag.
    """
    document: Document = {}
    try:
        document = read_document(body)
        order: Order | Reply = read_order(document)
    except RefusalError as refused:
        order = refused.reply
    if "image" in document:
        document["image"] = bool(document["image"])
    return document, order

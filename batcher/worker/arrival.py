"""What is known of a reply besides its images."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING

import msgspec

from batcher.pricing import cost

if TYPE_CHECKING:
    from batcher.ledger import ReplyLine
    from batcher.models import Request
    from batcher.pricing import Price
    from batcher.transport import Received, Reply


class Arrival(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a reply besides its images.

    Attributes:
        request_id: The gateway's id of the attempt.
        revised_prompts: As the gateway rewrote the prompt, by the image's index.
        usage: The gateway's count of tokens.
        quality: What was drawn, as the gateway says.
        latency: Seconds until the reply was there.
        warnings: Codes of what deserves a look.
        spent: USD it cost; None when it has no price.
        withheld: USD of images that were asked for and that it does not bring: maybe
            billed, for gateways charge for as many as were asked.
    """

    request_id: str | None = None
    revised_prompts: tuple[str | None, ...] = ()
    usage: Mapping[str, object] | None = None
    quality: str | None = None
    latency: float | None = None
    warnings: tuple[str, ...] = ()
    spent: Decimal | None = None
    withheld: Decimal | None = None

    @classmethod
    def of(cls, received: Received, reply: Reply) -> Arrival:
        """Take it from a reply that has just come."""
        return cls(
            request_id=received.request_id,
            revised_prompts=tuple(image.revised_prompt for image in reply.images),
            usage=reply.usage,
            quality=reply.quality,
            latency=received.latency,
        )

    @classmethod
    def again(cls, line: ReplyLine) -> Arrival:
        """Take it from the ledger's line of a reply that came in an earlier run."""
        return cls(
            request_id=line.request_id,
            revised_prompts=line.revised_prompts,
            usage=line.usage,
        )

    def revised(self, index: int) -> str | None:
        """Give the prompt as it was rewritten for one image."""
        known = index < len(self.revised_prompts)
        return self.revised_prompts[index] if known else None

    def priced(
        self, request: Request, prices: tuple[Price, ...], images: int
    ) -> Arrival:
        """Add what it cost, and may have cost beyond, when it brings so many images."""
        spent = asked = cost(request, prices, self.usage, images)
        if images < request.n:
            asked = cost(request, prices, self.usage, request.n)
        withheld = None if spent is None or asked is None else asked - spent
        return msgspec.structs.replace(self, spent=spent, withheld=withheld)

    def warned(self, *codes: str) -> Arrival:
        """Add warnings."""
        return msgspec.structs.replace(self, warnings=(*self.warnings, *codes))

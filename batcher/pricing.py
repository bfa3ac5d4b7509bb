"""What a request may cost, and what a kept one did.

Owns the prices a user sets and the built-in estimate for the gpt-image-2 family. Knows
nothing of budgets or ledgers. Money is `Decimal` US dollars with six places, always
rounded up; inside it is integer micro-dollars, so that nothing is lost.

Source of the estimate: https://vercel.com/ai-gateway/models/gpt-image-2.md; how many
tokens an image takes, `quality` knows.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from decimal import ROUND_CEILING, Decimal
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

import msgspec

from batcher import sizes
from batcher.quality import QUALITIES, image_tokens

if TYPE_CHECKING:
    from batcher.models import Request

ESTIMATE_DATE = "2026-11-22"
"""Day on which the prices and the formula were looked up."""

# US dollars per million tokens are micro-dollars per token.
_TEXT_IN = 5
_IMAGE_IN = 8
_IMAGE_OUT = 30

_USUAL_EDGES = (1024, 1024)
_DEAREST_EDGES = (2880, 2880)  # of all sizes within OpenAI's limits
# Assumptions: what a reference image costs is documented nowhere, and a channel may
# ignore it, so it counts for nothing in the lowest figure.
_REFERENCE_TOKENS = 2_000
_WORST_REFERENCE_TOKENS = 10_000

_MOST_TOKENS = 10**7  # four hundred of the dearest images; beyond it is a slip
_MICRO = Decimal("0.000001")
_DEAREST_PRICE = Decimal(10_000)  # dollars an image; beyond it is a slip of the hand


class Price(msgspec.Struct, frozen=True, kw_only=True, cache_hash=True):
    """What a user says that one image costs at an endpoint.

    Attributes:
        model: Model's name or a glob pattern.
        size: `WIDTHxHEIGHT`, `auto` (also matches a request without a size), a tier
            (`base`, `2K`, `4K`), or None for any.
        quality: Quality as sent, `auto` (also matches a request without one), or None
            for any.
        usd: US dollars an image.

    Raises:
        ValueError: The size can match no request, or `usd` is no price.
    """

    model: str = "*"
    size: str | None = None
    quality: str | None = None
    usd: Decimal

    def __post_init__(self) -> None:
        if not self.usd.is_finite() or not 0 <= self.usd <= _DEAREST_PRICE:
            raise ValueError(
                f"{str(self.usd)!r} is not a price: write US dollars an image, "
                f"from 0 to {_DEAREST_PRICE}"
            )
        if self.size is not None and not self.is_for_tier:
            sent = sizes.resolve(self.size)
            if sent != self.size:
                raise ValueError(f"{self.size!r} is not a size as sent: write {sent!r}")

    @property
    def is_for_tier(self) -> bool:
        """Tell whether `size` is a tier and not one size."""
        return self.size in set(sizes.Tier)

    @property
    def is_for_model(self) -> bool:
        """Tell whether `model` is one name and not a pattern."""
        return not any(mark in self.model for mark in "*?[")

    def matches(self, model: str, size: str, quality: str) -> bool:
        """Tell whether this is a price of such an image; absent fields are `auto`."""
        return (
            fnmatchcase(model, self.model)
            and self.size in {None, size, sizes.tier(size)}
            and self.quality in {None, quality}
        )

    def specificity(self) -> tuple[int, bool, bool]:
        """Give a key by which the price that says most sorts last."""
        fields = (self.model != "*", self.size is not None, self.quality is not None)
        return sum(fields), self.is_for_model, not self.is_for_tier


class Quote(msgspec.Struct, frozen=True, kw_only=True):
    """What a request may cost, in US dollars: `low <= expected <= worst`.

    Attributes:
        low: The least that is plausible.
        expected: For showing a user beforehand; rather too high than too low.
        worst: For reserving against a budget.
        is_estimate: Made from list prices, not from a price the user set.
    """

    low: Decimal
    expected: Decimal
    worst: Decimal
    is_estimate: bool


class Rate(msgspec.Struct, frozen=True, kw_only=True):
    """What requests that differ in nothing but their words may cost: micro-dollars.

    Attributes:
        low: The least that is plausible, for the images.
        expected: What to show a user, for the images.
        worst: What to reserve, for the images.
        is_estimate: Made from list prices: the request's own input is added.
    """

    low: int
    expected: int
    worst: int
    is_estimate: bool

    def micros(self, request: Request) -> tuple[int, int, int]:
        """Price one such request: low, expected, worst."""
        if not self.is_estimate:
            return self.low, self.expected, self.worst
        low, expected, worst = _input_micros(request)
        return self.low + low, self.expected + expected, self.worst + worst


def rate(request: Request, prices: tuple[Price, ...]) -> Rate | None:
    """Give what requests of this one's model, size, quality and n may cost.

    It is `quote` for counting many; None when nothing gives them a price.
    """
    return _rate(prices, request.model, request.size, request.quality, request.n)


def quote(request: Request, prices: tuple[Price, ...]) -> Quote | None:
    """Say what a request may cost; None when nothing gives it a price.

    Args:
        request: Its size must be as sent, not a label.
        prices: All that the endpoint sets; the most specific match wins, of equals the
            first. If there are any, the estimate is not used, for they show that this
            endpoint does not charge OpenAI's list prices.
    """
    found = rate(request, prices)
    if found is None:
        return None
    low, expected, worst = map(usd_of, found.micros(request))
    return Quote(low=low, expected=expected, worst=worst, is_estimate=found.is_estimate)


def cost(
    request: Request,
    prices: tuple[Price, ...],
    usage: Mapping[str, object] | None,
    images: int,
) -> Decimal | None:
    """Say what a request that brought images did cost; None when it has no price.

    Args:
        request: The request as sent.
        prices: All that the endpoint sets, as for `quote`.
        usage: The reply's token counts, whatever they hold. They beat the estimate;
            without credible ones its worst case stands.
        images: Images that came; one at least was billed.
    """
    if prices:
        price = _price(request, prices)
        return None if price is None else _round_up(price.usd * max(images, 1))
    if not is_estimated(request.model):
        return None
    output = _count(usage, "output_tokens")
    if not output:  # some gateways fill what they do not know with zeros
        worst = _output_rate(request.size, request.quality, request.n).micros(request)
        return usd_of(worst[2])
    return usd_of(output * _IMAGE_OUT + _used_input_micros(usage, request))


def usd_of(micros: int) -> Decimal:
    """Give micro-dollars as US dollars."""
    return micros * _MICRO


def is_estimated(model: str) -> bool:
    """Tell whether the built-in estimate covers a model: the gpt-image-2 family."""
    return model == "gpt-image-2" or model.startswith("gpt-image-2-")


def _price(request: Request, prices: tuple[Price, ...]) -> Price | None:
    size, quality = request.size or sizes.AUTO, request.quality or "auto"
    return _match(prices, request.model, size, quality)


@functools.lru_cache(maxsize=1024)
def _match(
    prices: tuple[Price, ...], model: str, size: str, quality: str
) -> Price | None:
    matches = [price for price in prices if price.matches(model, size, quality)]
    return max(matches, key=Price.specificity, default=None)


@functools.lru_cache(maxsize=1024)
def _rate(
    prices: tuple[Price, ...], model: str, size: str | None, quality: str | None, n: int
) -> Rate | None:
    if not prices:
        return _output_rate(size, quality, n) if is_estimated(model) else None
    price = _match(prices, model, size or sizes.AUTO, quality or "auto")
    if price is None:
        return None
    micros = int(_round_up(price.usd * n) / _MICRO)
    return Rate(low=micros, expected=micros, worst=micros, is_estimate=False)


@functools.lru_cache(maxsize=1024)
def _output_rate(size: str | None, quality: str | None, n: int) -> Rate:
    """Price the images drawn.

    Where the quality is left to the gateway, high is expected: an estimate that is too
    low is the dangerous one.
    """
    edges = sizes.parse(size) if size else None
    least, most = (quality, quality) if quality in QUALITIES else ("low", "high")
    usual, dearest = edges or _USUAL_EDGES, edges or _DEAREST_EDGES
    images = ((usual, least), (usual, most), (dearest, most))
    low, expected, worst = (
        image_tokens(drawn, name) * _IMAGE_OUT * n for drawn, name in images
    )
    return Rate(low=low, expected=expected, worst=worst, is_estimate=True)


def _input_micros(request: Request) -> tuple[int, int, int]:
    """Price the prompt and the reference images: low, expected, worst.

    A token of text is about four characters of English. No token is shorter than a
    byte; three bytes are a careful middle, and one character of Chinese.
    """
    prompt = request.body.get("prompt")
    text = prompt if isinstance(prompt, str) else ""
    length = len(text)
    low = length // 4 * _TEXT_IN
    if not text.isascii():
        length = len(text.encode(errors="surrogatepass"))
    expected, worst = -(-length // 3) * _TEXT_IN, length * _TEXT_IN
    if request.references:
        references = len(request.references) * _IMAGE_IN
        expected += references * _REFERENCE_TOKENS
        worst += references * _WORST_REFERENCE_TOKENS
    return low, expected, worst


def _used_input_micros(usage: object, request: Request) -> int:
    """Price the input that a reply counted, or the worst case when it did not."""
    details = _field(usage, "input_tokens_details")
    text, image = _count(details, "text_tokens"), _count(details, "image_tokens")
    total = _count(usage, "input_tokens")
    # Details that explain less than the total are zeros filled in by a gateway.
    if text is not None and image is not None and text + image >= (total or 0):
        return text * _TEXT_IN + image * _IMAGE_IN
    if total is not None:
        return total * (_IMAGE_IN if request.references else _TEXT_IN)
    return _input_micros(request)[2]


def _count(usage: object, field: str) -> int | None:
    """Read a token count from whatever a gateway sent; None for no credible one."""
    value = _field(usage, field)
    return value if type(value) is int and 0 <= value <= _MOST_TOKENS else None


def _field(usage: object, field: str) -> object:
    return usage.get(field) if isinstance(usage, Mapping) else None


def _round_up(usd: Decimal) -> Decimal:
    return usd.quantize(_MICRO, rounding=ROUND_CEILING)

"""Asks a gateway, for free, whether it has the model and how much money is left.

Both answers are hints: a gateway that gives none, or a strange one, is not at fault.
Sources: OpenAI's `GET /models`; new-api's `GET /api/usage/token/`, whose unlimited keys
make `total_available` meaningless and whose unit is 1/500,000 USD by default.
"""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import msgspec

from batcher.transport.pool import Pool
from batcher.transport.redaction import Redaction
from batcher.transport.url import UrlError, bare, read_url, request_head

if TYPE_CHECKING:
    from collections.abc import Mapping

    from batcher.config import Secret

SECONDS = 10.0
LARGEST_ANSWER = 4 << 20
UNITS_PER_USD = 500_000


class Preflight(msgspec.Struct, frozen=True, kw_only=True):
    """What a gateway says before a run.

    Attributes:
        trouble: Why it did not answer, or None when it did.
        unchecked: Why neither the key nor the model could be looked up, when it
            answered; None when they were.
        refusal: Why it takes no requests with this key, in its own words.
        models: The models this key may use; None when it does not say.
        balance_usd: What is left on this key; None when it does not say, or it has no
            limit.
    """

    trouble: str | None = None
    unchecked: str | None = None
    refusal: str | None = None
    models: frozenset[str] | None = None
    balance_usd: Decimal | None = None

    def remarks(self, model: str, estimate: Decimal | None) -> list[str]:
        """Say what the user should know before sending."""
        found = []
        if self.refusal is not None:
            found.append(f"the gateway refuses the key: {self.refusal}")
        if self.models is not None and model not in self.models:
            listed = ", ".join(sorted(m for m in self.models if "image" in m)[:5])
            words = f"the gateway does not list the model {model!r}"
            found.append(f"{words}; it has {listed}" if listed else words)
        if self.balance_usd is not None and (estimate or 0) > self.balance_usd:
            found.append(
                f"${self.balance_usd:,.2f} is left on this key, and this may cost"
                f" ${estimate:,.2f}"
            )
        return found


class _Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What one question brought: nothing but `trouble`, or the others."""

    trouble: str | None = None
    status: int = 0
    location: str = ""
    content: dict[str, object] = {}


async def preflight(
    base_url: str, key: Secret, *, seconds: float = SECONDS
) -> Preflight:
    """Ask; never raises for what a gateway or a network does.

    Args:
        base_url: The endpoint's.
        key: The key to ask about.
        seconds: How long an answer is waited for.
    """
    headers = {
        "Authorization": f"Bearer {key.reveal()}",
        "Accept": "application/json",
        "Accept-Encoding": "identity",
        "Accept-Language": "en",
    }
    parts = urlsplit(base_url)
    usage_url = f"{parts.scheme}://{parts.netloc}/api/usage/token/"
    async with Pool() as pool:
        models, usage = await asyncio.gather(
            _get(pool, f"{base_url}/models", headers=headers, seconds=seconds),
            _get(pool, usage_url, headers=headers, seconds=seconds),
        )
    return _read(models, usage, Redaction(base_url, key))


def _read(models: _Answer, usage: _Answer, redaction: Redaction) -> Preflight:
    if models.trouble is not None:
        return Preflight(trouble=redaction.words(models.trouble))
    refusal = _refusal(models.content) if models.status in (401, 403) else None
    listed = _models(models.content, redaction)
    unchecked = None
    if refusal is None and listed is None:
        unchecked = redaction.words(_unlisted(models))
    return Preflight(
        unchecked=unchecked,
        refusal=refusal and redaction.words(refusal),
        models=listed,
        balance_usd=_balance(usage.content),
    )


def _unlisted(answer: _Answer) -> str:
    """Say what came instead of a list of models."""
    place = bare(answer.location)
    moved = f", moved to {place}" if place and 300 <= answer.status < 400 else ""
    what = "no list of models" if answer.status == 200 else f"HTTP {answer.status}"
    return f"{what}{moved}"


async def _get(
    pool: Pool, address: str, *, headers: Mapping[str, str], seconds: float
) -> _Answer:
    """Fetch a JSON object; an empty one for anything else."""
    body = b""
    try:
        url = read_url(address)
        request = (request_head("GET", url, headers),)
        async with asyncio.timeout(seconds), pool.call(url.origin, request) as call:
            while (pieces := await call.read()) is not None:
                body += b"".join(pieces)
                if len(body) > LARGEST_ANSWER:
                    break
        value = msgspec.json.decode(body)
    except TimeoutError:
        return _Answer(trouble=f"nothing came within {seconds:g} s")
    except (OSError, UrlError) as error:
        return _Answer(trouble=str(error) or type(error).__name__)
    except msgspec.DecodeError:
        value = None
    return _Answer(
        status=call.status,
        location=call.headers.get("location", ""),
        content=value if isinstance(value, dict) else {},
    )


def _models(
    answer: Mapping[str, object], redaction: Redaction
) -> frozenset[str] | None:
    listed = answer.get("data")
    if not isinstance(listed, list):
        return None
    ids = (entry.get("id") for entry in listed if isinstance(entry, dict))
    shown = (redaction.line(id_) for id_ in ids if isinstance(id_, str))
    return frozenset(shown) or None


def _balance(answer: Mapping[str, object]) -> Decimal | None:
    usage = answer.get("data")
    if not isinstance(usage, dict) or usage.get("unlimited_quota"):
        return None
    units = usage.get("total_available")
    if isinstance(units, bool) or not isinstance(units, int):
        return None
    return Decimal(units) / UNITS_PER_USD


def _refusal(answer: Mapping[str, object]) -> str:
    error = answer.get("error")
    told = error.get("message") if isinstance(error, dict) else answer.get("message")
    return str(told or "no reason given")

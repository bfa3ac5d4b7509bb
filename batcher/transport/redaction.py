"""Takes the key out of what a gateway says, before it leaves the transport.

An address that holds the key gets a mark in its place. Whoever has the key, the next
run as well, can so fetch from it; nobody can who has only the ledger.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar
from urllib.parse import quote, urlsplit

import msgspec
from msgspec.structs import asdict, replace

from batcher.transport.address import AddressError
from batcher.transport.message import clean, hide

if TYPE_CHECKING:
    from batcher.config import Secret
    from batcher.models import Failure
    from batcher.transport.reply import Reply, ReplyImage

MARK: Final = "{api_key}"
"""Stands in an address for the key; braces are in no address (RFC 3986 §2)."""

SHORTEST_KEY: Final = 6
"""Letters of a key. What is shorter is a stand-in such as `none`, for a gateway that
asks for no key, and may be part of anything."""

_Struct = TypeVar("_Struct", bound=msgspec.Struct)


class Redaction:
    """Knows one key, and where it may go.

    Args:
        base_url: The endpoint's: the key goes to its host alone.
        key: What nobody else may see.
    """

    def __init__(self, base_url: str, key: Secret) -> None:
        self._endpoint = urlsplit(base_url)
        self._key = key
        is_key = len(key.reveal()) >= SHORTEST_KEY
        self._secrets = (key.reveal(),) if is_key else ()

    def text(self, text: str) -> str:
        """Give a text without the key."""
        return hide(text, self._secrets)

    def words(self, text: str) -> str:
        """Give words for people without the key; a stand-in is none of them either."""
        return clean(text, secrets=(self._key.reveal(),))

    def failure(self, failure: Failure) -> Failure:
        """Give a failure without the key; its code is a part of its words."""
        request_id = failure.request_id and self.text(failure.request_id)
        message = self.words(failure.message)
        return replace(failure, message=message, request_id=request_id)

    def reply(self, reply: Reply) -> Reply:
        """Give a reply without the key."""
        if not self._secrets:
            return reply
        images = tuple(self._image(image) for image in reply.images)
        return replace(self._fields(reply), images=images)

    def address(self, url: str) -> str:
        """Give an address with a mark where it holds the key."""
        return hide(url, self._secrets, mark=MARK)

    def opened(self, url: str) -> str:
        """Give an address with the key put back.

        Raises:
            AddressError: It would take the key to another host than the endpoint's, or
                there in the clear.
        """
        if MARK not in url:
            return url
        try:
            parts = urlsplit(url)
        except ValueError:
            return url  # nobody can be asked for it
        is_weaker = self._endpoint.scheme == "https" != parts.scheme
        if parts.hostname != self._endpoint.hostname or is_weaker:
            raise AddressError(
                f"will not fetch from {parts.hostname!r}: the address holds the key,"
                " which goes to its endpoint alone"
            )
        return url.replace(MARK, quote(self._key.reveal(), safe=""))

    def _image(self, image: ReplyImage) -> ReplyImage:
        if image.url is None:
            return self._fields(image)
        return replace(self._fields(image), url=self.address(image.url))

    def _fields(self, told: _Struct) -> _Struct:
        """Hide the key in the texts of a value, which mostly do not hold it."""
        known = asdict(told)
        hidden = {name: self._value(it) for name, it in known.items()}
        return told if hidden == known else replace(told, **hidden)

    def _value(self, value: object) -> object:
        """Hide the key in a text, or in all texts of a mapping."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {self.text(name): self._value(it) for name, it in value.items()}
        return value

"""Takes the key out of what a gateway says, before it leaves the transport.

An address that holds the key gets a mark in its place. Whoever has the key, the next
run as well, can so fetch from it; nobody can who has only the ledger.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar
from urllib.parse import quote

import msgspec
from msgspec.structs import asdict, replace

from batcher.transport.address import AddressError
from batcher.transport.message import clean, hide
from batcher.transport.url import read_url

if TYPE_CHECKING:
    from collections.abc import Mapping

    from batcher.config import Secret
    from batcher.models import Failure
    from batcher.transport.errorbody import ErrorBody
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
        base_url: The endpoint's: the key goes to its origin alone.
        key: What nobody else may see.
    """

    def __init__(self, base_url: str, key: Secret) -> None:
        self._base_url = base_url
        self._key = key.reveal()
        self._secret = self._key if len(self._key) >= SHORTEST_KEY else ""

    def text(self, text: str) -> str:
        """Give a text without the key."""
        return hide(text, self._secret)

    def line(self, text: str) -> str:
        """Give a name, such as a model's, as one line that is safe to show."""
        return clean(text, secret=self._secret)

    def words(self, text: str) -> str:
        """Give words for people without the key; a stand-in is none of them either."""
        return clean(text, secret=self._key)

    def headers(self, headers: Mapping[str, str]) -> dict[str, str]:
        """Give headers without the key."""
        return {name: self.text(value) for name, value in headers.items()}

    def error(self, error: ErrorBody) -> ErrorBody:
        """Give an error without the key, before anything is cut off in its middle."""
        return self._fields(error)

    def failure(self, failure: Failure) -> Failure:
        """Give a failure whose words are for people, and without the key."""
        return replace(
            failure,
            message=self.words(failure.message),
            code=failure.code and self.words(failure.code),
            request_id=failure.request_id and self.text(failure.request_id),
        )

    def reply(self, reply: Reply) -> Reply:
        """Give a reply without the key."""
        if not self._secret:
            return reply
        images = tuple(self._image(image) for image in reply.images)
        return replace(self._fields(reply), images=images)

    def address(self, url: str) -> str:
        """Give an address with a mark where it holds the key."""
        return hide(url, self._secret, mark=MARK)

    def opened(self, url: str) -> str:
        """Give an address with the key put back.

        Raises:
            AddressError: It would take the key elsewhere: to another host, to another
                service on the endpoint's, or there in the clear.
            UrlError: It is no web address.
        """
        if MARK not in url:
            return url
        asked = read_url(url)
        if asked.origin != read_url(self._base_url).origin:
            raise AddressError(
                f"will not fetch from {asked.authority!r}: the address holds the key,"
                " which goes to its endpoint alone"
            )
        return url.replace(MARK, quote(self._key, safe=""))

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

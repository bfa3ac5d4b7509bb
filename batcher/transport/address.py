"""Finds the addresses of hosts, and refuses those that no image may come from.

No address inside this machine or its network, unless the endpoint itself is there: a
reply cannot make this program talk to the services around it.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket


class AddressError(OSError):
    """A host is where no image may be fetched from."""


class Resolver:
    """Finds addresses, and refuses those the endpoint gives no reason to visit.

    Args:
        endpoint_host: Its own network may be visited.
    """

    def __init__(self, endpoint_host: str) -> None:
        self._endpoint_host = endpoint_host
        self._allowed: frozenset[str] | None = None

    async def find(self, host: str, port: int) -> list[str]:
        """Give the addresses of a host, at least one, each of them checked.

        Raises:
            AddressError: One of them is not allowed.
            OSError: There is none.
        """
        found = await _addresses(host, port)
        for address in found:
            await self._check(host, address)
        return found

    async def _check(self, host: str, address: str) -> None:
        reach = _reach(address)
        if reach == "global":
            return
        if self._allowed is None:
            self._allowed = await self._endpoint_reaches()
        if reach not in self._allowed:
            words = reach.replace("_", "-")
            raise AddressError(f"will not fetch from {host!r}: its address is {words}")

    async def _endpoint_reaches(self) -> frozenset[str]:
        """Tell what kinds of addresses the endpoint itself has."""
        try:
            found = await _addresses(self._endpoint_host, 0)
        except OSError:
            return frozenset()
        return frozenset(map(_reach, found))


def is_address(host: str) -> bool:
    """Tell whether a host needs no name server."""
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True


async def _addresses(host: str, port: int) -> list[str]:
    try:
        found = await asyncio.get_running_loop().getaddrinfo(
            host, port, type=socket.SOCK_STREAM
        )
    except UnicodeError as error:  # of a name that no name server could know
        raise OSError(f"no host {host!r}: {error}") from error
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


def _reach(address: str) -> str:
    """Name how far an address reaches."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    mapped = getattr(ip, "ipv4_mapped", None)
    ip = mapped or ip
    for name in ("loopback", "link_local", "multicast", "unspecified"):
        if getattr(ip, f"is_{name}"):
            return name
    return "global" if ip.is_global else "private"

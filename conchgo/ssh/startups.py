"""Counts the connections that are not logged in yet: they cost a stranger nothing, so they are few."""

from __future__ import annotations

from collections import Counter
from functools import lru_cache
from ipaddress import IPv6Address, ip_address
from typing import Final

_IPV6_PREFIX: Final = 64
#: Addresses whose meaning is remembered: each is asked for three times, and comes again.
_REMEMBERED: Final = 1024


@lru_cache(_REMEMBERED)
def address_of(host: str) -> str:
    """A peer's address as logs and rules know it: an IPv4 client of an IPv6 socket is an IPv4 address."""
    try:
        address = ip_address(host)
    except ValueError:
        return host
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        return str(address.ipv4_mapped)
    return host


@lru_cache(_REMEMBERED)
def network_of(address: str) -> str:
    """Who is counted as one: an IPv4 address, or all of an IPv6 /64, which is what one customer has at least."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, IPv6Address):
        return str(IPv6Address(int(parsed) >> _IPV6_PREFIX << _IPV6_PREFIX))
    return address


class Startups:
    """At most `total` connections that are not logged in, at most `per_host` of one address (see `network_of`)."""

    def __init__(self, total: int, per_host: int) -> None:
        self._total = total
        self._per_host = per_host
        self._hosts: Counter[str] = Counter()
        self._count = 0

    @property
    def count(self) -> int:
        return self._count

    def enter(self, address: str) -> bool:
        """Count one more, and say True; or say False where there are enough."""
        network = network_of(address)
        if self._count >= self._total or self._hosts[network] >= self._per_host:
            return False
        self._count += 1
        self._hosts[network] += 1
        return True

    def leave(self, address: str) -> None:
        """One of those that entered has logged in, or is gone."""
        network = network_of(address)
        self._count -= 1
        self._hosts[network] -= 1
        if not self._hosts[network]:
            del self._hosts[network]

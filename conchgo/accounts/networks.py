"""Whether a client's address is in one of a user's networks."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def parsed(ip: str) -> Address:
    """An IPv4 client of a socket that speaks IPv6 too has an address like ::ffff:192.0.2.1. Raises ValueError."""
    address = ipaddress.ip_address(ip)
    return getattr(address, "ipv4_mapped", None) or address


def is_in(address: Address, networks: Iterable[str]) -> bool:
    """Raises ValueError."""
    return any(address in ipaddress.ip_network(network, strict=False) for network in networks)

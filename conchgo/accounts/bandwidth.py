"""How fast a user may transfer: a pure rule over the user and the network that he comes from."""

from __future__ import annotations

from conchgo.accounts.model import BandwidthLimit, User
from conchgo.accounts.networks import is_in, parsed


def bandwidth_of(user: User, ip: str) -> BandwidthLimit:
    """The first of the user's limits that names the client's network, else the user's own, which names none.

    An address that can't be read is in no network.
    """
    own = BandwidthLimit((), user.upload_bandwidth, user.download_bandwidth)
    limits = user.filters.bandwidth_limits
    if not limits:
        return own
    try:
        address = parsed(ip)
    except ValueError:
        return own
    return next((limit for limit in limits if is_in(address, limit.sources)), own)

"""Which bandwidth holds for whom: the first that names his network, else his own."""

import pytest

from conchgo.accounts.bandwidth import bandwidth_of
from conchgo.accounts.model import BandwidthLimit, Filters, User

OFFICE = BandwidthLimit(("192.0.2.0/24", "2001:db8::/32"), 0, 100)
ONE = BandwidthLimit(("192.0.2.7",), 1, 1)
EVERYBODY = BandwidthLimit(("0.0.0.0/0",), 5, 5)
OWN = BandwidthLimit((), 10, 20)


@pytest.mark.parametrize(
    ("limits", "ip", "expected"),
    [
        ((), "192.0.2.7", OWN),
        ((OFFICE,), "192.0.2.7", OFFICE),
        ((OFFICE, ONE), "192.0.2.7", OFFICE),
        ((ONE, OFFICE), "192.0.2.7", ONE),
        ((ONE, OFFICE), "192.0.2.8", OFFICE),
        ((OFFICE,), "::ffff:192.0.2.7", OFFICE),
        ((OFFICE,), "2001:db8::1", OFFICE),
        ((OFFICE,), "198.51.100.1", OWN),
        ((OFFICE, EVERYBODY), "198.51.100.1", EVERYBODY),
        ((EVERYBODY,), "::1", OWN),
        ((EVERYBODY,), "", OWN),
        ((EVERYBODY,), "/run/socket", OWN),
    ],
)
def test_the_first_that_names_the_network_counts(limits, ip, expected) -> None:
    user = User("ada", "/srv/ada", upload_bandwidth=10, download_bandwidth=20, filters=Filters(bandwidth_limits=limits))
    assert bandwidth_of(user, ip) == expected

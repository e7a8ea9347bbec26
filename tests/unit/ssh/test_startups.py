import pytest

from conchgo.ssh.startups import Startups, address_of, network_of


def test_one_host_has_its_share_and_others_the_rest() -> None:
    startups = Startups(total=5, per_host=3)

    assert [startups.enter("10.0.0.1") for _ in range(4)] == [True, True, True, False]
    assert [startups.enter("10.0.0.2") for _ in range(3)] == [True, True, False]
    assert startups.count == 5


def test_who_leaves_makes_room_and_is_forgotten() -> None:
    startups = Startups(total=1, per_host=1)
    startups.enter("10.0.0.1")
    startups.leave("10.0.0.1")

    assert startups.count == 0
    assert not startups._hosts
    assert startups.enter("10.0.0.2")


def test_a_refused_one_is_not_counted() -> None:
    startups = Startups(total=10, per_host=1)
    startups.enter("10.0.0.1")
    startups.enter("10.0.0.1")

    assert startups.count == 1


def test_an_ipv6_network_is_one_host() -> None:
    startups = Startups(total=10, per_host=1)

    assert startups.enter("2001:db8:1:2::1")
    assert not startups.enter("2001:db8:1:2:ffff::9")
    assert startups.enter("2001:db8:1:3::1")


@pytest.mark.parametrize(
    ("host", "address"),
    [("::ffff:192.0.2.1", "192.0.2.1"), ("192.0.2.1", "192.0.2.1"), ("2001:db8::1", "2001:db8::1"), ("", "")],
)
def test_an_ipv4_client_of_an_ipv6_socket_is_an_ipv4_address(host, address) -> None:
    assert address_of(host) == address


def test_a_scope_does_not_make_another_network() -> None:
    assert network_of("fe80::1%eth0") == network_of("fe80::2%eth1") == "fe80::"

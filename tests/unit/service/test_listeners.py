"""Addresses and endpoint strings."""

from __future__ import annotations

import socket

import pytest
from twisted.internet import reactor
from twisted.internet.interfaces import IListeningPort
from twisted.internet.protocol import Factory
from twisted.trial.unittest import TestCase

from conchgo.service.errors import StartError
from conchgo.service.listeners import AddressEndpoint, endpoint, endpoints
from conchgo.service.settings import Settings


class Listening(TestCase):
    async def test_an_address_of_each_family(self) -> None:
        for text, family in (("127.0.0.1:0", socket.AF_INET), ("[::1]:0", socket.AF_INET6)):
            port: IListeningPort = await endpoint(reactor, text).listen(Factory())
            address = port.getHost()
            with socket.socket(family) as client:
                client.connect((address.host, address.port))  # type: ignore[attr-defined]
            await port.stopListening()

    async def test_all_of_ipv6_leaves_ipv4_to_others(self) -> None:
        six: IListeningPort = await endpoint(reactor, "[::]:0").listen(Factory())
        number = six.getHost().port  # type: ignore[attr-defined]
        four: IListeningPort = await endpoint(reactor, f"0.0.0.0:{number}").listen(Factory())
        await six.stopListening()
        await four.stopListening()

    async def test_a_taken_port_fails(self) -> None:
        first: IListeningPort = await endpoint(reactor, "127.0.0.1:0").listen(Factory())
        number = first.getHost().port  # type: ignore[attr-defined]
        second = AddressEndpoint(reactor, "127.0.0.1", number).listen(Factory())
        self.failureResultOf(second, OSError)
        await first.stopListening()

    async def test_an_endpoint_string(self) -> None:
        port: IListeningPort = await endpoint(reactor, "tcp:0:interface=127.0.0.1").listen(Factory())
        await port.stopListening()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("nonsense:1", "Unknown endpoint type: 'nonsense'"),
        ("tcp:port=many", "invalid literal for int"),
        ("tcp:1:wrong=2", "unexpected keyword argument"),
        ("systemd:domain=INET:index=0", "systemd has given no such socket"),
        ("systemd:domain=INET:name=ssh", "systemd has given no such socket"),
    ],
)
def test_what_twisted_does_not_understand(text: str, reason: str) -> None:
    with pytest.raises(StartError) as caught:
        endpoint(reactor, text)
    line = str(caught.value)
    assert line.startswith(f"ssh.listen: {text!r}: ")
    assert reason in line


@pytest.mark.parametrize("text", ["unix:/run/conchgo", "systemd:domain=UNIX:index=0", "haproxy:tcp:2022"])
def test_what_several_workers_cannot_share(text: str) -> None:
    line = f"ssh.listen: {text!r}: cannot be shared by several workers; use an address, or service.workers = 1"
    with pytest.raises(StartError) as caught:
        endpoints(reactor, Settings(ssh={"listen": ["127.0.0.1:0", text]}, service={"workers": 2}))
    assert str(caught.value) == line


def test_what_they_can_share() -> None:
    listen = ["127.0.0.1:0", "[::1]:0", "tcp:0:interface=127.0.0.1", "systemd:domain=INET6:index=0"]
    settings = Settings(ssh={"listen": listen}, service={"workers": 2})
    assert list(endpoints(reactor, settings, systemd=False)) == [f"ssh.listen: {text}" for text in listen[:3]]

"""A server with a clock that only tests move; a module may have a gate or a factory of its own."""

from __future__ import annotations

import pytest
from twisted.internet.task import Clock

from conchgo.ssh.factory import ServerFactory
from tests.ssh_server import Gate, make_factory


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def gate() -> Gate:
    return Gate()


@pytest.fixture
def factory(clock: Clock, gate: Gate) -> ServerFactory:
    return make_factory(clock, gate)

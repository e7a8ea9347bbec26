"""A server for each test, over both ways through the engine, and the keys of its user."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interop.keys import make_keys
from tests.interop.service import Servers, Service
from tests.interop.starter import FAST, GENERIC
from tests.interop.trees import make_many


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a user's keys of every type."""
    return make_keys(tmp_path_factory.mktemp("keys"))


@pytest.fixture
def servers(tmp_path: Path, keys: Path) -> Iterator[Servers]:
    """Starts servers; at the end of the test each is stopped, and must have had nothing to complain of."""
    servers = Servers(tmp_path, keys)
    yield servers
    servers.stop()


@pytest.fixture
def ssh() -> dict[str, str]:
    """Keys of the configuration's section, for modules whose client needs other than the defaults."""
    return {}


@pytest.fixture(params=[FAST, GENERIC])
def service(request: pytest.FixtureRequest, servers: Servers, ssh: dict[str, str]) -> Service:
    """A server with one user who may do everything, over the fast path, and over the generic one."""
    return servers.start(path=request.param, ssh=ssh)


@pytest.fixture
def fast_service(servers: Servers, ssh: dict[str, str]) -> Service:
    """The same over the fast path only, for what needs an extension that an ISFTPServer can't have."""
    return servers.start(ssh=ssh)


@pytest.fixture(scope="session")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with 10,000 entries; nobody changes it."""
    return make_many(tmp_path_factory.mktemp("many") / "home")


@pytest.fixture(params=[FAST, GENERIC])
def full_service(request: pytest.FixtureRequest, servers: Servers, many: Path, ssh: dict[str, str]) -> Service:
    """A server whose user has these 10,000 entries in his home."""
    return servers.start(servers.user(home_dir=str(many)), path=request.param, ssh=ssh)


@pytest.fixture
def local(tmp_path: Path) -> Path:
    """The client's own directory."""
    directory = tmp_path / "local"
    directory.mkdir()
    return directory

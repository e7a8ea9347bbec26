"""Every test of this folder runs on every backend, and leaves no descriptor open on any way out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from conchgo.paths import VirtualPath
from tests.contract.storage.helpers import Backend, FullStorage, backends, descriptors, old_kernel


@pytest.fixture(params=backends.items(), ids=lambda row: row[0])
def backend(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Backend:
    name, made = request.param
    if name == "local-walk":
        old_kernel(monkeypatch)
    return made


@pytest.fixture
def root(tmp_path: Path) -> Iterator[bytes]:
    found = tmp_path / "root"
    found.mkdir()
    yield bytes(found)
    found.chmod(0o700)  # so that it can be removed, whatever the test did to it


@pytest.fixture
def storage(backend: Backend, root: bytes) -> Iterator[FullStorage]:
    before = descriptors()
    made = backend.make(root)
    yield made
    made.close()
    assert descriptors() == before


@pytest.fixture
def add_special(backend: Backend, storage: FullStorage, root: bytes) -> Callable[[VirtualPath], None]:
    return lambda path: backend.add_special(storage, root, path)

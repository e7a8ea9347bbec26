"""A local storage, by either way to its directories."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from conchgo.storage.beneath import leap, walk
from conchgo.storage.local import LocalStorage
from tests.contract.storage.helpers import descriptors


@pytest.fixture
def root(tmp_path: Path) -> bytes:
    found = tmp_path / "root"
    found.mkdir()
    return bytes(found)


@pytest.fixture(params=[leap, walk], ids=["openat2", "walk"])
def storage(request: pytest.FixtureRequest, root: bytes) -> Iterator[LocalStorage]:
    before = descriptors()
    made = LocalStorage(root, open_parent=request.param)
    yield made
    made.close()
    assert descriptors() == before

"""Every test of this folder that takes a `storage` runs on one in memory and one of the operating system."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import pytest

from conchgo.storage.local import LocalStorage
from conchgo.storage.memory import MemoryStorage


@pytest.fixture(params=["memory", "local"])
def make_storage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[], Any]]:
    """Makes empty storages."""
    with ExitStack() as closing:

        def local() -> LocalStorage:
            storage = LocalStorage(mkdtemp(dir=tmp_path).encode())
            closing.callback(storage.close)
            return storage

        yield local if request.param == "local" else MemoryStorage


@pytest.fixture
def storage(make_storage: Callable[[], Any]) -> Any:
    return make_storage()

"""What every test of commands leaves: nothing."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.unit.commands.running import OPENED


@pytest.fixture(autouse=True)
def _storages_are_closed() -> Iterator[None]:
    yield
    while OPENED:
        OPENED.pop().close()

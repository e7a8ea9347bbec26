"""What every test may use."""

import gc
from collections.abc import Iterator

import pytest
from hypothesis import settings
from twisted.internet import reactor  # noqa: F401  # its own descriptors are there before any test counts

from conchgo.storage.local_at_once import kernel_tells

pytest_plugins = ["tests.postgresql"]

# How long an example takes says something of the machine, and nothing of the code.
settings.register_profile("conchgo", deadline=None)
settings.load_profile("conchgo")

# Found out once for each process: before a test makes the kernel look older, or runs out of descriptors.
kernel_tells()


@pytest.fixture(autouse=True)
def _collected_again() -> Iterator[None]:
    """After tests that count descriptors, which keep the garbage collector from closing any meanwhile."""
    yield
    gc.enable()

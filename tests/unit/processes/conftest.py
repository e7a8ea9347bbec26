"""A user's directory and boxes to run programs in, once for each one who may want a box."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator

import pytest

from conchgo.processes.bubblewrap import BubblewrapBoxes
from conchgo.processes.landlock import OLDEST, LandlockBoxes
from conchgo.processes.launcher import landlock_version
from conchgo.processes.launching import Limits
from tests.programs import require_program
from tests.unit.processes.boxing import NOBODY, WHO, Runner, Who, python_root, require_namespaces

PROGRAMS = {b"python3": python_root()}


@pytest.fixture(params=WHO, ids=lambda who: who.name)
def who(request: pytest.FixtureRequest) -> Who:
    somebody: Who = request.param
    if not somebody.possible:
        pytest.skip("only root can be somebody else")
    return somebody


@pytest.fixture
def top(who: Who) -> Iterator[bytes]:
    """A directory of theirs."""
    above = tempfile.mkdtemp(prefix="conchgo-test-").encode()
    directory = above + b"/home"
    os.mkdir(directory)
    for path in (above, directory):
        if who.unprivileged:
            os.chown(path, NOBODY, NOBODY)
    os.chown(directory, *who.owner)
    yield directory
    shutil.rmtree(above)


@pytest.fixture
def limits() -> Limits:
    return Limits()


@pytest.fixture
def runs(who: Who, top: bytes) -> bytes:
    """The server's own directory."""
    directory = os.path.dirname(top) + b"/runs"
    os.mkdir(directory, 0o700)
    if who.unprivileged:
        os.chown(directory, NOBODY, NOBODY)
    return directory


@pytest.fixture
def in_namespaces(who: Who, runs: bytes, limits: Limits) -> Runner:
    bwrap = os.fsencode(require_program("bwrap"))
    require_namespaces()
    return Runner(BubblewrapBoxes(bwrap, PROGRAMS, limits, runs), who)


@pytest.fixture
def under_landlock(who: Who, top: bytes, runs: bytes, limits: Limits, monkeypatch: pytest.MonkeyPatch) -> Runner:
    if landlock_version() < OLDEST:
        pytest.skip("this kernel has no Landlock")
    if os.geteuid() == 0 and who.owner[0] == 0:
        pytest.skip("root is not confined by Landlock alone")
    # With namespaces nobody else needs a way to it.
    os.chmod(os.path.dirname(top), 0o711)
    with monkeypatch.context() as patched:
        patched.setattr(os, "geteuid", lambda: who.server)
        return Runner(LandlockBoxes(landlock_version(), PROGRAMS, limits, runs), who)


@pytest.fixture(params=["in_namespaces", "under_landlock"])
def runner(request: pytest.FixtureRequest) -> Runner:
    """Of each tier."""
    each: Runner = request.getfixturevalue(request.param)
    return each

"""What uploads of dead processes left is swept away, of each user once, bit by bit."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import Deferred, fail, maybeDeferred
from twisted.internet.task import Clock

from conchgo.accounts.model import Folder, User
from conchgo.edge.pools import Inline
from conchgo.errors import Failure, ShuttingDown
from conchgo.events.bus import Bus
from conchgo.paths import ROOT, VirtualPath
from conchgo.sessions.storages import Storages
from conchgo.sessions.sweeper import Sweeper
from conchgo.sessions.views import Views
from conchgo.storage.local import LocalStorage
from conchgo.vfs.compose import Mount
from conchgo.vfs.mount_table import MountTable
from conchgo.vfs.uploads.temporaries import Temporaries

USER = User("ada", "/srv/ada")

_MAKE = "from conchgo.vfs.uploads.temporaries import Temporaries; print(Temporaries().take().decode())"


@pytest.fixture(scope="module")
def left() -> str:
    """A name that a process which is gone has left."""
    return subprocess.run([sys.executable, "-c", _MAKE], capture_output=True, check=True, text=True).stdout.strip()


class Bench:
    """A user with a home, and a folder mounted in it."""

    def __init__(self, directory: Path, runner: Any = None) -> None:
        self.home, self.folder = directory / "home", directory / "folder"
        for path in (self.home, self.folder):
            path.mkdir()
        self.clock = Clock()
        self.opened: list[Storages] = []
        self.closed = 0
        self.temporaries = Temporaries()
        self.sweeper = Sweeper(self._open, Views(Bus(), temporaries=self.temporaries), runner or Inline(), self.clock)

    def _open(self, user: User, folders: Mapping[str, Folder]) -> Storages:
        mounts = {
            ROOT: Mount(LocalStorage(bytes(self.home))),
            VirtualPath((b"folder",)): Mount(LocalStorage(bytes(self.folder))),
        }
        bench = self

        class Told(Storages):
            def close(self) -> None:
                bench.closed += 1
                super().close()

        storages = Told(mounts, MountTable(mounts))
        self.opened.append(storages)
        return storages

    def begin(self) -> None:
        self.sweeper.begin(USER, {})


def found(directory: Path) -> set[str]:
    return {path.name for path in directory.rglob("*")}


def test_all_that_a_user_has_is_swept(tmp_path: Path, left: str) -> None:
    bench = Bench(tmp_path)
    used = bench.temporaries.take().decode()
    for directory in (bench.home / "a" / "b", bench.folder / "c", bench.home):
        directory.mkdir(parents=True, exist_ok=True)
        for name in (left, used, "file"):
            (directory / name).touch()
    bench.begin()
    assert found(bench.home) == {"a", "b", "file", used}
    assert found(bench.folder) == {"c", "file", used}
    assert bench.closed == 1


def test_it_goes_on_bit_by_bit(tmp_path: Path, left: str) -> None:
    bench = Bench(tmp_path)
    for number in range(10):
        directory = bench.home / f"d{number}"
        directory.mkdir()
        for name in (left, *map(str, range(99))):
            (directory / name).touch()
    bench.begin()
    assert (bench.closed, left in found(bench.home)) == (0, True)
    waits = 0
    while not bench.closed:
        waits += 1
        bench.clock.advance(1)
    assert waits == 5
    assert left not in found(bench.home)


def test_each_user_is_swept_once(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.begin()
    bench.begin()
    assert len(bench.opened) == bench.closed == 1


class Ending:
    """A pool that ends after so many jobs."""

    def __init__(self, jobs: int) -> None:
        self.jobs = jobs

    def run(self, owner: str, work: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Deferred[Any]:
        self.jobs -= 1
        return fail(ShuttingDown()) if self.jobs < 0 else maybeDeferred(work, *args, **kwargs)


@pytest.mark.parametrize("jobs", [0, 1, 2])
def test_what_is_open_is_closed_where_it_cannot_go_on(tmp_path: Path, jobs: int) -> None:
    runner = Ending(jobs)
    bench = Bench(tmp_path, runner)
    for number in range(500):
        (bench.home / str(number)).touch()
    bench.begin()
    bench.clock.advance(1)
    assert bench.closed == len(bench.opened) == min(jobs, 1)
    # The next login tries again.
    runner.jobs = 100
    bench.begin()
    for _ in range(10):
        bench.clock.advance(1)
    assert bench.closed == len(bench.opened) == min(jobs, 1) + 1


def test_a_home_that_cannot_be_opened_is_no_trouble(tmp_path: Path) -> None:
    bench = Bench(tmp_path)

    def broken(user: User, folders: Mapping[str, Folder]) -> Storages:
        raise Failure

    Sweeper(broken, Views(Bus(), temporaries=bench.temporaries), Inline(), bench.clock).begin(USER, {})

"""Out of descriptors, out of disk, not to be written: told as such, and nothing is left half-done or open."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from conchgo.errors import TooManyOpenFiles
from conchgo.paths import ROOT
from conchgo.storage.interface import Attributes, Create
from conchgo.storage.local import LocalStorage
from tests.contract.storage.helpers import descriptors, names, outcome, p, put

operations: dict[str, Callable[[LocalStorage], Any]] = {
    "lstat": lambda storage: storage.lstat(p(b"/dir/file")),
    "open": lambda storage: storage.open(p(b"/dir/file"), read=True, write=False, create=Create.NEVER).close(),
    "create": lambda storage: storage.open(p(b"/dir/new"), read=True, write=True, create=Create.NEW).close(),
    "scan": lambda storage: storage.scan(p(b"/dir")).close(),
    "mkdir": lambda storage: storage.mkdir(p(b"/dir/new")),
    "rmdir": lambda storage: storage.rmdir(p(b"/dir/sub")),
    "remove": lambda storage: storage.remove(p(b"/dir/file")),
    "rename": lambda storage: storage.rename(p(b"/dir/file"), p(b"/dir/sub/x"), replace=False),
    "posix-rename": lambda storage: storage.rename(p(b"/dir/file"), p(b"/dir/sub/x"), replace=True),
    "size": lambda storage: storage.set_attributes(p(b"/dir/file"), Attributes(size=1)),
    "mode": lambda storage: storage.set_attributes(p(b"/dir/file"), Attributes(mode=0o640)),
    "readlink": lambda storage: storage.readlink(p(b"/dir/link")),
    "symlink": lambda storage: storage.symlink(b"x", p(b"/dir/new")),
    "link": lambda storage: storage.link(p(b"/dir/file"), p(b"/dir/new")),
    "space": lambda storage: storage.space(p(b"/dir/file")),
    "open of a link on the way": lambda storage: storage.lstat(p(b"/dir/link/x/y")),
}


@contextmanager
def descriptors_left(count: int) -> Iterator[None]:
    """No more than `count` descriptors can be opened in the block."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    held = [os.open("/dev/null", os.O_RDONLY)]
    # Above all that are open now: there may be no room right behind the lowest free one.
    highest = max(int(name) for name in os.listdir("/proc/self/fd"))
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 20, limits[1]))
    try:
        while True:
            try:
                held.append(os.dup(held[0]))
            except OSError:
                break
        for _ in range(count):
            os.close(held.pop())
        yield
    finally:
        for descriptor in held:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


@pytest.mark.parametrize("strict", [False, True], ids=["umask 0", "umask 077"])
@pytest.mark.parametrize("count", range(5))
@pytest.mark.parametrize("name", operations)
def test_no_descriptors_left(storage: LocalStorage, name: str, count: int, strict: bool) -> None:
    storage.mkdir(p(b"/dir"))
    storage.mkdir(p(b"/dir/sub"))
    put(storage, b"/dir/file", b"data")
    storage.symlink(b"sub", p(b"/dir/link"))
    before = descriptors()
    was = {entry: storage.lstat(p(b"/dir/" + entry)) for entry in names(storage, b"/dir")}

    umask = os.umask(0o077 if strict else 0)
    try:
        with descriptors_left(count):
            found = outcome(lambda: operations[name](storage))
    finally:
        os.umask(umask)

    assert descriptors() == before
    if count == 0:
        assert found is TooManyOpenFiles
    if found is TooManyOpenFiles:
        assert {entry: storage.lstat(p(b"/dir/" + entry)) for entry in names(storage, b"/dir")} == was
    if count == 4:
        assert found is not TooManyOpenFiles


ON_A_TINY_DISK = """
import subprocess
from conchgo.errors import *
from tests.contract.storage.helpers import get, outcome, p, put
from conchgo.storage.interface import Attributes, Create
from conchgo.storage.local import LocalStorage

subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k,nr_inodes=8", "none", "disk"], check=True)
storage = LocalStorage(b"disk")
file = storage.open(p(b"/file"), read=True, write=True, create=Create.NEW)
assert outcome(lambda: file.pwritev([memoryview(b"x" * 300_000)], 0)) is NoSpace
assert outcome(lambda: file.append(memoryview(b"x" * 300_000))) is NoSpace
assert 0 < file.stat().size <= 65536
assert file.pread(300_000, 0) == b"x" * file.stat().size
file.close()
made = [outcome(lambda: storage.mkdir(p(b"/dir%d" % number))) for number in range(8)]
assert made[0] is None and made[-1] is NoSpace, made
assert outcome(lambda: put(storage, b"/new")) is NoSpace
assert outcome(lambda: storage.symlink(b"x", p(b"/new"))) is NoSpace
assert outcome(lambda: storage.lstat(p(b"/new"))) is NotFound
assert storage.space(p(b"/")).blocks_available == 0

subprocess.run(["mount", "-o", "remount,bind,ro", "disk"], check=True)
assert get(storage, b"/file")[:1] == b"x"
assert storage.space(p(b"/")).read_only
for call in (
    lambda: storage.open(p(b"/file"), read=True, write=True, create=Create.NEVER, truncate=True),
    lambda: put(storage, b"/new"),
    lambda: storage.mkdir(p(b"/new")),
    lambda: storage.rmdir(p(b"/dir0")),
    lambda: storage.remove(p(b"/file")),
    lambda: storage.rename(p(b"/file"), p(b"/new"), replace=True),
    lambda: storage.rename(p(b"/file"), p(b"/new"), replace=False),
    lambda: storage.symlink(b"x", p(b"/new")),
    lambda: storage.link(p(b"/file"), p(b"/new")),
    lambda: storage.set_attributes(p(b"/file"), Attributes(size=0)),
    lambda: storage.set_attributes(p(b"/file"), Attributes(mode=0o600)),
    lambda: storage.set_attributes(p(b"/file"), Attributes(mtime=0)),
):
    assert outcome(call) is ReadOnlyStorage

subprocess.run(["mount", "-t", "tmpfs", "none", "disk/dir0"], check=True)
assert outcome(lambda: storage.rename(p(b"/file"), p(b"/dir0/file"), replace=True)) is CrossStorage
assert outcome(lambda: storage.rename(p(b"/file"), p(b"/dir0/file"), replace=False)) is CrossStorage
assert outcome(lambda: storage.link(p(b"/file"), p(b"/dir0/file"))) is CrossStorage
put(storage, b"/dir0/file", b"data")
print("done")
"""


def test_full_read_only_and_other_disks(tmp_path: Path) -> None:
    """In a mount namespace of its own, which an ordinary user may have too."""
    unshare = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--user", "--map-root-user", "--mount"]
    (tmp_path / "disk").mkdir()
    try:
        subprocess.run([*unshare, "mount", "-t", "tmpfs", "none", tmp_path / "disk"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("file systems may not be mounted here, not even in a namespace")

    found = subprocess.run(
        [*unshare, sys.executable, "-c", ON_A_TINY_DISK],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[3]), *sys.path])},
        capture_output=True,
        text=True,
    )

    assert (found.stdout, found.stderr) == ("done\n", "")


def test_the_root_is_there_for_all_that(storage: LocalStorage) -> None:
    with descriptors_left(0):
        assert outcome(lambda: storage.lstat(ROOT)) is TooManyOpenFiles
    assert storage.lstat(ROOT)

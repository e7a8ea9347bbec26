"""Boxes in tests: a user's directory, a program with a Python in its root, and runs of it to the end."""

from __future__ import annotations

import glob
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any
from unittest.mock import patch

import pytest

from conchgo.accounts.patterns import FilePatterns
from conchgo.accounts.permissions import Permissions
from conchgo.paths import VirtualPath
from conchgo.processes import launcher
from conchgo.processes.boxes import Boxes, Ids, Spawn
from conchgo.processes.interface import Access, Bind, Job, Place
from conchgo.processes.launching import Limits
from conchgo.processes.roots import SEARCH, Root, find_root, libraries
from conchgo.processes.tiers import find_boxes

NOBODY = 65534
_EUID = os.geteuid()
#: Somebody whom no system knows.
SOMEBODY = Ids(54321, 54322)


@cache
def python_root() -> Root:
    """The system's Python, for programs that try what a bad one would."""
    root = find_root(b"python3")
    binary = root.files[root.program]
    asked = "import sysconfig; print(sysconfig.get_path('stdlib')); print(sysconfig.get_path('platstdlib'))"
    shown = subprocess.run([binary, "-I", "-S", "-c", asked], capture_output=True, check=True, env={"PATH": SEARCH})
    directories = set(shown.stdout.split())
    modules = [module for directory in directories for module in glob.glob(directory + b"/lib-dynload/_ctypes.*")]
    needed = {*directories, *(library for module in modules for library in libraries(module))}
    return Root(root.program, {**root.files, **{path: path for path in needed}})


def require_namespaces() -> None:
    """Skip the test where the system allows none (in many containers, for instance)."""
    if re.search("cannot be made|not permitted|denied", _reason()):
        pytest.skip(_reason())


@cache
def _reason() -> str:
    with tempfile.TemporaryDirectory() as directory:
        return find_boxes("bubblewrap", Limits(), directory, {}).reason


@dataclass(frozen=True)
class Who:
    """Whose box it is: `unprivileged` where a root server is to be an ordinary one, `ids` of the user."""

    name: str
    ids: Ids | None = None
    unprivileged: bool = False

    @property
    def possible(self) -> bool:
        if not self.unprivileged:
            return self.ids is None or os.geteuid() == 0
        return os.geteuid() == 0 and _runs_for_nobody()

    @property
    def server(self) -> int:
        """The server's user id."""
        return NOBODY if self.unprivileged else _EUID

    @property
    def owner(self) -> tuple[int, int]:
        """Of what the program makes."""
        if self.unprivileged:
            return NOBODY, NOBODY
        return (os.geteuid(), os.getegid()) if self.ids is None else self.ids


WHO = (Who("this user"), Who("the user's ids", SOMEBODY), Who("an unprivileged server", unprivileged=True))


@cache
def _runs_for_nobody() -> bool:
    return _started([_python(), "-I", "-S", launcher.__file__], user=NOBODY, group=NOBODY, extra_groups=[]) == 1


def _started(command: Sequence[str], **options: Any) -> int | None:
    """The status of the launcher without a plan is 1; None: nobody may run it."""
    try:
        return subprocess.run(command, capture_output=True, check=False, **options).returncode
    except PermissionError:
        return None


@cache
def _python() -> str:
    """One that others may run: the tests' own may be in somebody's home."""
    try:
        subprocess.run(
            [sys.executable, "-I", "-S", "-c", ""], check=True, capture_output=True, user=NOBODY, group=NOBODY
        )
    except (PermissionError, subprocess.SubprocessError):
        return "/usr/bin/python3"
    return sys.executable


def path(text: bytes) -> VirtualPath:
    return VirtualPath.parse(text)


def place(*binds: tuple[bytes, bytes | None, bool], target: bytes | None = None) -> Place:
    """Of directories: the virtual path, the real one (None: shown empty), and whether it may be changed."""
    opened = tuple(
        Bind(path(at), None if real is None else os.open(real, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC), writable)
        for at, real, writable in binds
    )
    asked = path(binds[0][0] if target is None else target)
    return Place(asked, asked, None, Access.WRITE, opened, Permissions({}), FilePatterns({}))


@dataclass(frozen=True)
class Run:
    status: int
    output: bytes
    error: bytes
    events: bytes


@dataclass
class Runner:
    """Runs jobs in boxes for somebody."""

    boxes: Boxes
    who: Who

    def python(self, place: Place, script: str, *, during: Callable[[int], None] | None = None, **job: Any) -> Run:
        """A script in the box, which begins in its first directory; `during` is called with the process' id."""
        arguments = [b"python3", b"-I", b"-S", b"-B", b"-c", script.encode()]
        return self.run(Job(place, arguments, **job), during)

    def run(self, job: Job, during: Callable[[int], None] | None = None) -> Run:
        with self._spawned(job) as (spawn, process):
            if during is not None:
                during(process.pid)
            try:
                output, error = process.communicate(timeout=60)
            except subprocess.TimeoutExpired:
                self.boxes.kill(process.pid)
                raise
            events = b"" if spawn.events is None else _read_all(spawn.events)
        return Run(process.returncode, output, error, events)

    @contextmanager
    def _spawned(self, job: Job) -> Iterator[tuple[Spawn, subprocess.Popen[bytes]]]:
        with patch("os.geteuid", lambda: self.who.server):
            spawn = self.boxes.prepare(job, self.who.ids)
        for name in spawn.names if self.who.unprivileged else ():
            os.chown(name, NOBODY, NOBODY)
        try:
            process = _popen(spawn, self.who)
            spawn.close()
            with process:
                yield spawn, process
        finally:
            if spawn.events is not None:
                os.close(spawn.events)
            spawn.finished()


def _popen(spawn: Spawn, who: Who) -> subprocess.Popen[bytes]:
    arguments = list(spawn.arguments)
    options: dict[str, Any] = {}
    if who.unprivileged:
        arguments[0] = os.fsencode(_python())
        options = {"user": NOBODY, "group": NOBODY, "extra_groups": []}

    def numbered() -> None:
        free = max((*spawn.descriptors, *spawn.descriptors.values())) + 1
        for index, ours in enumerate(spawn.descriptors.values()):
            os.dup2(ours, free + index, inheritable=False)
        for index, number in enumerate(spawn.descriptors):
            os.dup2(free + index, number, inheritable=True)

    return subprocess.Popen(
        arguments,
        env=dict(spawn.environment),
        preexec_fn=numbered,
        close_fds=False,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        **options,
    )


def _read_all(descriptor: int) -> bytes:
    """The process has ended, and so has the pipe."""
    return b"".join(iter(lambda: os.read(descriptor, 65536), b""))

"""What both kinds of boxes have in common: how a plan and descriptors get to the launcher."""

from __future__ import annotations

import marshal
import os
import resource
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, Final

from conchgo.errors import Unsupported
from conchgo.paths import escaped
from conchgo.processes import launcher
from conchgo.processes.boxes import Ids, Spawn
from conchgo.processes.interface import Job
from conchgo.processes.roots import Programs, Root

#: Open files of one program, as many as select(2) can watch.
_OPEN_FILES: Final = 1024

#: What nobody but the user's own ids could be shown as, where the server's are 0.
SHOWN: Final = 65534


@dataclass(frozen=True, slots=True)
class Limits:
    """For every box: bytes of memory that one process may have for its data, and processes at once.

    `umask` is taken from the modes of what is made.
    """

    memory: int = 2**30
    processes: int = 256
    umask: int = 0o022


class Descriptors:
    """Those that a process shall get, collected under its numbers; closed if the block fails."""

    def __init__(self) -> None:
        self._ours: dict[int, int] = {}
        self._stack = ExitStack()

    def __enter__(self) -> Descriptors:
        return self

    def __exit__(self, *failure: object) -> None:
        if failure[0] is not None:
            self._stack.close()

    def give(self, descriptor: int) -> int:
        """The number of a descriptor that is handed over."""
        number = launcher.PLAN + 1 + len(self._ours)
        self.give_as(number, descriptor)
        return number

    def give_as(self, number: int, descriptor: int) -> None:
        self._stack.callback(os.close, descriptor)
        self._ours[number] = descriptor

    def lend(self, descriptor: int) -> int:
        """The number of a copy of a descriptor that stays the caller's."""
        return self.give(os.dup(descriptor))

    def on_failure(self, undo: Callable[[], object]) -> None:
        """What else is to be done then."""
        self._stack.callback(undo)

    def spawn(self, plan: dict[str, Any], events: int | None, names: Sequence[bytes] = ()) -> Spawn:
        """The launcher's process."""
        self.give_as(launcher.PLAN, memory_file("plan", marshal.dumps(plan)))
        return Spawn(_LAUNCHER, {}, self._ours, events, names)


#: Isolated, without site-packages: it starts in milliseconds.
_LAUNCHER: Final = tuple(os.fsencode(word) for word in (sys.executable, "-I", "-S", launcher.__file__))


def memory_file(name: str, content: bytes) -> int:
    """A descriptor of a file that has no name in any tree."""
    descriptor = os.memfd_create(name, os.MFD_CLOEXEC)
    with open(descriptor, "wb", closefd=False) as file:
        file.write(content)
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


def root_of(programs: Programs, name: bytes) -> Root:
    """Raises Unsupported: it is not there."""
    root = programs.get(name, f"{escaped(name)} is not a program that runs in boxes")
    if isinstance(root, str):
        raise Unsupported(root)
    return root


def common_plan(job: Job, ids: Ids | None, limits: Limits) -> dict[str, Any]:
    """What a plan says in any case; the rest is `None` or empty, for a tier to fill in."""
    rlimits = {
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_DATA: limits.memory,
        resource.RLIMIT_NPROC: limits.processes,
        resource.RLIMIT_NOFILE: _OPEN_FILES,
    }
    if job.file_size is not None:
        rlimits[resource.RLIMIT_FSIZE] = job.file_size
    return {
        "server": os.getpid(),
        "identity": _identity(ids),
        "shown": SHOWN,
        "layers": None,
        "files": [],
        "rules": None,
        "rights": (),
        "filter": None,
        "directory": None,
        "keep": [],
        "limits": rlimits,
        "umask": limits.umask,
        "environment": dict(job.environment),
    }


def _identity(ids: Ids | None) -> tuple[int, int] | None:
    """None: the server is an ordinary user, and so is everybody whose program it runs."""
    if os.geteuid() != 0:
        return None
    return (0, 0) if ids is None else (ids.uid, ids.gid)

"""The second tier, where namespaces are not allowed: Landlock (landlock(7)), which takes rights from a plain process.

The program works in its directory, which it calls `.`; it reaches nothing else, and executes nothing but itself and its
helpers. It sees the system's other names and processes though, so nothing can be shown in another's place: neither
folders nor masks below its directory.
"""

from __future__ import annotations

import errno
import os
import resource
import signal
import tempfile
from contextlib import suppress
from functools import partial
from typing import Final

from conchgo.errors import Failure, InvalidArgument, Unsupported
from conchgo.paths import VirtualPath, escaped, is_plain_name
from conchgo.processes.boxes import EVENTS, Ids, Spawn
from conchgo.processes.interface import Job, Place
from conchgo.processes.launching import Descriptors, Limits, common_plan, root_of
from conchgo.processes.named_files import RunDirectory
from conchgo.processes.roots import Programs, Root
from conchgo.processes.seccomp import filter_program

#: The first version that governs truncation: Linux 6.2.
OLDEST: Final = 3

# LANDLOCK_ACCESS_FS_*.
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIRECTORY = 0x1, 0x2, 0x4, 0x8
_REMOVE_DIRECTORY, _REMOVE_FILE, _MAKE_DIRECTORY, _MAKE_FILE, _MAKE_LINK = 0x10, 0x20, 0x80, 0x100, 0x1000
_REFER, _TRUNCATE, _CONTROL_DEVICE = 0x2000, 0x4000, 0x8000

_READ: Final = _READ_FILE | _READ_DIRECTORY
_WRITE: Final = (
    _WRITE_FILE | _REMOVE_DIRECTORY | _REMOVE_FILE | _MAKE_DIRECTORY | _MAKE_FILE | _REFER | _TRUNCATE
)  # fmt: skip
_OF_FILES: Final = 0x7FFF
#: Binding and connecting, of TCP; abstract sockets and signals to others.
_OF_NETWORK: Final = 0x3
_SCOPES: Final = 0x3

_DEVICES: Final = (b"/dev/null", b"/dev/random", b"/dev/urandom")

#: The descriptor of a directory with what a job brings along, far from all others, and its path. Some programs resolve
#: every link in a path themselves, so it is no file of which the descriptor is.
_NUMBER: Final = 100
_BESIDE: Final = b"/proc/self/fd/%d/" % _NUMBER


class LandlockBoxes:
    """`Boxes` for a kernel with this version of Landlock, OLDEST or newer; `directory` is the server's own."""

    composes: Final = False

    def __init__(self, version: int, programs: Programs, limits: Limits, directory: bytes) -> None:
        self._rights = governed(version)
        self._programs = programs
        self._limits = limits
        # Others have no way into what is root's.
        self._directory = os.fsencode(tempfile.gettempdir()) if os.geteuid() == 0 else directory

    def missing(self, program: bytes) -> str | None:
        root = self._programs.get(program, "it is not a program that runs in boxes")
        return root if isinstance(root, str) else None

    def path(self, place: Place, path: VirtualPath) -> bytes:
        return b"/".join((b".", *path.relative_to(place.binds[0].at)))

    def file(self, name: bytes) -> bytes:
        return _BESIDE + name

    def prepare(self, job: Job, ids: Ids | None) -> Spawn:
        root = root_of(self._programs, job.arguments[0])
        if len(job.place.binds) > 1 or job.empty:
            raise Unsupported("without user namespaces, folders and masked directories below it can't be shown")
        top = job.place.binds[0]
        if top.descriptor is None:
            raise InvalidArgument("what is shown empty can't be worked in")
        try:
            with Descriptors() as descriptors:
                return self._prepared(job, ids, root, top.descriptor, descriptors)
        except OSError as error:
            raise Failure(f"a program cannot be prepared: {os.strerror(error.errno or errno.EIO)}") from error

    def _prepared(self, job: Job, ids: Ids | None, root: Root, top: int, descriptors: Descriptors) -> Spawn:
        plan = common_plan(job, ids, self._limits)
        if plan["identity"] is None:
            # All that the server and others run would count too.
            del plan["limits"][resource.RLIMIT_NPROC]
        elif 0 in plan["identity"]:
            raise Unsupported("a server that is root, and has no user namespaces, needs a uid and a gid for the user")
        directory = descriptors.lend(top)
        writable = _WRITE | (_MAKE_LINK if job.symlinks else 0) if job.place.binds[0].writable else 0
        rules = [(directory, _READ | writable), *_system_rules(root)]
        events, names = None, []
        if job.files or job.events:
            run = RunDirectory(self._directory, plan["identity"])
            descriptors.on_failure(run.remove)
            run.write({_name(path): content for path, content in job.files.items()})
            descriptors.give_as(_NUMBER, os.open(run.path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC))
            plan["keep"].append(_NUMBER)
            rules.append((_NUMBER, _READ))
            if job.events:
                pipe = run.pipe(EVENTS)
                descriptors.on_failure(partial(os.close, pipe.reader))
                rules.append((descriptors.give(pipe.pin), _WRITE_FILE))
                # Held by the program, so that the other end doesn't end too early.
                plan["keep"].append(descriptors.give(pipe.writer))
                events = pipe.reader
            names = run.names
        plan |= {
            "rules": rules,
            "rights": self._rights,
            "filter": filter_program(symlinks=job.symlinks),
            "directory": directory,
            "executable": root.files[root.program],
            "arguments": list(job.arguments),
        }
        return descriptors.spawn(plan, events, names)

    def terminate(self, pid: int) -> None:
        _signal(pid, signal.SIGTERM)

    def kill(self, pid: int) -> None:
        _signal(pid, signal.SIGKILL)


def _name(path: bytes) -> bytes:
    name = path.removeprefix(_BESIDE)
    if not path.startswith(_BESIDE) or not is_plain_name(name):
        raise Unsupported(f"without user namespaces, nothing can be shown at {escaped(path)}")
    return name


def governed(version: int) -> tuple[int, ...]:
    """All rights of which the kernel knows: of files, of the network, scopes."""
    rights = [_OF_FILES | (_CONTROL_DEVICE if version >= 5 else 0)]
    if version >= 4:
        rights.append(_OF_NETWORK)
    if version >= 6:
        rights.append(_SCOPES)
    return tuple(rights)


def _system_rules(root: Root) -> list[tuple[bytes, int]]:
    paths = {*root.files.values(), *(path for path in root.files if os.path.exists(path))}
    rules = [(path, _READ if os.path.isdir(path) else _EXECUTE | _READ_FILE) for path in sorted(paths)]
    return [*rules, *((device, _READ_FILE | _WRITE_FILE) for device in _DEVICES)]


def _signal(pid: int, number: int) -> None:
    """To the group that the process leads once it has begun, else to it. Once: a second one would end who tidies up."""
    try:
        os.killpg(pid, number)
    except ProcessLookupError:
        with suppress(ProcessLookupError):
            os.kill(pid, number)

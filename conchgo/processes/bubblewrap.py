"""The first tier: namespaces, made by our launcher and by bubblewrap (bwrap(1)).

The launcher puts the user's part of the view together, of directories that are held by descriptors; bubblewrap shows
it in a tree that has nothing else but the program, in which there is no network, no other process and no capability.
What is in the user's tree is never executed, and no device or setuid bit counts there.
"""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from functools import partial
from typing import Final

from conchgo.errors import Failure, InvalidArgument
from conchgo.paths import VirtualPath
from conchgo.processes import launcher
from conchgo.processes.boxes import EVENTS, Ids, Spawn
from conchgo.processes.interface import Job, Place
from conchgo.processes.launching import Descriptors, Limits, common_plan, memory_file, root_of
from conchgo.processes.named_files import RunDirectory
from conchgo.processes.roots import Programs, Root
from conchgo.processes.seccomp import filter_program

# MOUNT_ATTR_* of mount_setattr(2).
_READ_ONLY: Final = 0x1
_CONFINED: Final = 0x2 | 0x4 | 0x8  # nosuid, nodev, noexec

#: Trees whose path begins so, and the root itself, are shown elsewhere: the program's own files are there.
_RESERVED: Final = frozenset((b"bin", b"dev", b"etc", b"lib", b"lib32", b"lib64", b"libx32", b"proc", b"sbin", b"usr"))
_ELSEWHERE: Final = b"/files"

_EVENTS_PATH: Final = b"/dev/events"
#: In launcher.STAGE.
_TREE: Final = b"tree"
_EVENTS: Final = b"events"
_NAMESPACES: Final = (b"--unshare-user", b"--unshare-pid", b"--unshare-cgroup-try", b"--die-with-parent")
_NO_RIGHTS: Final = (b"--cap-drop", b"ALL")
_DEVICES: Final = (b"/dev/null", b"/dev/random", b"/dev/urandom")


class BubblewrapBoxes:
    """`Boxes` by the program `bwrap` (its path); `directory` is the server's own, for named pipes."""

    composes: Final = True

    def __init__(self, bwrap: bytes, programs: Programs, limits: Limits, directory: bytes) -> None:
        self._directory = directory
        self._bwrap = bwrap
        self._programs = programs
        self._limits = limits
        self._reserved = _RESERVED | {
            path.split(b"/")[1] for root in programs.values() if isinstance(root, Root) for path in root.files
        }

    def missing(self, program: bytes) -> str | None:
        root = self._programs.get(program, "it is not a program that runs in boxes")
        return root if isinstance(root, str) else None

    def path(self, place: Place, path: VirtualPath) -> bytes:
        top = place.binds[0].at
        moved = top.is_root or top.parts[0] in self._reserved
        return (_ELSEWHERE if moved else b"") + (b"" if path.is_root else bytes(path))

    def file(self, name: bytes) -> bytes:
        return _EVENTS_PATH if name == EVENTS else b"/etc/" + name

    def prepare(self, job: Job, ids: Ids | None) -> Spawn:
        root = root_of(self._programs, job.arguments[0])
        top = self.path(job.place, job.place.binds[0].at)
        try:
            with Descriptors() as descriptors:
                return self._prepared(job, ids, root, top, descriptors)
        except OSError as error:
            raise Failure(f"a program cannot be prepared: {error.strerror}") from error

    def _prepared(self, job: Job, ids: Ids | None, root: Root, top: bytes, descriptors: Descriptors) -> Spawn:
        plan = common_plan(job, ids, self._limits)
        view = [*_mounts(job, descriptors), *_covers(job, top)]
        beside = [path for path in job.files if not _is_below(path, top)]
        options = [*_NAMESPACES, *_NO_RIGHTS]
        for path, real in root.files.items():
            options += (b"--ro-bind", real, path)
        for device in _DEVICES:
            options += (b"--dev-bind", device, device)
        for path in beside:
            options += (b"--ro-bind", _staged(_file(job, path)), path)
        pipe = None
        if job.events:
            run = RunDirectory(self._directory, plan["identity"])
            descriptors.on_failure(run.remove)
            pipe = run.pipe(EVENTS)
            descriptors.on_failure(partial(os.close, pipe.reader))
            view.append((descriptors.give(pipe.pin), _EVENTS, _CONFINED))
            # Held beside the program, so that the other end doesn't end too early.
            number = descriptors.give(pipe.writer)
            plan["keep"].append(number)
            options += (b"--bind", _staged(_EVENTS), _EVENTS_PATH, b"--sync-fd", b"%d" % number)
        options += (b"--bind", _staged(_TREE), top, b"--remount-ro", b"/", b"--chdir", top)
        number = descriptors.give(memory_file("filter", filter_program(symlinks=job.symlinks)))
        plan["keep"].append(number)
        options += (b"--seccomp", b"%d" % number)
        plan |= {
            "layers": view,
            "files": list(job.files.values()),
            "executable": self._bwrap,
            "arguments": [self._bwrap, *options, b"--", root.program, *job.arguments[1:]],
        }
        if pipe is None:
            return descriptors.spawn(plan, None)
        return descriptors.spawn(plan, pipe.reader, run.names)

    def terminate(self, pid: int) -> None:
        inside = [program for init in _children(pid) for program in _children(init)]
        for process in inside or [pid]:
            _signal(process, signal.SIGTERM)

    def kill(self, pid: int) -> None:
        # With the namespace's first process all others in it end, and then the outer one. That would end the others
        # too (--die-with-parent), but leave an orphan to whoever is process 1.
        for process in _children(pid) or [pid]:
            _signal(process, signal.SIGKILL)


_Layer = tuple[int | bytes, bytes, int]


def _mounts(job: Job, descriptors: Descriptors) -> list[_Layer]:
    """The place's directories, the outermost first."""
    top, *inner = job.place.binds
    if top.descriptor is None:
        raise InvalidArgument("what is shown empty can't be worked in")
    layers = []
    for bind in (top, *inner):
        source = b"empty" if bind.descriptor is None else descriptors.lend(bind.descriptor)
        writable = bind.writable and bind.descriptor is not None
        below = bind.at.relative_to(top.at)
        layers.append((source, b"/".join((_TREE, *below)), _CONFINED | (0 if writable else _READ_ONLY)))
    return layers


def _covers(job: Job, top: bytes) -> list[_Layer]:
    """What stands in the place of files and directories of the tree."""
    covers: list[tuple[bytes, bytes]] = [(_file(job, path), path) for path in job.files if _is_below(path, top)]
    covers += [(b"empty", path) for path in job.empty]
    for _, path in covers:
        if not _is_below(path, top):
            raise InvalidArgument("only what is in a directory can be covered")
    return [(source, _TREE + path.removeprefix(top), _CONFINED | _READ_ONLY) for source, path in covers]


def _is_below(path: bytes, top: bytes) -> bool:
    return path.startswith(top + b"/")


def _file(job: Job, path: bytes) -> bytes:
    return b"files/%d" % list(job.files).index(path)


def _staged(path: bytes) -> bytes:
    return launcher.STAGE + b"/" + path


def _children(pid: int) -> list[int]:
    try:
        with open(f"/proc/{pid}/task/{pid}/children", "rb") as file:
            return [int(child) for child in file.read().split()]
    except OSError:
        return []


def _signal(pid: int, number: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)

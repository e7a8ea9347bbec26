"""Which boxes this system allows: found out once, at the start, by trying. That blocks for some tenths of a second."""

from __future__ import annotations

import enum
import os
import select
import shutil
import signal
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import Final

from conchgo.accounts.patterns import FilePatterns
from conchgo.accounts.permissions import Permissions
from conchgo.errors import ConchgoError
from conchgo.paths import VirtualPath
from conchgo.processes.boxes import Boxes, Ids, Spawn
from conchgo.processes.bubblewrap import BubblewrapBoxes
from conchgo.processes.interface import Access, Bind, Job, Place
from conchgo.processes.landlock import OLDEST, LandlockBoxes
from conchgo.processes.launcher import landlock_version
from conchgo.processes.launching import SHOWN, Limits
from conchgo.processes.named_files import sweep
from conchgo.processes.roots import SEARCH, NotInstalled, Programs, find_programs, find_root
from conchgo.processes.seccomp import machine_known

#: What is run in a box to see whether it works.
_TRIAL: Final = b"true"
_PATIENCE: Final = 10.0
_MESSAGE: Final = 1024


class Tier(enum.Enum):
    """How programs are confined, the best way first."""

    BUBBLEWRAP = "bubblewrap"
    LANDLOCK = "landlock"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Finding:
    """The tier, with its boxes (None: there are none), and why it is no better one (empty: there is none).

    `missing` says why some programs can't be run.
    """

    tier: Tier
    boxes: Boxes | None
    reason: str
    missing: tuple[str, ...] = ()

    def __str__(self) -> str:
        what = {
            Tier.BUBBLEWRAP: "system commands run in namespaces of their own (bubblewrap)",
            Tier.LANDLOCK: "system commands are confined by Landlock; there are no folders below their target",
            Tier.NONE: "system commands are off",
        }[self.tier]
        return "; ".join((f"{what}: {self.reason}" if self.reason else what, *self.missing))


class _Impossible(Exception):
    """Why a tier is not."""


def find_boxes(wanted: str, limits: Limits, directory: str, programs: Programs | None = None) -> Finding:
    """The boxes of the tier that is `wanted` (its value, or `auto` for the best one that works).

    `directory` is the server's own and is made if it isn't there; `programs` are those of `roots.py` unless given.
    """
    if wanted == Tier.NONE.value:
        return Finding(Tier.NONE, None, 'the configuration says so (processes.tier = "none")')
    reasons: list[str] = []
    chosen = find_programs() if programs is None else programs
    missing = tuple(sorted({root for root in chosen.values() if isinstance(root, str)}))
    for tier, make in _TIERS.items():
        if wanted not in ("auto", tier.value):
            continue
        try:
            boxes = make(limits, os.fsencode(directory), chosen)
            return Finding(tier, boxes, "; ".join(reasons), missing)
        except _Impossible as impossible:
            reasons.append(f"{tier.value} is not possible: {impossible}")
    return Finding(Tier.NONE, None, "; ".join(reasons))


def _bubblewrap(limits: Limits, directory: bytes, programs: Programs) -> Boxes:
    bwrap = shutil.which("bwrap", path=SEARCH)
    if bwrap is None:
        raise _Impossible(f"bwrap is not installed (looked for in {SEARCH})")
    path = os.fsencode(bwrap)
    _try(BubblewrapBoxes(path, _trial_root(), limits, directory), None, directory, directory)
    return BubblewrapBoxes(path, programs, limits, directory)


def _landlock(limits: Limits, directory: bytes, programs: Programs) -> Boxes:
    version = landlock_version()
    if version < OLDEST:
        raise _Impossible(f"the kernel has version {version} of Landlock, and {OLDEST} is needed (Linux 6.2)")
    # To the server's own directory others have no way.
    _try(LandlockBoxes(version, _trial_root(), limits, directory), Ids(SHOWN, SHOWN), directory, b"/")
    return LandlockBoxes(version, programs, limits, directory)


_TIERS: Final = {Tier.BUBBLEWRAP: _bubblewrap, Tier.LANDLOCK: _landlock}


def _trial_root() -> Programs:
    try:
        return {_TRIAL: find_root(_TRIAL)}
    except NotInstalled as error:
        raise _Impossible(str(error)) from None


def _try(boxes: Boxes, ids: Ids | None, directory: bytes, top: bytes) -> None:
    """Run a program in a box, to which `top` is shown read-only. Raises _Impossible."""
    if not machine_known():
        raise _Impossible(f"there is no table of system calls for this machine ({os.uname().machine})")
    try:
        sweep(directory)
        with closing(_trial_place(top)) as place:
            spawn = boxes.prepare(Job(place, [_TRIAL]), ids)
            status, said = _run(spawn)
    except ConchgoError as error:
        raise _Impossible(error.text) from None
    except OSError as error:
        raise _Impossible(f"a program could not be tried: {error.strerror}") from None
    if status != 0:
        raise _Impossible(said or f"a program that was tried ended with status {status}")


def _trial_place(top: bytes) -> Place:
    at = VirtualPath((b"trial",))
    bind = Bind(at, os.open(top, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC), writable=False)
    return Place(at, at, None, Access.READ, (bind,), Permissions({}), FilePatterns({}))


def _run(spawn: Spawn) -> tuple[int, str]:
    """Its exit status, and the beginning of what it said on standard error; waited for, but not for ever."""
    said, saying = os.pipe2(os.O_CLOEXEC)
    nothing = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    wanted = {**spawn.descriptors, 0: nothing, 1: nothing, 2: saying}
    # Ours may be among the numbers that are wanted: so we go by way of others.
    free = max((*wanted, *wanted.values())) + 1
    actions = [(os.POSIX_SPAWN_DUP2, ours, free + at) for at, ours in enumerate(wanted.values())]
    actions += [(os.POSIX_SPAWN_DUP2, free + at, number) for at, number in enumerate(wanted)]
    try:
        pid = os.posix_spawn(spawn.executable, list(spawn.arguments), spawn.environment, file_actions=actions)
    except OSError:
        os.close(said)
        raise
    finally:
        for descriptor in (saying, nothing):
            os.close(descriptor)
        spawn.close()
    with open(said, "rb") as messages:
        status = _waited_for(pid)
        spawn.finished()
        return status, messages.read(_MESSAGE).decode("utf-8", "replace").strip()


def _waited_for(pid: int) -> int:
    ended = os.pidfd_open(pid)
    try:
        if not select.select([ended], [], [], _PATIENCE)[0]:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    finally:
        os.close(ended)

"""What is in a box beside the user's tree: a program, its helpers and their libraries, file by file, and no shell.

They are found on the system at the start of the server, by looking.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from conchgo.paths import escaped

#: Where programs are looked for: where administrators and distributions install them, whatever $PATH says.
SEARCH: Final = "/usr/local/bin:/usr/bin:/bin"

#: In the box, programs are here: for `PATH` in `Job.environment`.
BIN: Final = b"/usr/bin"

_GIT: Final = (b"git", b"git-upload-pack", b"git-receive-pack", b"git-upload-archive")
_RSYNC: Final = b"rsync"
#: What a program may read besides: how names of libraries are found, and what is a printable character.
_COMMON: Final = (b"/etc/ld.so.cache", b"/usr/lib/locale/C.utf8")
#: A line of ldd(1): the path after the arrow, or of the loader itself.
_LIBRARY: Final = re.compile(rb"^\s*(?:\S+ => )?(/\S+) \(0x", re.MULTILINE)
_MISSING: Final = re.compile(rb"^\s*(\S+) => not found", re.MULTILINE)
_PATIENCE: Final = 10


class NotInstalled(Exception):
    """Why a program can't be run."""


@dataclass(frozen=True, slots=True)
class Root:
    """A program by its path in the box, and all that must be there: paths in the box, and what they are here."""

    program: bytes
    files: Mapping[bytes, bytes]


#: By the names of programs: a root, or why there is none.
Programs = Mapping[bytes, Root | str]


def find_programs() -> Programs:
    """git (by all names under which clients ask for it) and rsync."""
    found: dict[bytes, Root | str] = {}
    for names, find in ((_GIT, find_git), ((_RSYNC,), lambda: {_RSYNC: find_root(_RSYNC)})):
        try:
            found |= find()
        except NotInstalled as error:
            found |= dict.fromkeys(names, str(error))
    return found


def find_git() -> Programs:
    """git by all of its names; it starts itself again from a directory of its own. Raises NotInstalled."""
    root = find_root(b"git")
    binary = root.files[root.program]
    helper = _output(binary, b"--exec-path").strip() + b"/git"
    if not helper.startswith(b"/"):
        raise NotInstalled("git does not tell where its helpers are (git --exec-path)")
    shared = {path: real for path, real in root.files.items() if path != root.program} | {helper: binary}
    return {name: Root(BIN + b"/" + name, shared | {BIN + b"/" + name: binary}) for name in _GIT}


def find_root(*names: bytes) -> Root:
    """The root of programs that work together; the first of them is the root's. Raises NotInstalled."""
    files = {path: path for path in _COMMON if os.path.exists(path)}
    programs = []
    for name in names:
        found = shutil.which(os.fsdecode(name), path=SEARCH)
        if found is None:
            raise NotInstalled(f"{escaped(name)} is not installed (looked for in {SEARCH})")
        binary = os.fsencode(os.path.realpath(found))
        programs.append(BIN + b"/" + name)
        files[programs[-1]] = binary
        files |= {library: library for library in libraries(binary)}
    return Root(programs[0], files)


def libraries(binary: bytes) -> list[bytes]:
    """The libraries that the dynamic linker would load, and the linker. Raises NotInstalled: it is no program."""
    with open(binary, "rb") as file:
        if file.read(4) != b"\x7fELF":
            raise NotInstalled(f"{escaped(binary)} is a script, which needs more than a box has")
    listed = _output(b"ldd", binary)
    lost = _MISSING.search(listed)
    if lost:
        raise NotInstalled(f"{escaped(binary)} needs the library {escaped(lost[1])}, which is not installed")
    return _LIBRARY.findall(listed)


def version(name: str) -> str:
    """What an installed program tells of its version, or that it is not there."""
    found = shutil.which(name, path=SEARCH)
    if found is None:
        return f"not installed (looked for in {SEARCH})"
    try:
        lines = _output(os.fsencode(found), b"--version").splitlines()
    except NotInstalled as error:
        return str(error)
    return escaped(lines[0]) if lines else "it tells no version"


def _output(*command: bytes) -> bytes:
    """Of a program of the system; a static one makes ldd fail, and has no libraries."""
    try:
        done = subprocess.run(  # noqa: S603
            command, capture_output=True, stdin=subprocess.DEVNULL, timeout=_PATIENCE, env={"PATH": SEARCH}, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotInstalled(f"{escaped(command[0])} cannot be run: {error}") from None
    return done.stdout

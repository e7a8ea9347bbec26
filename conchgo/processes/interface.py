"""What is said between commands that start a program, the box that it runs in, and the session that pays for it."""

from __future__ import annotations

import enum
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from conchgo.accounts.patterns import FilePatterns
from conchgo.accounts.permissions import Permissions
from conchgo.edge.stream import Buffer
from conchgo.paths import VirtualPath
from conchgo.vfs.interface import Kind


class Access(enum.Enum):
    """What a program does with its target, and the verbs that it needs there."""

    READ = frozenset({"list", "download"})
    WRITE = frozenset({"list", "download", "upload", "overwrite", "create_dirs", "delete"})


@dataclass(frozen=True, slots=True)
class Bind:
    """A directory of the user's tree in the box, at its virtual path.

    `descriptor` (O_PATH, opened beneath its storage's root without following a link) is None for one that is shown
    empty. What is not `writable` is read-only for the kernel; what is empty never is writable.
    """

    at: VirtualPath
    descriptor: int | None
    writable: bool


@dataclass(frozen=True, slots=True)
class Place:
    """Part of the session's tree, as a program may see it. To be closed.

    `target` has no links on its way and is what was asked for; `kind` is None where nothing is there yet, but its
    parent is. `binds` begin with the directory that holds all else (the target, or its parent where the target is no
    directory) and go inwards: folders that are mounted below, and masks, which are read-only, of directories whose
    verbs do not suffice. `permissions` and `patterns` are the session's rules, for what a command must express itself:
    `unexpressed` are those keys of the permissions that no bind could express, for nothing is there that matches them,
    but the program could make it.
    """

    asked: VirtualPath
    target: VirtualPath
    kind: Kind | None
    access: Access
    binds: tuple[Bind, ...]
    permissions: Permissions
    patterns: FilePatterns
    unexpressed: tuple[VirtualPath, ...] = ()

    def close(self) -> None:
        for bind in self.binds:
            if bind.descriptor is not None:
                os.close(bind.descriptor)


@dataclass(frozen=True, slots=True)
class Job:
    """A program to be run in a box.

    `arguments` begin with the name of a program that `roots.py` knows; paths in them are those of `Boxes.path`. `files`
    are shown read-only at their paths in the box (`Boxes.path`, `Boxes.file`), with this content, in the place of what
    is there; `empty` are directories, shown empty and read-only. In the user's tree both must be there already.
    `file_size` is the most bytes that one file may get (RLIMIT_FSIZE; None: no limit), `symlinks` whether symbolic
    links may be made, `environment` is all that the program gets, `seconds` after which it is stopped (None: never).
    `events` asks for a pipe, whose end for writing is at `Boxes.file(EVENTS)` in the box: what is written there goes
    to `Wire.events`.
    """

    place: Place
    arguments: Sequence[bytes]
    environment: Mapping[bytes, bytes] = field(default_factory=dict)
    files: Mapping[bytes, bytes] = field(default_factory=dict)
    empty: Sequence[bytes] = ()
    file_size: int | None = None
    symlinks: bool = False
    seconds: float | None = None
    events: bool = False


class Wire(Protocol):
    """What stands between the client and a program's standard input and output; most commands need none.

    It does no I/O: each call gives what shall be sent now, to the program and to the client. Raises
    `conchgo.errors.ConchgoError` where that makes no sense: the program is stopped then.
    """

    def from_client(self, data: Buffer) -> tuple[Sequence[Buffer], Sequence[Buffer]]: ...
    def client_ended(self) -> tuple[Sequence[Buffer], Sequence[Buffer]]: ...
    def from_program(self, data: Buffer) -> tuple[Sequence[Buffer], Sequence[Buffer]]: ...

    def error(self, data: bytes) -> bytes:
        """What the client shall see of the program's standard error."""
        ...

    def events(self, data: bytes) -> None:
        """What the program wrote into its pipe for events, in pieces of any size; the last one is empty."""
        ...


@dataclass(frozen=True, slots=True)
class Ending:
    """How a program ended: its exit status, or the signal that ended it; `reason` why it was stopped, else None."""

    status: int | None
    signal: int | None
    reason: str | None = None

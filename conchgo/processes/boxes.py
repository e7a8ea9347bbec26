"""What a box is: a program with its limits and its view of the tree, ready to be started.

There is one `Boxes` for the whole server: `tiers.py` finds out at the start which kind the system allows.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol

from conchgo.paths import VirtualPath
from conchgo.processes.interface import Job, Place
from conchgo.processes.named_files import remove

#: A line of standard error that begins so was not written by the program but by what makes its box: it is for the log.
#: The client is told in general words.
BOX_MESSAGES: Final = (b"conchgo-box: ", b"bwrap: ")


class Ids(NamedTuple):
    """Whom a program runs as, where the server is root. 0: as the server, but the program sees another id."""

    uid: int
    gid: int


@dataclass(frozen=True, slots=True)
class Spawn:
    """A process to be started: what execve(2) takes, and descriptors.

    `descriptors` says for the process' own numbers, besides 0, 1 and 2, which of ours they are; it gets no others.
    They are ours until `close`, which is called when the process was started, or is not going to be. `events` is the
    end for reading of the pipe that `Job.events` asks for (not blocking); it belongs to the caller, and ends with the
    program and all that it started.
    """

    arguments: Sequence[bytes]
    environment: Mapping[bytes, bytes]
    descriptors: Mapping[int, int]
    events: int | None = None
    #: Names in the file system that are there for the process only.
    names: Sequence[bytes] = ()

    @property
    def executable(self) -> bytes:
        return self.arguments[0]

    def close(self) -> None:
        for descriptor in self.descriptors.values():
            os.close(descriptor)

    def finished(self) -> None:
        """To be called when the process has ended, or is not going to be started: leave nothing of it. Idempotent."""
        remove(self.names)


class Boxes(Protocol):
    """Puts programs into boxes. Thread-safe; `prepare` may block."""

    @property
    def composes(self) -> bool:
        """Whether something else can be shown below a place's first bind: folders, masks, `Job.files`, `Job.empty`.

        Where it is false, only places with one bind are possible, and only files at paths of `file`.
        """
        ...

    def missing(self, program: bytes) -> str | None:
        """Why the program (the first of `Job.arguments`) cannot be run, for the log and for `help`; None: it can."""
        ...

    def path(self, place: Place, path: VirtualPath) -> bytes:
        """Where in the box the program finds what is at `path` in the session's tree, within the place's first bind.

        It is the same path where possible; messages may show it.
        """
        ...

    def file(self, name: bytes) -> bytes:
        """Where a program finds a file that the job brings along beside the user's tree: a key for `Job.files`.

        `EVENTS` is the name of the pipe for events.
        """
        ...

    def prepare(self, job: Job, ids: Ids | None) -> Spawn:
        """The process that runs the job. `ids` are the user's, where they are set; only a root server looks at them.

        The process leads a session of its own. What it does before the program runs can fail: then its standard error
        tells in a line that begins as one of BOX_MESSAGES.

        Raises:
            Unsupported: the tier can't show that, or the program is `missing`.
            InvalidArgument: a directory cannot be shown where it should be (a component of its path is a dot).
            Failure: the system gives no descriptors.
        """
        ...

    def terminate(self, pid: int) -> None:
        """Tell the program in the box that was started as process `pid`, and is not reaped, to end: SIGTERM.

        It may clean up. Where it does not run yet, it never will.
        """
        ...

    def kill(self, pid: int) -> None:
        """End all that is in the box that was started as process `pid`, and is not reaped, at once: SIGKILL."""
        ...


#: The name (`Boxes.file`) of the pipe for events.
EVENTS: Final = b"events"

"""What a command may ask of the system: a place for a program, room for what it writes, and its run.

A command that starts a program does these, in this order:

    place = await processes.place(path, Access.WRITE)
    lease = await processes.lease(place)
    ending = await processes.run(Job(place, ...), console, wire, lease)

and at last, whatever happened, `await processes.finish(place, lease)`: only then may its exit status be sent.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from conchgo.edge.console import Console
from conchgo.paths import VirtualPath
from conchgo.processes.interface import Access, Ending, Job, Place, Wire


class Lease(Protocol):
    """Room in every quota that pays for a place, which nobody else can use. Both counts shrink where others need it.

    From the reactor thread only.
    """

    @property
    def left(self) -> int | None:
        """Bytes that may still be written; None: any number."""
        ...

    @property
    def files_left(self) -> int | None:
        """Files that may still be made; None: any number."""
        ...

    def spent(self, size: int, files: int) -> None:
        """The program has made these (fewer, where negative), as far as one knows: what is left is less."""
        ...

    def hold(self, size: int, files: int) -> None:
        """So much of what is left is needed for what is being written: nobody else is given it."""
        ...

    def share(self, lower: Callable[[], None]) -> None:
        """For the guard: where others wait for room, hold the program to less (`lower`), and let them have the rest."""
        ...

    def settle(self) -> None:
        """For `Processes.finish`, in a thread: count what is there now, and give everything back. Never raises."""
        ...


class Processes(Protocol):
    """Programs of one session. All raise `conchgo.errors`; after the client is gone, Cancelled."""

    @property
    def max_file_size(self) -> int | None:
        """The most bytes that one file may get by an upload; None: any number."""
        ...

    @property
    def composes(self) -> bool:
        """Whether something can be shown in another's place: `Job.files` that are in the place, `Job.empty`."""
        ...

    async def place(self, path: VirtualPath, access: Access) -> Place:
        """The part of the tree that a program may see which works on `path`; its links are followed.

        Raises:
            PermissionDenied: a verb is missing there.
            NotFound: neither it nor its directory is there.
            Unsupported: what is there is in no plain directory of this machine.
        """
        ...

    def path(self, place: Place, virtual: VirtualPath) -> bytes:
        """Where a program finds what is at `virtual`, which is in the place."""
        ...

    def file(self, name: bytes) -> bytes:
        """Where a program finds a file that the job brings along beside the user's tree (`Boxes.file`)."""
        ...

    async def lease(self, place: Place, want: int | None = None) -> Lease | None:
        """Room for what a program writes there: all that there is, or `want` bytes of it. None where nobody counts.

        Raises:
            QuotaExceeded: there is none.
        """
        ...

    async def run(self, job: Job, console: Console, wire: Wire | None = None, lease: Lease | None = None) -> Ending:
        """Run a program to its end: its input and output are the client's (through `wire`), with back-pressure.

        No file gets larger than `job.file_size`, `max_file_size` and what the lease has left, which is looked at again
        after each call of `Wire.events`. It is stopped when the lease has nothing left, the transfer quota is used up,
        the client leaves, its time is over or the service ends; `Ending.reason` says so, except that the client's
        leaving raises Cancelled.
        """
        ...

    async def finish(self, place: Place, lease: Lease | None) -> None:
        """Give everything back: what is in the place now is counted, also when the client is gone. Never raises."""
        ...

    def tell(
        self,
        action: str,
        path: VirtualPath,
        *,
        bytes_read: int | None = None,
        bytes_written: int | None = None,
        reason: str | None = None,
    ) -> None:
        """Publish what became of one file, as SFTP's events say it; with a `reason` it failed.

        `action` is `close` of an upload (`bytes_written`) or a download (`bytes_read`), `remove`, `mkdir` ...
        """
        ...

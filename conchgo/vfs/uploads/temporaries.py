"""Names of the temporaries that uploads are written to, and which of these nobody uses any more.

A name tells when it was made and by whom: the machine as its processes see it (boot and PID namespace), the process,
and the object that made it. So whoever meets one can tell whether its upload may still be running.
"""

from __future__ import annotations

import functools
import hashlib
import os
import re
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from typing import Final

from conchgo import reserved
from conchgo.errors import ConchgoError, NotBefore
from conchgo.paths import ROOT, VirtualPath
from conchgo.storage.interface import Entry, Kind, Listing, Storage

PREFIX: Final = reserved.PREFIX + b"upload-"

_NAME: Final = re.compile(
    re.escape(PREFIX)
    + rb"(?P<made>[0-9a-f]{1,12})\.(?P<machine>[0-9a-f]{8})\.(?P<pid>[0-9a-f]{1,7})\.(?P<started>[0-9a-f]{1,12})"
    rb"\.(?P<maker>[0-9a-f]{8})\.[0-9a-f]{32}r?"
)
#: What such a name ends with where a file will be replaced.
_REPLACES: Final = b"r"
#: Seconds that a temporary of another machine (or of one that was started again) is left alone: nobody can look there.
_FOREIGN: Final = 7 * 24 * 3600


def is_replacing(name: bytes) -> bool:
    """Whether this is the name of a temporary that is to replace a file."""
    return name.startswith(PREFIX) and name.endswith(_REPLACES)


class Temporaries:
    """Makes such names, and knows which of its own are in use. One object for all sessions; `clock` is time.time."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._maker = secrets.token_hex(4).encode()
        self._used: set[bytes] = set()

    def take(self, again: bytes | None = None, *, replaces: bool = False) -> bytes:
        """A name that nobody can guess, or the one that was released before, in use until `release`.

        It tells whether the upload is to replace a file.
        """
        name = again or b"%b%x.%b.%x.%x.%b.%b%b" % (
            PREFIX,
            int(self._clock()),
            _machine(),
            os.getpid(),
            _start_of(os.getpid()) or 0,
            self._maker,
            secrets.token_hex(16).encode(),
            _REPLACES if replaces else b"",
        )
        self._used.add(name)
        return name

    def release(self, name: bytes) -> None:
        """What is still there by this name may be removed."""
        self._used.discard(name)

    def is_stale(self, name: bytes) -> bool:
        """Whether this is the name of a temporary whose upload is over."""
        found = _NAME.fullmatch(name)
        if found is None or name in self._used:
            return False
        if found["maker"] == self._maker:
            return True
        if found["machine"] == _machine():
            return not _runs(int(found["pid"], 16), int(found["started"], 16))
        return self._clock() - int(found["made"], 16) > _FOREIGN


class SweptListing:
    """A `Listing` of a directory that has stale temporaries removed on the way."""

    __slots__ = ("_directory", "_listing", "_storage", "_temporaries", "close")

    def __init__(self, listing: Listing, storage: Storage, directory: VirtualPath, temporaries: Temporaries) -> None:
        self._listing = listing
        self._storage = storage
        self._directory = directory
        self._temporaries = temporaries
        self.close = listing.close

    def __iter__(self) -> Iterator[Entry]:
        for entry in self._listing:
            if entry.name.startswith(PREFIX) and self._temporaries.is_stale(entry.name):
                # What can't be removed now is met again by the next one.
                with suppress(ConchgoError, NotBefore):
                    self._storage.remove(self._directory / entry.name)
            else:
                yield entry


def sweep(storage: Storage, directory: VirtualPath, temporaries: Temporaries) -> bool:
    """Remove the stale temporaries of a directory; whether nothing else is left in it."""
    listing = SweptListing(storage.scan(directory), storage, directory, temporaries)
    try:
        return next(iter(listing), None) is None
    finally:
        listing.close()


def sweep_all(storage: Storage, temporaries: Temporaries, portion: int) -> Iterator[None]:
    """Remove the stale temporaries of a tree, in steps of so many entries. What can't be looked at is left out."""
    pending, seen = [ROOT], 0
    while pending:
        directory = pending.pop()
        with suppress(ConchgoError), closing(storage.scan(directory)) as listing:
            for entry in SweptListing(listing, storage, directory, temporaries):
                if entry.stat is not None and entry.stat.kind is Kind.DIRECTORY:
                    pending.append(directory / entry.name)
                seen += 1
                if seen % portion == 0:
                    yield


@functools.cache
def _machine() -> bytes:
    """Equal for processes that know each other by their ids, until the machine is started again."""
    try:
        with open("/proc/sys/kernel/random/boot_id", "rb") as file:
            boot = file.read()
        seen = os.stat("/proc/self/ns/pid")
    except OSError:
        return secrets.token_hex(4).encode()
    return hashlib.sha256(boot + b"%d.%d" % (seen.st_dev, seen.st_ino)).hexdigest()[:8].encode()


def _runs(pid: int, started: int) -> bool:
    """Whether that process is there; its id may have gone to another one that was started later."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # it is somebody else's
    return _start_of(pid) in (None, started)


def _start_of(pid: int) -> int | None:
    """When a process was started, in the kernel's clock ticks: proc_pid_stat(5), field 22. None where nobody tells."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return int(file.read().rpartition(b")")[2].split()[19])
    except (OSError, ValueError, IndexError):
        return None

"""Making files, directories and links with the owner and mode that they shall have, whatever the process' umask."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Final

from conchgo.storage import syscalls
from conchgo.storage.arguments import PLAIN_MODE
from conchgo.storage.beneath import Place, closed_on_error, pinned

_CREATE: Final = os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_NOCTTY | os.O_CLOEXEC
#: A directory that is being made: nobody else's, and with a bit by which it is known again (no umask takes that away).
_UNFINISHED: Final = stat.S_ISVTX | stat.S_IRWXU


@dataclass(frozen=True, slots=True)
class Creator:
    """Makes what is new: `umask` is taken from every mode, `owner` (uid, gid; -1 leaves one as it is) is given to it.

    What cannot be finished is removed again. All raise OSError, FileExistsError where anything is there.
    """

    umask: int
    owner: tuple[int, int] | None

    def file(self, place: Place, access: int, mode: int) -> int:
        """A new file's descriptor, opened with `access` (O_RDWR, for instance)."""
        wanted = mode & PLAIN_MODE & ~self.umask
        descriptor = os.open(place.name, access | _CREATE, wanted, dir_fd=place.directory)
        with closed_on_error(descriptor), _undone_by(os.unlink, place):
            if self.owner:
                os.fchown(descriptor, *self.owner)
            _give_back(descriptor, wanted)
        return descriptor

    def directory(self, place: Place, mode: int) -> None:
        wanted = mode & PLAIN_MODE & ~self.umask
        if self.owner is None and not wanted & syscalls.process_umask():
            os.mkdir(place.name, wanted, dir_fd=place.directory)
            return
        os.mkdir(place.name, _UNFINISHED, dir_fd=place.directory)
        with _undone_by(os.rmdir, place), pinned(place) as pin:
            found = os.fstat(pin).st_mode
            if not _is_unfinished(found):
                return  # somebody put another one in its place, which is not ours to give away
            if self.owner:
                syscalls.chown_pinned(pin, *self.owner)
            syscalls.chmod_pinned(pin, wanted | found & stat.S_ISGID)  # which it has from its parent

    def link(self, place: Place, target: bytes) -> None:
        """A symbolic link."""
        os.symlink(target, place.name, dir_fd=place.directory)
        if self.owner is None:
            return
        with _undone_by(os.unlink, place), pinned(place) as pin:
            if stat.S_ISLNK(os.fstat(pin).st_mode):
                syscalls.chown_pinned(pin, *self.owner)


def _give_back(descriptor: int, wanted: int) -> None:
    """Add the mode's bits that the process' umask or chown(2) took; what a default ACL took stays away."""
    mode = stat.S_IMODE(os.fstat(descriptor).st_mode)
    lost = wanted & ~mode
    taken = lost and lost & (syscalls.process_umask() | stat.S_ISUID | stat.S_ISGID)
    if taken:
        os.fchmod(descriptor, mode | taken)


def _is_unfinished(mode: int) -> bool:
    return stat.S_ISDIR(mode) and mode & (stat.S_ISVTX | stat.S_IRWXG | stat.S_IRWXO) == stat.S_ISVTX


@contextmanager
def _undone_by(remove: Callable[..., None], place: Place) -> Iterator[None]:
    try:
        yield
    except BaseException:
        with suppress(OSError):
            remove(place.name, dir_fd=place.directory)
        raise

"""rename(2) with its two gaps closed: it can be told not to replace, and the old name is gone afterwards."""

from __future__ import annotations

import errno
import os
import secrets
import stat

from conchgo.reserved import PREFIX
from conchgo.storage import syscalls
from conchgo.storage.beneath import Place
from conchgo.storage.interface import Kind
from conchgo.storage.local_attributes import file_stat


def rename_replacing(old: Place, new: Place) -> None:
    """Move `old` over whatever is at `new`; the two are different paths.

    For two names of one file rename(2) does nothing and says that it went well: here the old name is removed. What
    somebody else puts in its place meanwhile stays.
    """
    try:
        os.rename(old.name, new.name, src_dir_fd=old.directory, dst_dir_fd=new.directory)
    except FileExistsError:
        # XFS says this where others say ENOTEMPTY.
        raise OSError(errno.ENOTEMPTY, os.strerror(errno.ENOTEMPTY)) from None
    try:
        left, moved = _lstat(old), _lstat(new)
    except FileNotFoundError:
        return
    # With one link only, the two are one name in a directory that does not tell upper from lower case.
    if os.path.samestat(left, moved) and left.st_nlink > 1 and not stat.S_ISDIR(left.st_mode):
        _remove_if_same(old, left)


def remove_inode(place: Place, identity: tuple[int, int], kind: Kind) -> bool:
    """Remove a name that is no directory's if it is of that inode (device, number); else False, and it stays.

    A regular file's name is only looked at before: whoever might give it away must hold the file's lock. The number of
    something else may have been given to a new file by now: so `kind` is looked at, too.
    """
    found = _lstat(place)
    if (found.st_dev, found.st_ino) != identity or file_stat(found).kind is not kind:
        return False
    if stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode):
        os.unlink(place.name, dir_fd=place.directory)
        return True
    return _remove_if_same(place, found)


def _remove_if_same(place: Place, expected: os.stat_result) -> bool:
    """Remove a name if it is still of that file; it is taken aside first, for unlink(2) does not tell what it takes."""
    aside = Place(place.directory, PREFIX + secrets.token_hex(8).encode())
    try:
        rename_new(place, aside)
    except FileNotFoundError:
        return False
    taken = _lstat(aside)
    if os.path.samestat(taken, expected) and taken.st_mode == expected.st_mode:
        os.unlink(aside.name, dir_fd=aside.directory)
        return True
    rename_new(aside, place)
    return False


def rename_new(old: Place, new: Place) -> None:
    """Move `old` to `new`; FileExistsError where anything is there.

    Where the file system or the kernel cannot do this in one step, a file gets its new name by link(2) and then loses
    the old one: both are there for a moment. A directory is renamed after a look at `new`: an empty directory that
    somebody makes there in between is replaced, anything else is not.
    """
    try:
        syscalls.rename_noreplace(old.directory, old.name, new.directory, new.name)
    except OSError as error:
        if error.errno not in {errno.EINVAL, errno.ENOSYS}:
            raise
        _rename_new_in_steps(old, new)


def _rename_new_in_steps(old: Place, new: Place) -> None:
    if stat.S_ISDIR(_lstat(old).st_mode):
        if _is_there(new):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
        os.rename(old.name, new.name, src_dir_fd=old.directory, dst_dir_fd=new.directory)
        return
    os.link(old.name, new.name, src_dir_fd=old.directory, dst_dir_fd=new.directory, follow_symlinks=False)
    try:
        os.unlink(old.name, dir_fd=old.directory)
    except OSError:
        os.unlink(new.name, dir_fd=new.directory)
        raise


def _lstat(place: Place) -> os.stat_result:
    return os.stat(place.name, dir_fd=place.directory, follow_symlinks=False)


def _is_there(place: Place) -> bool:
    try:
        _lstat(place)
    except FileNotFoundError:
        return False
    return True

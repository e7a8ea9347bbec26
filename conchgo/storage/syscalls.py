"""System calls that Python's `os` lacks. All raise OSError without a file name.

They release the GIL and retry EINTR, but for those that never wait.
"""

from __future__ import annotations

import ctypes
import errno
import os
from collections.abc import Callable
from typing import Any, Final

AT_FDCWD: Final = -100
AT_EMPTY_PATH: Final = 0x1000
RENAME_NOREPLACE: Final = 1
RESOLVE_NO_XDEV: Final = 0x01
RESOLVE_NO_MAGICLINKS: Final = 0x02
RESOLVE_NO_SYMLINKS: Final = 0x04
RESOLVE_BENEATH: Final = 0x08
RESOLVE_CACHED: Final = 0x20

# Calls this young have one number on every architecture.
_OPENAT2: Final = 437
_FCHMODAT2: Final = 452

_libc: Final = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long
#: Keeps the GIL: to give it away and get it back takes longer than a call that never waits.
_quick: Final = ctypes.PyDLL(None, use_errno=True)
_quick.syscall.restype = ctypes.c_long


class _OpenHow(ctypes.Structure):
    _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))


def openat2(directory: int, path: bytes, flags: int, resolve: int) -> int:
    """Open what is there by `path` from `directory`, close-on-exec; `resolve` restricts the way: openat2(2)."""
    how = _OpenHow(flags=flags | os.O_CLOEXEC, mode=0, resolve=resolve)
    return _call(
        _libc.syscall,
        ctypes.c_long(_OPENAT2),
        ctypes.c_long(directory),
        ctypes.c_char_p(path),
        ctypes.byref(how),
        ctypes.c_size_t(ctypes.sizeof(how)),
    )


def quick_opener(flags: int, resolve: int) -> Callable[[int, bytes], int]:
    """`openat2` with these flags, made once for many calls (directory, path).

    Only for what never waits: in memory, or with RESOLVE_CACHED (Linux 5.12), which fails with EAGAIN instead.
    """
    call, number = _quick.syscall, ctypes.c_long(_OPENAT2)
    how = _OpenHow(flags=flags | os.O_CLOEXEC, mode=0, resolve=resolve)
    reference, size = ctypes.byref(how), ctypes.c_size_t(ctypes.sizeof(how))

    def open_now(directory: int, path: bytes) -> int:
        descriptor: int = call(number, directory, path, reference, size)
        if descriptor < 0:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code))
        return descriptor

    return open_now


def rename_noreplace(old_directory: int, old: bytes, new_directory: int, new: bytes) -> None:
    """Rename, or FileExistsError: renameat2(2). EINVAL or ENOSYS where the file system, kernel or libc lacks it."""
    if not hasattr(_libc, "renameat2"):
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    _call(
        _libc.renameat2,
        ctypes.c_int(old_directory),
        ctypes.c_char_p(old),
        ctypes.c_int(new_directory),
        ctypes.c_char_p(new),
        ctypes.c_uint(RENAME_NOREPLACE),
    )


def chown_pinned(descriptor: int, uid: int, gid: int) -> None:
    """chown what an O_PATH descriptor stands for, a symbolic link included; -1 leaves an id as it is."""
    _call(
        _libc.fchownat,
        ctypes.c_int(descriptor),
        ctypes.c_char_p(b""),
        ctypes.c_uint(uid & 0xFFFFFFFF),
        ctypes.c_uint(gid & 0xFFFFFFFF),
        ctypes.c_int(AT_EMPTY_PATH),
    )


def chmod_pinned(descriptor: int, mode: int) -> None:
    """chmod what an O_PATH descriptor stands for. ENOSYS where there is neither /proc nor fchmodat2 (Linux 6.6)."""
    try:
        os.chmod(f"/proc/self/fd/{descriptor}", mode)
    except FileNotFoundError:
        _call(
            _libc.syscall,
            ctypes.c_long(_FCHMODAT2),
            ctypes.c_long(descriptor),
            ctypes.c_char_p(b""),
            ctypes.c_long(mode),
            ctypes.c_long(AT_EMPTY_PATH),
        )


def process_umask() -> int:
    """The process' umask, read without changing it as umask(2) would, for all threads. All bits if it is unknown."""
    try:
        with open("/proc/self/status", "rb") as status:
            return next((int(line.split()[1], 8) for line in status if line.startswith(b"Umask:")), 0o777)
    except OSError:
        return 0o777


def _call(function: Callable[..., int], *arguments: Any) -> int:
    while True:
        result = function(*arguments)
        if result != -1:
            return result
        code = ctypes.get_errno()
        if code != errno.EINTR:
            raise OSError(code, os.strerror(code))

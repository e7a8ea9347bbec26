"""Being an ordinary user for a while, also where the tests run as root."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager

NOBODY = 65534


@contextmanager
def ordinary_user(root: bytes) -> Iterator[None]:
    """What is in `root` belongs to an ordinary user, and this thread's file accesses are that user's.

    The file system ids of Linux are a thread's own, and without those of root its capabilities over files are gone.
    """
    if os.geteuid() != 0:
        yield
        return
    for directory, subdirectories, files in os.walk(root):
        for name in (b".", *subdirectories, *files):
            os.chown(os.path.join(directory, name), NOBODY, NOBODY, follow_symlinks=False)
    libc = ctypes.CDLL(None)
    libc.setfsgid(NOBODY)
    libc.setfsuid(NOBODY)
    try:
        yield
    finally:
        libc.setfsuid(0)
        libc.setfsgid(0)

"""Giving up a file that was being made."""

from __future__ import annotations

from contextlib import suppress

from conchgo.errors import ConchgoError
from conchgo.paths import VirtualPath
from conchgo.vfs.interface import File, Filesystem


def discard(files: Filesystem, file: File, path: VirtualPath) -> None:
    """Close a file that is not whole, and remove it, as far as the user may; what else is at `path` stays.

    An atomic upload that is abandoned leaves what was there before: that has another identity.
    """
    with suppress(ConchgoError):
        made = file.stat().identity
        file.abandon()
        if files.lstat(path).identity == made:
            files.remove(path)
        return
    with suppress(ConchgoError):
        file.abandon()

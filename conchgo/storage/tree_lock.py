"""Who changes names in a tree, and who moves a part of it, one at a time, in every process of this host.

Whoever makes, takes or moves a single name holds the tree with others (shared): meanwhile no directory moves, and what
lies below a path stays there. Whoever moves a directory, or must know that nothing but what he saw moves, holds it
alone. It is flock(2) on the root itself: the kernel ends it with the process.
"""

from __future__ import annotations

import fcntl
import os
import threading
from typing import Final

from conchgo.errors import WouldBlock
from conchgo.storage.beneath import Root
from conchgo.storage.patience import Patience

#: For all locks: nobody waits who holds it.
_changing: Final = threading.Lock()

#: The directories (device and inode) that threads of this process hold alone: which thread, and how often.
_alone: Final[dict[tuple[int, int], tuple[int, int]]] = {}

#: What one session has found out is so for all. Who wants it alone waits for others than who does not.
_patience: Final = Patience(
    "the directory is locked: another program on the server keeps it to itself, or much is moved or written there; "
    "try again later"
)


class TreeLock:
    """The lock of the tree below `root`, for all threads with one storage object.

    Where the root can't be read, or its file system has no such locks, only these keep each other out.
    """

    __slots__ = ("_held", "_identity", "_root", "_sharers")

    def __init__(self, root: Root) -> None:
        """Raises OSError."""
        found = os.fstat(root.descriptor)
        self._identity = (found.st_dev, found.st_ino)
        self._root = root
        self._sharers = 0
        # Made once: each write that makes a file larger asks.
        self._held = [[Held(self, alone, at_once) for at_once in (False, True)] for alone in (False, True)]

    def held(self, *, alone: bool, at_once: bool = False) -> Held:
        """To be entered; the thread that holds the tree alone may enter again, in either way.

        Raises (when it is entered):
            NotBefore: others hold it; nothing waits here.
            Failure: that has been so for half a minute.
            WouldBlock: the same, with `at_once`.
        """
        return self._held[alone][at_once]

    def enter(self, alone: bool) -> bool:
        """Whether it is held now."""
        entered = self._entered(alone)
        if entered and _patience:
            _patience.granted((self._identity, alone))
        return entered

    def _entered(self, alone: bool) -> bool:
        with _changing:
            holder = _alone.get(self._identity) if _alone else None
            if holder is not None:
                thread, depth = holder
                if thread != threading.get_ident():
                    return False
                _alone[self._identity] = thread, depth + 1
            elif alone:
                if self._sharers or not self._lock(fcntl.LOCK_EX):
                    return False
                _alone[self._identity] = threading.get_ident(), 1
            else:
                if not self._sharers and not self._lock(fcntl.LOCK_SH):
                    return False
                self._sharers += 1
            return True

    def refused(self, alone: bool) -> Exception:
        """What to raise: when to ask again. Raises Failure as `held`."""
        return _patience.refused((self._identity, alone))

    def leave(self) -> None:
        with _changing:
            thread, depth = _alone.pop(self._identity, (0, 0)) if _alone else (0, 0)
            if depth > 1:
                _alone[self._identity] = thread, depth - 1
                return
            if not depth:
                self._sharers -= 1
            if not self._sharers:
                self._lock(fcntl.LOCK_UN)

    def _lock(self, how: int) -> bool:
        try:
            fcntl.flock(self._root.descriptor, how | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except (OSError, ValueError):
            pass  # there are no such locks, or the storage was closed
        return True


class Held:
    """A lock that is held while one is in."""

    __slots__ = ("_alone", "_at_once", "_lock")

    def __init__(self, lock: TreeLock, alone: bool, at_once: bool) -> None:
        self._lock = lock
        self._alone = alone
        self._at_once = at_once

    def __enter__(self) -> None:
        if not self._lock.enter(self._alone):
            raise WouldBlock if self._at_once else self._lock.refused(self._alone)

    def __exit__(self, *_: object) -> None:
        self._lock.leave()

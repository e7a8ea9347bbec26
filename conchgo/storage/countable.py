"""What a storage must be able to do so that a quota on it is exact.

A quota counts sizes of inodes. So whoever changes one must keep all others from it, in every process, from the look at
its size until the change is counted; and must know that a name which he takes away is still of the file he counted.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Final, Protocol, runtime_checkable

from conchgo.paths import VirtualPath
from conchgo.storage.interface import Create, FileStat, Storage, StorageFile

#: Seconds after which one asks again for what somebody else holds: a write takes a millisecond.
PAUSE: Final = 0.002


class CountableFile(StorageFile, Protocol):
    def exclusively(self, *, at_once: bool = False) -> AbstractContextManager[FileStat]:
        """Keep out all others who ask for the same file so, in every process, and tell what it is like meanwhile.

        It ends by itself when the process dies. It holds nobody back who does not ask.

        Raises (when it is entered):
            NotBefore: somebody else is in; nothing waits here.
            Failure: that has been so for half a minute.
            WouldBlock: the same, with `at_once`.
            BadHandle: the file is closed, or its file system wants a file that is open for writing.
        """
        ...


@runtime_checkable
class Countable(Protocol):
    """An ability of a `Storage`."""

    def open(
        self, path: VirtualPath, *, read: bool, write: bool, create: Create, truncate: bool = False, mode: int = 0o666
    ) -> CountableFile:
        """As `Storage.open`."""
        ...

    def still(self, *paths: VirtualPath, alone: bool = True, at_once: bool = False) -> AbstractContextManager[object]:
        """As `Stillness.still`; where not `alone`, with others who are not either.

        No directory moves meanwhile, and a name is of the same file as long as that is held (`exclusively`).
        Raises Failure (when it is entered): others have held it for half a minute.
        """
        ...

    def remove_found(self, path: VirtualPath, found: FileStat) -> None:
        """As `remove`, if the name is still of what was found there. A file must be held (`exclusively`) by the caller.

        Raises:
            Busy: the name is of something else by now.
        """
        ...

    def holds(self, file: CountableFile, path: VirtualPath) -> bool:
        """Whether an open file is still here, by the name `path` by which it was opened or what became of that."""
        ...


class CountableStorage(Countable, Storage, Protocol):
    """A storage on which a quota can be held."""

    @property
    def at_once(self) -> CountableStorage | None:
        """As `Storage.at_once`."""
        ...

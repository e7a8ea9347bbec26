"""An open directory of the operating system."""

from __future__ import annotations

import os
from collections.abc import Iterator

from conchgo.storage.interface import Entry
from conchgo.storage.local_attributes import file_stat
from conchgo.storage.oserrors import translated


class LocalListing:
    """A `Listing`; it owns the directory's descriptor. Names come from the kernel in batches, never all at once."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._entries = os.scandir(descriptor)

    def __iter__(self) -> Iterator[Entry]:
        with translated():
            for entry in self._entries:
                found = self._look(os.fsencode(entry.name))
                if found:
                    yield found

    def _look(self, name: bytes) -> Entry | None:
        """The entry; None if it vanished meanwhile."""
        try:
            return Entry(name, file_stat(os.stat(name, dir_fd=self._descriptor, follow_symlinks=False)))
        except FileNotFoundError:
            return None
        except OSError:
            return Entry(name, None)

    def close(self) -> None:
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            self._entries.close()
            with translated():
                os.close(descriptor)

"""Files of lines, one record each: opened for appending, reopened when logrotate moved them away."""

from __future__ import annotations

import os
from typing import Final

STANDARD_ERROR: Final = "-"

#: The owner reads and writes, its group (of log readers) reads.
_MODE: Final = 0o640


class LineFile:
    """Appends whole lines to the file at `path`, or to standard error ("-"). Not thread-safe.

    Raises:
        OSError: the file cannot be opened.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._descriptor = -1
        self._torn = False
        self._reopen()

    def write(self, lines: bytes) -> None:
        """Append `lines`, which end with a newline.

        Raises:
            OSError: not all of it was written (the storage is full, for instance). What was written of the last line
                is closed with a newline by the next call, so that one bad moment spoils one line.
        """
        if self._moved():
            self._reopen()
        if self._torn:
            lines = b"\n" + lines
        written = 0
        try:
            while written < len(lines):
                written += os.write(self._descriptor, lines[written:])
        finally:
            if written:
                self._torn = lines[written - 1 : written] != b"\n"

    def close(self) -> None:
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor > 2:
            os.close(descriptor)

    def _moved(self) -> bool:
        if self._path == STANDARD_ERROR:
            return False
        if self._descriptor < 0:
            return True
        try:
            return not os.path.samestat(os.stat(self._path), os.fstat(self._descriptor))
        except FileNotFoundError:
            return True

    def _reopen(self) -> None:
        self.close()
        if self._path == STANDARD_ERROR:
            self._descriptor = 2
            return
        flags = os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC | os.O_NOCTTY
        try:
            self._descriptor = os.open(self._path, flags | os.O_CREAT | os.O_EXCL, _MODE)
            os.fchmod(self._descriptor, _MODE)
        except FileExistsError:
            self._descriptor = os.open(self._path, flags)
        self._torn = False

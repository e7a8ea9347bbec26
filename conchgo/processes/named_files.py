"""What a program in a box opens by its name, though it is not the user's: files that come with its job, and a pipe.

A pipe without a name can't be shown in a box, nor can one that is no longer in its directory. So it lies in a directory
of the server's while its program runs. What a killed server left there is swept away by the next one.
"""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import Final

_NAME: Final = re.compile(rb"run-(\d+)-[0-9a-f]{16}")


@dataclass(frozen=True, slots=True)
class NamedPipe:
    """A FIFO; `reader` does not block, `pin` is the FIFO itself (O_PATH), `writer` an end for writing."""

    path: bytes
    reader: int
    pin: int
    writer: int


class RunDirectory:
    """A directory in `parent` for one run, whose owner gets into it, and nobody else. Raises OSError, as all here.

    `names` are what is to be removed when the run is over, in this order.
    """

    def __init__(self, parent: bytes, owner: tuple[int, int] | None) -> None:
        self._owner = owner
        self.path = os.path.join(parent, b"run-%d-%s" % (os.getpid(), secrets.token_hex(8).encode()))
        os.mkdir(self.path, 0o700)
        self.names: list[bytes] = [self.path]
        try:
            self._give(self.path)
        except OSError:
            self.remove()
            raise

    def write(self, files: Mapping[bytes, bytes]) -> None:
        """Make files by their names, which nobody changes."""
        for name, content in files.items():
            path = self._add(name)
            with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o444), "wb") as file:
                file.write(content)

    def pipe(self, name: bytes) -> NamedPipe:
        path = self._add(name)
        os.mkfifo(path, 0o600)
        self._give(path)
        with ExitStack() as opened:
            ends = []
            for flags in (os.O_RDONLY | os.O_NONBLOCK, os.O_PATH, os.O_WRONLY):
                ends.append(os.open(path, flags | os.O_CLOEXEC))
                opened.callback(os.close, ends[-1])
            opened.pop_all()
        return NamedPipe(path, *ends)

    def remove(self) -> None:
        remove(self.names)

    def _add(self, name: bytes) -> bytes:
        path = os.path.join(self.path, name)
        self.names.insert(0, path)
        return path

    def _give(self, path: bytes) -> None:
        if self._owner is not None:
            os.chown(path, *self._owner)


def remove(names: Sequence[bytes]) -> None:
    """Files and directories that became empty. What is not there is as good."""
    for name in names:
        with suppress(FileNotFoundError):
            try:
                os.unlink(name)
            except IsADirectoryError:
                os.rmdir(name)


def sweep(directory: bytes) -> None:
    """Make the directory, for nobody but us, or remove from it what servers left that are gone. Raises OSError."""
    os.makedirs(directory, 0o700, exist_ok=True)
    for name in os.listdir(directory):
        made = _NAME.fullmatch(name)
        if made and not _lives(int(made[1])):
            path = os.path.join(directory, name)
            # Other workers may be at it too.
            with suppress(OSError):
                remove([*(os.path.join(path, below) for below in os.listdir(path)), path])


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True

"""Pipes that programs in boxes open by their names.

One without a name can't be shown in a box, nor can one that is no longer in its directory. So it lies in a directory of
the server's while its program runs; what a killed server left there is swept away by the next one.
"""

from __future__ import annotations

import os
import re
import secrets
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

_NAME: Final = re.compile(r"events-(\d+)-[0-9a-f]{16}")


@dataclass(frozen=True, slots=True)
class NamedPipe:
    """A FIFO; `reader` does not block, `pin` is the FIFO itself (O_PATH), `writer` an end for writing."""

    path: bytes
    reader: int
    pin: int
    writer: int


def named_pipe(directory: bytes) -> NamedPipe:
    """Make one, into which anybody may write who gets into the directory. Raises OSError."""
    path = os.path.join(directory, b"events-%d-%s" % (os.getpid(), secrets.token_hex(8).encode()))
    os.mkfifo(path, 0o600)
    opened: list[int] = []
    try:
        # Whom the program runs as may not be us.
        os.chmod(path, 0o622)  # noqa: S103
        for flags in (os.O_RDONLY | os.O_NONBLOCK, os.O_PATH, os.O_WRONLY):
            opened.append(os.open(path, flags | os.O_CLOEXEC))
    except OSError:
        for descriptor in opened:
            os.close(descriptor)
        os.unlink(path)
        raise
    return NamedPipe(path, *opened)


def sweep(directory: bytes) -> None:
    """Make the directory, for nobody but us, or remove from it what servers left that are gone. Raises OSError."""
    with suppress(FileExistsError):
        os.mkdir(directory, 0o700)
    for name in os.listdir(os.fsdecode(directory)):
        made = _NAME.fullmatch(name)
        if made and not _lives(int(made[1])):
            with suppress(FileNotFoundError):
                os.unlink(os.path.join(directory, os.fsencode(name)))


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True

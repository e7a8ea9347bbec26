"""What the main process gives each worker, so that all of them serve the same, whatever changes on the disk."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from pydantic import TypeAdapter
from twisted.conch.ssh.keys import Key

from conchgo.service.settings import Settings

#: Descriptors of a worker. It reads its handover from the first, which ends when the main process does, and says on
#: the second that it serves, or why it does not. Then come the counters of connections, and the sockets.
ORDERS: Final = 0
REPORTS: Final = 3
LOAD: Final = 4
SOCKETS: Final = 5

#: What a worker reports.
READY: Final = b"ready"
FAILED: Final = b"failed: "

_CHUNK: Final = 2**16


@dataclass(frozen=True, slots=True)
class SharedSocket:
    """A socket that listens already: what the administrator called it, its descriptor in the worker, its family."""

    name: str
    descriptor: int
    family: int


@dataclass(frozen=True, slots=True)
class Handover:
    """`number` counts the workers from 0; `host_keys` are private, in OpenSSH's format."""

    number: int
    settings: Settings
    host_keys: tuple[str, ...]
    sockets: tuple[SharedSocket, ...]

    def to_line(self) -> bytes:
        return _ADAPTER.dump_json(self) + b"\n"

    def private_keys(self) -> list[Key]:
        return [Key.fromString(text) for text in self.host_keys]


_ADAPTER: Final = TypeAdapter(Handover)


def private_texts(keys: Sequence[Key]) -> tuple[str, ...]:
    """Host keys as a handover holds them."""
    return tuple(key.toString("openssh", subtype="v1").decode("ascii") for key in keys)


def receive(descriptor: int) -> Handover:
    """Read one from a pipe, to the end of the line. Blocks.

    Raises:
        EOFError: the other end is gone.
    """
    received = bytearray()
    while not received.endswith(b"\n"):
        chunk = os.read(descriptor, _CHUNK)
        if not chunk:
            raise EOFError("the main process is gone")
        received += chunk
    return _ADAPTER.validate_json(received)

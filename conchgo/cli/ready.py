"""The file that tells a script that the server listens, and where."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from twisted.conch.ssh.keys import Key

from conchgo.accounts.public_keys import fingerprint


@dataclass(frozen=True, slots=True)
class Ready:
    """Where the server listens; each host key has `type` and `fingerprint` ("SHA256:...")."""

    address: str
    port: int
    host_keys: tuple[dict[str, str], ...]
    pid: int


def describe(port: Any, host_keys: Sequence[Key]) -> Ready:
    """What there is to know about a listening port."""
    where = port.getHost()
    keys = tuple({"type": key.sshType().decode("ascii"), "fingerprint": fingerprint(key.blob())} for key in host_keys)
    return Ready(where.host, where.port, keys, os.getpid())


def write_ready_file(path: str, ready: Ready) -> None:
    """Write it whole or not at all: whoever sees the file can read it.

    Raises:
        OSError: it cannot be written.
    """
    descriptor, temporary = tempfile.mkstemp(prefix=".ready-", dir=os.path.dirname(os.path.abspath(path)))
    try:
        with open(descriptor, "w", encoding="utf-8") as file:
            os.fchmod(descriptor, 0o644)
            file.write(json.dumps(asdict(ready)) + "\n")
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise

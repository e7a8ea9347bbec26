"""OpenSSH's clients: command lines of ssh, and sftp as a program that takes one command after the other."""

from __future__ import annotations

import os
import select
import subprocess
import time
from types import TracebackType
from typing import Final, Self

from tests.benchmarks.offers import PATIENCE
from tests.benchmarks.servers import Server

#: What `pwd` makes sftp say at once, without asking the server: everything before it is done.
_DONE: Final = b"Remote working directory:"
MAC: Final = "hmac-sha2-256-etm@openssh.com"


def options(server: Server, cipher: str = "") -> list[str]:
    """What ssh and sftp share: nothing of the user's own configuration, and the same algorithms with every server."""
    chosen = {
        "Port": server.port,
        "User": server.username,
        "IdentityFile": server.key,
        "IdentitiesOnly": "yes",
        "IdentityAgent": "none",
        "BatchMode": "yes",
        "StrictHostKeyChecking": "no",
        "UserKnownHostsFile": os.devnull,
        "GlobalKnownHostsFile": os.devnull,
        "LogLevel": "ERROR",
        "PreferredAuthentications": "publickey",
        "KexAlgorithms": "curve25519-sha256",
        "HostKeyAlgorithms": "ssh-ed25519",
        "MACs": MAC,
    }
    if cipher:
        chosen["Ciphers"] = cipher
    return ["-F", "none", *(f"-o{name}={value}" for name, value in chosen.items())]


def subsystem(server: Server) -> list[str]:
    """ssh, with the SFTP protocol on its standard input and output."""
    return ["ssh", *options(server), "-s", "127.0.0.1", "sftp"]


class Sftp:
    """OpenSSH's sftp, logged in. What is timed are its commands, not its login."""

    def __init__(self, server: Server, cipher: str = "") -> None:
        command = ["sftp", *options(server, cipher), "-b", "-", "127.0.0.1"]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=server.place.local
        )
        self._said = b""

    def __enter__(self) -> Self:
        try:
            self.do()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def do(self, *commands: str) -> None:
        """Have commands done, and wait until they are.

        Raises:
            RuntimeError: one failed.
        """
        self.begin(*commands)
        self.finish()

    def begin(self, *commands: str) -> None:
        assert self._process.stdin is not None
        self._said = b""
        self._process.stdin.write("".join(f"{command}\n" for command in (*commands, "pwd")).encode())
        self._process.stdin.flush()

    def finish(self) -> None:
        """Wait until the commands of `begin` are done."""
        deadline = time.monotonic() + PATIENCE
        while not self.finished(max(0, deadline - time.monotonic())):
            if time.monotonic() > deadline:
                raise RuntimeError(f"sftp took longer than {PATIENCE} seconds for: {self._said.decode()}")

    def finished(self, patience: float = 0) -> bool:
        """Whether they are done, after at most so many seconds."""
        assert self._process.stdout is not None
        if select.select([self._process.stdout], [], [], patience)[0]:
            data = os.read(self._process.stdout.fileno(), 65536)
            if not data:
                raise RuntimeError(f"sftp failed: {self._complaint()}")
            self._said += data
        return _DONE in self._said

    def _complaint(self) -> str:
        assert self._process.stderr is not None
        return self._process.stderr.read().decode(errors="replace").strip()

    def _end(self) -> None:
        with self._process:
            assert self._process.stdin is not None
            self._process.stdin.close()
            try:
                self._process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self._process.kill()

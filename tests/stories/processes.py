"""Servers as processes of their own, and a client for them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import paramiko

#: Seconds after which something that must happen has not happened.
PATIENCE = 30


class Process:
    """A program that runs in the background; its output is in files."""

    def __init__(self, command: Sequence[str], directory: Path, **options: Any) -> None:
        self.output, self.errors = directory / "stdout", directory / "stderr"
        with self.output.open("wb") as output, self.errors.open("wb") as errors:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=errors,
                start_new_session=True,
                **{"cwd": "/", **options},
            )
        self.pid = self._process.pid

    def wait_for(self, path: Path, text: str, patience: float = PATIENCE) -> str:
        """Wait until `text` stands in the file at `path`; everything that stands there."""
        deadline = time.monotonic() + patience
        while True:
            running = self._process.poll() is None
            found = path.read_text() if path.exists() else ""
            if text in found:
                return found
            assert running, f"ended with {self._process.returncode}: {self.said()}"
            assert time.monotonic() < deadline, f"no {text!r} in {path}: {self.said()}"
            time.sleep(0.02)

    def said(self) -> str:
        return self.output.read_text() + self.errors.read_text()

    def log(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.errors.read_text().splitlines()]

    def signal(self, number: int) -> None:
        self._process.send_signal(number)

    def signal_group(self, number: int) -> None:
        """Also what it started."""
        os.killpg(self.pid, number)

    def wait(self) -> int:
        return self._process.wait(PATIENCE)

    def close(self) -> None:
        """Nothing of it stays."""
        with suppress(ProcessLookupError):
            self.signal_group(signal.SIGKILL)
        self._process.wait()


@contextmanager
def running(command: Sequence[str], directory: Path, **options: Any) -> Iterator[Process]:
    directory.mkdir(exist_ok=True)
    process = Process(command, directory, **options)
    try:
        yield process
    finally:
        process.close()


@contextmanager
def sftp(port: int, username: str, **credentials: Any) -> Iterator[paramiko.SFTPClient]:
    """A client that is logged in."""
    with paramiko.SSHClient() as client:
        client.set_missing_host_key_policy(paramiko.AutoAddPolicy())
        client.connect(
            "127.0.0.1", port, username, allow_agent=False, look_for_keys=False, timeout=PATIENCE, **credentials
        )
        with client.open_sftp() as files:
            yield files

"""The command lines of other people's clients, and how to run them."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.interop.service import Service
from tests.programs import require_program

#: Seconds for one run of a client, on a busy machine.
_PATIENCE = 60


def run(
    arguments: Sequence[str | bytes | Path],
    *,
    stdin: bytes = b"",
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    status: int | None = 0,
) -> subprocess.CompletedProcess[bytes]:
    """Run to the end; `status` is what it must exit with, None for anything but 0."""
    done = subprocess.run(
        arguments, input=stdin, cwd=cwd, env={**os.environ, **(env or {})}, capture_output=True, timeout=_PATIENCE
    )
    good = done.returncode != 0 if status is None else done.returncode == status
    assert good, f"{arguments[0]!r} exited with {done.returncode}:\n{_text(done.stdout)}\n{_text(done.stderr)}"
    return done


def _text(output: bytes) -> str:
    return output.decode(errors="backslashreplace")[-4000:]


def ssh_options(service: Service, key: str = "ed25519") -> list[str]:
    """Options that ssh, sftp and scp share; nothing of the tester's own configuration is read."""
    options = {
        "StrictHostKeyChecking": "no",
        "UserKnownHostsFile": "/dev/null",
        "GlobalKnownHostsFile": "/dev/null",
        "LogLevel": "ERROR",
        "BatchMode": "yes",
        "IdentitiesOnly": "yes",
        "IdentityAgent": "none",
        "IdentityFile": service.keys / key,
        "Port": service.port,
    }
    return ["-F", "none", *(f"-o{name}={value}" for name, value in options.items())]


def address(service: Service, path: str = "") -> str:
    return f"{service.username}@{service.host}:{path}"


def sftp(service: Service, *lines: str | bytes, status: int | None = 0, options: Sequence[str] = ()) -> bytes:
    """Run OpenSSH's sftp on a batch of lines; what it printed."""
    program = require_program("sftp")
    batch = b"".join((line if isinstance(line, bytes) else line.encode()) + b"\n" for line in lines)
    arguments = [program, *ssh_options(service), *options, "-b", "-", address(service)]
    done = run(arguments, stdin=batch, status=status)
    return done.stdout + done.stderr

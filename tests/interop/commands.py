"""The command lines of other people's clients, and how to run them."""

from __future__ import annotations

import functools
import os
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import quote

from tests.interop.service import Target
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


def ssh_options(target: Target, key: str = "ed25519") -> list[str]:
    """Options that ssh, sftp and scp share; nothing of the tester's own configuration is read."""
    options = {
        "StrictHostKeyChecking": "no",
        "UserKnownHostsFile": "/dev/null",
        "GlobalKnownHostsFile": "/dev/null",
        "LogLevel": "ERROR",
        "BatchMode": "yes",
        "IdentitiesOnly": "yes",
        "IdentityAgent": "none",
        "IdentityFile": target.keys / key,
        "Port": target.port,
    }
    return ["-F", "none", *(f"-o{name}={value}" for name, value in options.items())]


def address(target: Target, path: str = "") -> str:
    return f"{target.username}@{target.host}:{path}"


def sftp(target: Target, *lines: str | bytes, status: int | None = 0, options: Sequence[str] = ()) -> bytes:
    """Run OpenSSH's sftp on a batch of lines; what it printed."""
    program = require_program("sftp")
    batch = b"".join((line if isinstance(line, bytes) else line.encode()) + b"\n" for line in lines)
    arguments = [program, *ssh_options(target), *options, "-b", "-", address(target)]
    done = run(arguments, stdin=batch, status=status)
    return done.stdout + done.stderr


def scp(target: Target, *arguments: str | Path, status: int | None = 0) -> bytes:
    done = run([require_program("scp"), *ssh_options(target), *arguments], status=status)
    return done.stderr


def putty_options(target: Target) -> list[str]:
    return ["-P", str(target.port), "-pw", target.password, "-batch", "-hostkey", f"SHA256:{target.fingerprint}"]


def psftp(target: Target, *lines: str, home: Path, status: int = 0) -> bytes:
    """Run a batch; PuTTY keeps its settings in `home`."""
    arguments = [require_program("psftp"), *putty_options(target), "-b", "/dev/stdin", address(target).rstrip(":")]
    done = run(
        arguments, stdin="\n".join([*lines, "quit", ""]).encode(), cwd=home, env={"HOME": str(home)}, status=status
    )
    return done.stdout + done.stderr


def lftp(target: Target, *lines: str, status: int | None = 0, charset: str = "utf-8") -> bytes:
    settings = {
        "cmd:fail-exit": "yes",
        "net:max-retries": "1",
        "sftp:charset": charset,
        "file:charset": charset,
        "sftp:connect-program": f'"{shlex.join(["ssh", "-a", "-x", *ssh_options(target)])}"',
    }
    setup = [f"set {name} {value}" for name, value in settings.items()]
    script = [*setup, f"open -u {target.username}, -p {target.port} sftp://{target.host}", *lines]
    arguments = [require_program("lftp"), "--norc", "-c", "; ".join(script)]
    done = run(arguments, status=status)
    return done.stdout + done.stderr


@functools.cache
def _obscured(program: str, password: str) -> str:
    """rclone wants passwords so."""
    return run([program, "obscure", "-"], stdin=password.encode()).stdout.decode().strip()


def rclone(target: Target, *arguments: str | Path, by_key: bool = True, status: int | None = 0) -> bytes:
    program = require_program("rclone")
    login = ["--sftp-key-file", target.keys / "ed25519"]
    if not by_key:
        login = ["--sftp-pass", _obscured(program, target.password)]
    where = ["--sftp-host", target.host, "--sftp-port", str(target.port), "--sftp-user", target.username]
    # There is no shell: without this rclone tries which one.
    what = ["--sftp-shell-type", "none", "--config", "/dev/null", "--retries", "1", "--low-level-retries", "1"]
    done = run([program, *what, *where, *login, *arguments], status=status)
    return done.stdout + done.stderr


def curl(target: Target, name: bytes, *options: str | Path, by_key: bool = False, status: int = 0) -> bytes:
    login = ["--user", f"{target.username}:{target.password}"]
    if by_key:
        login = [
            "--user",
            f"{target.username}:",
            "--key",
            target.keys / "ed25519",
            "--pubkey",
            target.keys / "ed25519.pub",
        ]
    url = f"sftp://{target.host}:{target.port}/{quote(name)}"
    program = require_program("curl")
    return run([program, "-sS", "--hostpubsha256", target.fingerprint, *login, *options, url], status=status).stdout


def ssh(target: Target, *options: str, command: str = "", key: str = "ed25519", status: int = 1) -> bytes:
    """What was said. A shell is answered with one line and status 1."""
    program = require_program("ssh")
    # The first value of an option counts.
    arguments = [program, "-oLogLevel=INFO", *options, *ssh_options(target, key), address(target).rstrip(":")]
    done = run([*arguments, *command.split()], status=status)
    return done.stdout + done.stderr

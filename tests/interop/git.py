"""git as a client, which reads nothing of the tester's own configuration."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.interop.commands import ssh_options
from tests.interop.service import PATIENCE, Target
from tests.interop.trees import content
from tests.programs import require_program

_NOBODY: Mapping[str, str] = {
    "HOME": "/nonexistent",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_AUTHOR_NAME": "a",
    "GIT_AUTHOR_EMAIL": "a@example.org",
    "GIT_COMMITTER_NAME": "c",
    "GIT_COMMITTER_EMAIL": "c@example.org",
}


def attempt(
    *arguments: str | Path,
    target: Target | None = None,
    cwd: Path | None = None,
    stdin: bytes = b"",
    env: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[bytes]:
    """Run it to its end, however that is; with a `target`, ssh finds the way to it."""
    ssh = {} if target is None else {"GIT_SSH_COMMAND": shlex.join([require_program("ssh"), *ssh_options(target)])}
    return subprocess.run(
        [require_program("git"), "-c", "init.defaultBranch=main", *arguments],
        cwd=cwd,
        env={**os.environ, **_NOBODY, **ssh, **(env or {})},
        input=stdin,
        capture_output=True,
        timeout=PATIENCE,
    )


def git(*arguments: str | Path, status: int | None = 0, **how: Any) -> subprocess.CompletedProcess[bytes]:
    """As `attempt`; `status` is what it must exit with, None for anything but 0."""
    done = attempt(*arguments, **how)
    good = done.returncode != 0 if status is None else done.returncode == status
    assert good, f"git {arguments[0]} exited with {done.returncode}:\n{text(done)[-4000:]}"
    return done


def url(target: Target, path: str) -> str:
    return f"ssh://{target.username}@{target.host}:{target.port}{path}"


def text(done: subprocess.CompletedProcess[bytes]) -> str:
    """All that was said."""
    return (done.stdout + done.stderr).decode(errors="backslashreplace")


def new_bare(path: Path, *options: str) -> Path:
    """An empty repository, as an administrator would make it."""
    git("init", "-q", "--bare", *options, path)
    return path


def new_work(path: Path, *options: str, files: int = 3, size: int = 100) -> Path:
    """A repository with a commit of so many files of incompressible content."""
    git("init", "-q", *options, path)
    commit(path, files, size)
    return path


def commit(work: Path, files: int = 1, size: int = 100, seed: int = 0) -> str:
    """One more commit; its name."""
    for number in range(files):
        directory = work / f"d{number % 100}"
        directory.mkdir(exist_ok=True)
        (directory / f"f{number}-{seed}").write_bytes(content(size, number + seed))
    git("add", "-A", cwd=work)
    git("commit", "-q", "-m", f"commit {seed}", cwd=work)
    return git("rev-parse", "HEAD", cwd=work).stdout.decode().strip()


def tree_of(repository: Path, revision: str = "HEAD") -> str:
    return git("rev-parse", f"{revision}^{{tree}}", cwd=repository).stdout.decode().strip()


def is_whole(repository: Path) -> None:
    """Raises AssertionError: something is missing or broken."""
    git("fsck", "--full", "--strict", cwd=repository, env={"GIT_DIR": os.fspath(repository)})


class SlowPush:
    """A client of git-receive-pack that does one thing after the other. `command` starts that program."""

    def __init__(self, command: Sequence[str | Path], env: Mapping[str, str] | None = None) -> None:
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, **_NOBODY, **(env or {})},
        )
        while self._packet():
            pass

    def _packet(self) -> bytes:
        assert self.process.stdout is not None
        length = int(self.process.stdout.read(4), 16)
        return self.process.stdout.read(length - 4) if length else b""

    def send(self, work: Path, ref: str) -> None:
        """Make `ref` what HEAD is in `work`; the pack has all of it."""
        new = git("rev-parse", "HEAD", cwd=work).stdout.decode().strip()
        line = f"{'0' * len(new)} {new} {ref}\0 report-status object-format=sha{1 if len(new) == 40 else 256}".encode()
        pack = git("pack-objects", "--stdout", "--revs", "-q", cwd=work, stdin=f"{new}\n".encode()).stdout
        self.write(b"%04x%s0000" % (len(line) + 4, line) + pack)

    def write(self, data: bytes) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def end(self) -> str:
        """All that was said after that."""
        said = b"".join(self.process.communicate(timeout=PATIENCE))
        return said.decode(errors="backslashreplace")

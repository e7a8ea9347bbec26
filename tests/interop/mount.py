"""sshfs: the server's files as a directory of this machine, through FUSE and OpenSSH."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.interop.commands import address, ssh_options
from tests.interop.service import Target, eventually
from tests.programs import require_program


@contextmanager
def mounted(target: Target, directory: Path, *options: str) -> Iterator[Path]:
    """The user's root at `directory`, until the block ends. Without FUSE the test is skipped."""
    sshfs, fusermount = require_program("sshfs"), require_program("fusermount3")
    if not os.access("/dev/fuse", os.R_OK | os.W_OK):
        pytest.skip("/dev/fuse can't be used here")
    directory.mkdir()
    ours = [option for option in ssh_options(target) if option.startswith("-o")]
    arguments = [sshfs, "-f", *ours, *(f"-o{option}" for option in options), address(target, "/"), str(directory)]
    process = subprocess.Popen(arguments, stderr=subprocess.PIPE)
    try:
        eventually(lambda: os.path.ismount(directory) or process.poll() is not None, "sshfs mounts")
        if process.poll() is not None:
            pytest.fail(f"sshfs did not mount: {process.stderr.read()!r}")  # type: ignore[union-attr]
        yield directory
    finally:
        subprocess.run([fusermount, "-u", "-z", str(directory)], check=False, capture_output=True)
        process.communicate(timeout=10)

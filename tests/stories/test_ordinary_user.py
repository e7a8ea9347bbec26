"""The whole service as an ordinary user has it: no step of the work needs root."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from conchgo.accounts.model import FilePattern, Filters, VirtualFolder
from tests.checkout import checkout_environment, free_port
from tests.interop.service import eventually
from tests.stories.installation import PASSWORD, Installation
from tests.stories.processes import sftp
from tests.stories.test_quotas import on_disk, quota

NOBODY = 65534


@pytest.fixture
def identity() -> dict[str, Any]:
    """How to start a process as an ordinary user: as it is, or (of root's) as nobody."""
    if os.geteuid():
        return {}
    identity = {"user": NOBODY, "group": NOBODY, "extra_groups": []}
    probe = [sys.executable, "-c", "import conchgo, twisted"]
    try:
        subprocess.run(probe, env=checkout_environment(), cwd="/", capture_output=True, check=True, **identity)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("nobody but root can run this Python")
    return identity


@pytest.fixture
def installation(identity: dict[str, Any]) -> Iterator[Installation]:
    """Not below pytest's own directory, where nobody but its user may look."""
    directory = Path(tempfile.mkdtemp(prefix="conchgo-story-"))
    made = Installation(directory, free_port())
    made.configure(workers=2)
    made.add_folder("team")
    (directory / "team").mkdir()
    made.add_user(
        "ada",
        quota_size=500_000,
        filters=Filters(file_patterns=(FilePattern("/", denied_patterns=("*.exe",)),)),
        virtual_folders=(VirtualFolder("team", "/team"),),
    )
    if identity:
        for place, names, files in os.walk(directory):
            for name in (".", *names, *files):
                os.chown(os.path.join(place, name), NOBODY, NOBODY)
    yield made
    shutil.rmtree(directory)


@pytest.mark.parametrize("mode", ["direct", "atomic"])
def test_an_ordinary_user_runs_it_all(installation: Installation, identity: dict[str, Any], mode: str) -> None:
    with Path(installation.config).open("a") as config:
        config.write(f'[transfers]\nupload_mode = "{mode}"\n')
    home, team = installation.state / "users" / "ada", installation.directory / "team"
    with installation.running(**identity) as process:
        uids = Path(f"/proc/{process.pid}/status").read_text().partition("Uid:")[2].split()[:4]
        assert set(uids) == {str(identity.get("user", os.geteuid()))} != {"0"}
        process.wait_for(process.errors, "with 2 workers")
        with sftp(installation.port, "ada", password=PASSWORD) as client:
            for name in ("/own", "/team/shared"):
                with client.open(name, "wb") as file:
                    file.write(bytes(100_000))
                with client.open(name, "rb") as file:
                    assert file.read() == bytes(100_000)
            with pytest.raises(PermissionError):
                client.open("/x.exe", "wb")
            with pytest.raises(OSError, match="quota exceeded"), client.open("/much", "wb") as file:
                file.write(bytes(400_000))
            begun = client.open("/half", "wb")
            begun.write(bytes(50_000))
            os.kill(installation.sessions()[0]["pid"], signal.SIGKILL)
            process.wait_for(process.errors, "serves again")
        with sftp(installation.port, "ada", password=PASSWORD) as client:
            client.rename("/own", "/team/moved")
            client.remove("/team/shared")
            # What a killed one has left is swept where somebody looks.
            client.listdir("/")
        size, files = (sum(both) for both in zip(on_disk(home), on_disk(team), strict=True))
        assert (size, files) == ((150_000, 2) if mode == "direct" else (100_000, 1))
        told = {"user:ada": (size, files)}
        eventually(lambda: quota(installation, "show", "ada") == told, "after the kill all is right", 40)
        process.signal(signal.SIGTERM)
        assert process.wait() in (0, -signal.SIGTERM)
    assert not [
        line for line in process.log() if line["level"] in ("error", "critical") and "ended:" not in line["message"]
    ]

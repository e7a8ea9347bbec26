"""Quotas, as users and administrators see them: over several workers, and after a kill."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.checkout import checkout_environment, conchgo
from tests.interop.service import eventually
from tests.stories.installation import PASSWORD, Installation
from tests.stories.processes import running, sftp
from tests.stories.test_portable import portable, ready

LIMIT = 400_000


def quota(installation: Installation, *arguments: str) -> Any:
    """What `conchgo quota` tells."""
    command = conchgo("quota", *arguments, "--json", "--config", installation.config)
    done = subprocess.run(command, env=checkout_environment(), capture_output=True, check=True)
    return {row["domain"]: (row["size"], row["files"]) for row in json.loads(done.stdout)}


def on_disk(directory: Path) -> tuple[int, int]:
    sizes = [path.stat().st_size for path in directory.rglob("*") if path.is_file()]
    return sum(sizes), len(sizes)


def upload(port: int, name: str, size: int) -> bool:
    """Whether all of it fits."""
    with sftp(port, "ada", password=PASSWORD) as client:
        try:
            with client.open(name, "wb") as file:
                for offset in range(0, size, 16_384):
                    file.write(bytes(min(16_384, size - offset)))
            return True
        except OSError as error:
            assert "quota exceeded" in str(error)  # noqa: PT017 - and nothing else
            return False


@pytest.mark.parametrize("workers", [1, 2])
def test_no_number_of_uploads_passes_the_limit(installation: Installation, workers: int) -> None:
    installation.configure(workers=workers)
    installation.add_user("ada", quota_size=LIMIT, quota_files=100)
    home = installation.state / "users" / "ada"
    home.mkdir(parents=True)
    (home / "there").write_bytes(bytes(100_000))
    with installation.running():
        with ThreadPoolExecutor(8) as pool:
            done = list(pool.map(lambda number: upload(installation.port, f"/{number}", 50_000), range(10)))
        size, files = on_disk(home)
        assert size <= LIMIT
        assert done.count(True) <= 6
        eventually(lambda: quota(installation, "show", "ada") == {"user:ada": (size, files)}, "all is told")
        with sftp(installation.port, "ada", password=PASSWORD) as client:
            for name in client.listdir():
                client.remove(name)
        assert on_disk(home) == (0, 0)
        eventually(lambda: quota(installation, "show", "ada") == {"user:ada": (0, 0)}, "what is removed is free")
        assert upload(installation.port, "/all", LIMIT)
        assert not upload(installation.port, "/more", 1)
        assert quota(installation, "scan", "--all") == {"user:ada": (LIMIT, 1)}


def test_after_a_kill_nothing_is_lost_or_counted_twice(installation: Installation) -> None:
    installation.configure()
    installation.add_user("ada", quota_size=LIMIT)
    home = installation.state / "users" / "ada"
    with installation.running() as process, sftp(installation.port, "ada", password=PASSWORD) as client:
        file = client.open("/half", "wb")
        for _ in range(5):
            file.write(bytes(20_000))
        process.signal(signal.SIGKILL)
        process.wait()
    with installation.running():
        with sftp(installation.port, "ada", password=PASSWORD) as client:
            client.open("/after", "wb").close()
        found = on_disk(home)
        assert found == (100_000, 2)
        eventually(lambda: quota(installation, "show", "ada") == {"user:ada": found}, "the journal is read")


def test_portable_counts_what_is_there(tmp_path: Path) -> None:
    files = tmp_path / "files"
    files.mkdir()
    (files / "there").write_bytes(bytes(6_000))
    command = portable(files, "-p", "secret", "-g", "*", "--ready-file", str(tmp_path / "ready"))
    with (
        running(
            [*command, "--quota-size", "10000", "--quota-files", "3"], tmp_path / "run", env=checkout_environment()
        ) as process,
        sftp(ready(process, tmp_path / "ready")["port"], "user", password="secret") as client,
    ):
        with client.open("/new", "wb") as file:
            file.write(bytes(4_000))
            with pytest.raises(OSError, match="quota exceeded: 10000 of 10000 bytes"):
                file.write(b"x")
        assert on_disk(files)[0] <= 10_000
        client.remove("/there")
        client.open("/2", "wb").close()
        client.open("/3", "wb").close()
        client.open("/4", "wb").close()
        names = os.listdir(files)
        with pytest.raises(OSError, match="quota exceeded"):
            client.open("/5", "wb")
        assert sorted(os.listdir(files)) == sorted(names)

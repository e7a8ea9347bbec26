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

from conchgo.accounts.model import VirtualFolder
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


def upload(port: int, name: str, size: int, user: str = "ada") -> bool:
    """Whether all of it fits."""
    with sftp(port, user, password=PASSWORD) as client:
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


def fits(port: int, name: str) -> bool:
    """Whether there is room for a byte, which is given back."""
    if not upload(port, name, 1):
        return False
    with sftp(port, "ada", password=PASSWORD) as client:
        client.remove(name)
    return True


def shown(installation: Installation) -> dict[str, tuple[int, int]]:
    return {domain: usage for domain, usage in quota(installation, "show").items() if usage}


@pytest.mark.parametrize("workers", [1, 2])
def test_a_folder_counts_for_all_who_have_it_in_their_quota_whoever_changes_it(
    installation: Installation, workers: int
) -> None:
    installation.configure(workers=workers)
    installation.add_folder("team")
    everybody = (VirtualFolder("team", "/team"),)
    installation.add_user("ada", quota_size=LIMIT, virtual_folders=everybody)
    installation.add_user("bob", virtual_folders=everybody)
    installation.add_user(
        "eve", quota_size=LIMIT, virtual_folders=(VirtualFolder("team", "/t", included=False, quota_size=900_000),)
    )
    port, team = installation.port, installation.directory / "team"
    with installation.running():
        assert upload(port, "/home", 10_000)
        assert upload(port, "/team/bobs", 450_000, "bob")
        told = {"user:ada": (460_000, 2), "folder:team": (450_000, 1)}
        eventually(lambda: shown(installation) == told, "it counts for ada")
        for name in "/more", "/team/more":
            eventually(lambda name=name: not fits(port, name), "each worker hears of it within a second")
        assert upload(port, "/t/eves", 100, "eve")
        with sftp(port, "ada", password=PASSWORD) as client:
            client.remove("/team/bobs")
        told = {"user:ada": (10_100, 2), "folder:team": (100, 1), "user:eve": (0, 0)}
        eventually(lambda: shown(installation) == told, "nothing is below nothing")
        with ThreadPoolExecutor(8) as pool:
            names = [f"/{'team/' if number % 2 else ''}{number}" for number in range(12)]
            list(pool.map(lambda name: upload(port, name, 50_000), names))
        home = on_disk(installation.state / "users" / "ada")
        size, files = home[0] + on_disk(team)[0], home[1] + on_disk(team)[1]
        assert LIMIT - 50_000 < size <= LIMIT
        assert upload(port, "/rest", LIMIT - size)
        assert not upload(port, "/over", 1)
        files += 2 if (installation.state / "users" / "ada" / "over").exists() else 1
        eventually(lambda: shown(installation)["user:ada"] == (LIMIT, files), "to the byte")
        assert quota(installation, "scan", "ada") == {"user:ada": (LIMIT, files)}
        assert quota(installation, "scan", "--folder", "team") == {"folder:team": on_disk(team)}


def test_after_a_kill_a_folder_counts_for_all_too(installation: Installation) -> None:
    installation.configure()
    installation.add_folder("team")
    team = installation.directory / "team"
    for name, fields in (("ada", {"quota_size": LIMIT}), ("bob", {})):
        installation.add_user(name, virtual_folders=(VirtualFolder("team", "/team"),), **fields)
    with installation.running() as process, sftp(installation.port, "bob", password=PASSWORD) as client:
        assert upload(installation.port, "/home", 50_000)
        file = client.open("/team/half", "wb")
        for _ in range(5):
            file.write(bytes(20_000))
        process.signal(signal.SIGKILL)
        process.wait()
    with installation.running():
        with sftp(installation.port, "ada", password=PASSWORD) as client:
            client.open("/team/after", "wb").close()
        assert on_disk(team) == (100_000, 2)
        told = {"user:ada": (150_000, 3), "folder:team": (100_000, 2)}
        eventually(lambda: shown(installation) == told, "the journal is read")
        assert not upload(installation.port, "/over", LIMIT - 150_000 + 1)
        # What the killed one had leased may be used when it is certain what he used of it.
        eventually(lambda: upload(installation.port, "/over", LIMIT - 150_000), "to the byte")


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

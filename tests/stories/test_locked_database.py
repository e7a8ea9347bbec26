"""The database is locked in the middle of uploads: they wait, nothing is lost, and nothing is counted twice."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import paramiko
import pytest

from tests.checkout import checkout_environment, conchgo
from tests.interop.service import eventually
from tests.stories.installation import PASSWORD, Installation
from tests.stories.processes import PATIENCE, sftp

MB = 1_000_000
#: Several times what is counted ahead of a transfer of a user who may transfer so many MB.
SIZE = 30 * MB
LIMIT = 100
PIECE = bytes(MB)


@contextmanager
def locked(installation: Installation) -> Iterator[None]:
    with closing(sqlite3.connect(installation.state / "conchgo.db", isolation_level=None, timeout=PATIENCE)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield


def by_sftp(client: paramiko.SSHClient, path: str, begun: Callable[[], object], goes_on: threading.Event) -> None:
    with client.open_sftp() as files, files.open(path, "wb") as file:
        file.set_pipelined(True)
        for count in range(SIZE // MB):
            if count == 5:
                begun()
                goes_on.wait(PATIENCE)
            file.write(PIECE)


def by_scp(client: paramiko.SSHClient, path: str, begun: Callable[[], object], goes_on: threading.Event) -> None:
    channel = client.get_transport().open_session()  # type: ignore[union-attr]
    with closing(channel):
        channel.exec_command(f"scp -t {path}")
        assert channel.recv(1) == b"\0"
        channel.sendall(b"C0644 %d x\n" % SIZE)
        assert channel.recv(1) == b"\0"
        for count in range(SIZE // MB):
            if count == 5:
                begun()
                goes_on.wait(PATIENCE)
            channel.sendall(PIECE)
        channel.sendall(b"\0")
        assert channel.recv(1) == b"\0"


def told(installation: Installation, *command: str) -> list[dict[str, Any]]:
    line = conchgo(*command, "--json", "--config", installation.config)
    return list(json.loads(subprocess.run(line, env=checkout_environment(), capture_output=True, check=True).stdout))


def on_disk(directory: Path) -> tuple[int, int]:
    sizes = [path.stat().st_size for path in directory.iterdir()]
    return sum(sizes), len(sizes)


@pytest.mark.parametrize("mode", ["direct", "atomic"])
def test_uploads_wait_for_a_locked_database(installation: Installation, mode: str) -> None:
    installation.configure(workers=2)
    with Path(installation.config).open("a") as config:
        config.write(f'[transfers]\nupload_mode = "{mode}"\n')
    installation.add_user("ada", quota_size=3 * SIZE, quota_files=10, upload_data_transfer=LIMIT)
    home = installation.state / "users" / "ada"
    ways = {"/sftp": by_sftp, "/scp": by_scp}
    begun, goes_on = threading.Barrier(len(ways) + 1, timeout=PATIENCE), threading.Event()

    def upload(path: str) -> None:
        with paramiko.SSHClient() as client:
            client.set_missing_host_key_policy(paramiko.AutoAddPolicy())
            options = {"password": PASSWORD, "allow_agent": False, "look_for_keys": False}
            client.connect("127.0.0.1", installation.port, "ada", **options)  # type: ignore[arg-type]
            ways[path](client, path, begun.wait, goes_on)

    with installation.running() as process, sftp(installation.port, "ada", password=PASSWORD) as other:
        # What is replaced is whole until then in the atomic mode.
        with other.open("/sftp", "wb") as old:
            old.write(b"old")
        with ThreadPoolExecutor(len(ways)) as pool:
            uploads = [pool.submit(upload, path) for path in ways]
            begun.wait()
            with locked(installation):
                goes_on.set()
                process.wait_for(process.errors, "the quota's database cannot be told")
                assert not any(one.done() for one in uploads)
                # Who needs nothing of it is served.
                assert {"sftp"} <= set(other.listdir())
            for one in uploads:
                one.result(PATIENCE)
        assert on_disk(home) == (2 * SIZE, 2)
        usage = {"domain": "user:ada", "size": 2 * SIZE, "files": 2}
        eventually(lambda: told(installation, "quota", "show", "ada") == [usage], "all is counted, once")
    assert told(installation, "quota", "scan", "ada") == [usage]

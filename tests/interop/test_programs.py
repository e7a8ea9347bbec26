"""`conchgo serve` and `conchgo portable` as they are run, and every client once with each."""

from __future__ import annotations

import asyncio
import json
import re
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.checkout import checkout_environment, conchgo
from tests.interop.asyncssh_client import sftp_client
from tests.interop.commands import address, curl, lftp, psftp, rclone, run, scp, sftp
from tests.interop.mount import mounted
from tests.interop.paramiko_client import connected
from tests.interop.service import PASSWORD, USERNAME, Target, check_log
from tests.interop.trees import content
from tests.programs import require_program
from tests.stories.processes import Process, running

CONTENT = content(300_000)


def _by_sftp(target: Target, local: Path) -> None:
    sftp(target, f"put {local}/up /file", f"get /file {local}/down")


def _by_scp(target: Target, local: Path) -> None:
    scp(target, local / "up", address(target, "/file"))
    scp(target, address(target, "/file"), local / "down")


def _by_psftp(target: Target, local: Path) -> None:
    psftp(target, "put up file", "get file down", home=local)


def _by_lftp(target: Target, local: Path) -> None:
    lftp(target, f"put {local}/up -o /file", f"get /file -o {local}/down")


def _by_rclone(target: Target, local: Path) -> None:
    rclone(target, "copyto", local / "up", ":sftp:/file")
    rclone(target, "copyto", ":sftp:/file", local / "down", by_key=False)


def _by_curl(target: Target, local: Path) -> None:
    curl(target, b"file", "-T", local / "up")
    curl(target, b"file", "-o", local / "down", by_key=True)


def _by_sshfs(target: Target, local: Path) -> None:
    with mounted(target, local / "mount") as mount:
        (mount / "file").write_bytes(CONTENT)
        (local / "down").write_bytes((mount / "file").read_bytes())


def _by_paramiko(target: Target, local: Path) -> None:
    with connected(target) as client:
        client.put(str(local / "up"), "/file")
        client.get("/file", str(local / "down"))


def _by_asyncssh(target: Target, local: Path) -> None:
    async def both_ways() -> None:
        async with sftp_client(target) as client:
            await client.put(str(local / "up"), b"/file")
            await client.get(b"/file", str(local / "down"))

    asyncio.run(both_ways())


CLIENTS: dict[str, Callable[[Target, Path], None]] = {
    "sftp": _by_sftp,
    "scp": _by_scp,
    "psftp": _by_psftp,
    "lftp": _by_lftp,
    "rclone": _by_rclone,
    "curl": _by_curl,
    "sshfs": _by_sshfs,
    "paramiko": _by_paramiko,
    "asyncssh": _by_asyncssh,
}


@pytest.fixture
def password_file(tmp_path: Path) -> Path:
    file = tmp_path / "password"
    file.write_text(PASSWORD + "\n")
    return file


@pytest.fixture
def home(tmp_path: Path) -> Path:
    directory = tmp_path / "home"
    directory.mkdir()
    return directory


@pytest.fixture
def portable(tmp_path: Path, home: Path, keys: Path, password_file: Path) -> Iterator[Target]:
    ready = tmp_path / "ready"
    account = ["-u", USERNAME, "--password-file", password_file, "-k", keys / "ed25519.pub", "-g", "*"]
    command = conchgo("portable", "-d", *map(str, [home, *account, "--ready-file", ready]))
    with running(command, tmp_path / "run", env=checkout_environment()) as process:
        told = json.loads(process.wait_for(ready, "}"))
        fingerprint = told["host_keys"][0]["fingerprint"].removeprefix("SHA256:")
        yield Target(port=told["port"], keys=keys, fingerprint=fingerprint)
        _end(process)


@pytest.fixture
def serve(tmp_path: Path, home: Path, keys: Path, password_file: Path) -> Iterator[Target]:
    """The service with its database, to which `conchgo user add` added the user."""
    configuration = tmp_path / "conchgo.toml"
    configuration.write_text(
        '[ssh]\nlisten = ["127.0.0.1:0"]\nalgorithms = "compatible"\n[service]\nstate_directory = "state"\n'
    )
    environment = checkout_environment(CONCHGO_CONFIG=str(configuration))
    account = ["--home-dir", home, "--password-file", password_file, "--public-key", keys / "ed25519.pub"]
    run(conchgo("user", "add", USERNAME, *map(str, account)), env=environment)
    with running(conchgo("serve"), tmp_path / "run", env=environment) as process:
        told = re.search(r"listening on 127\.0\.0\.1:(\d+)", process.wait_for(process.errors, "listening on"))
        assert told is not None
        yield Target(port=int(told[1]), keys=keys, fingerprint=_fingerprint(tmp_path / "state" / "host_keys"))
        _end(process)


def _fingerprint(directory: Path) -> str:
    (key,) = directory.glob("*ed25519*")
    line = run([require_program("ssh-keygen"), "-lf", key]).stdout.decode()
    return line.split()[1].removeprefix("SHA256:")


def _end(process: Process) -> None:
    process.signal(signal.SIGTERM)
    # twistd ends itself by the signal that ended it.
    assert process.wait() in (0, -signal.SIGTERM)
    check_log(process.said())


# curl's libssh2 (before 1.11) needs the compatible algorithms, which `portable` does not have.
@pytest.mark.parametrize("client", [name for name in CLIENTS if name != "curl"])
def test_portable(portable: Target, home: Path, local: Path, client: str) -> None:
    _both_ways(client, portable, home, local)


@pytest.mark.parametrize(
    "client", [name if name == "sftp" else pytest.param(name, marks=pytest.mark.full) for name in CLIENTS]
)
def test_serve(serve: Target, home: Path, local: Path, client: str) -> None:
    _both_ways(client, serve, home, local)


def _both_ways(client: str, target: Target, home: Path, local: Path) -> None:
    (local / "up").write_bytes(CONTENT)
    CLIENTS[client](target, local)
    assert (home / "file").read_bytes() == CONTENT
    assert (local / "down").read_bytes() == CONTENT

"""`conchgo portable`, as a newcomer runs it."""

from __future__ import annotations

import json
import re
import signal
import stat
import subprocess
from pathlib import Path
from typing import Any

import paramiko
import pytest

from tests.checkout import checkout_environment, conchgo
from tests.interop.service import eventually
from tests.stories.processes import Process, running, sftp


@pytest.fixture
def files(tmp_path: Path) -> Path:
    directory = tmp_path / "files"
    (directory / "incoming").mkdir(parents=True)
    (directory / "hello").write_text("hello\n")
    return directory


def portable(files: Path, *arguments: str) -> list[str]:
    return conchgo("portable", "-d", str(files), *arguments)


def ready(process: Process, path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(process.wait_for(path, "}"))
    return found


def put(client: paramiko.SFTPClient, path: str, size: int) -> None:
    with client.open(path, "w") as file:
        file.write(bytes(size))


def test_a_generated_password_is_shown_and_works_for_reading_only(tmp_path: Path, files: Path) -> None:
    ready_file = tmp_path / "ready"
    command = portable(files, "--ready-file", str(ready_file))
    with running(command, tmp_path / "run", env=checkout_environment()) as process:
        where = ready(process, ready_file)
        shown = process.wait_for(process.output, "host key: ssh-rsa")
        assert set(where) == {"address", "port", "host_keys", "pid"}
        assert (where["address"], where["pid"]) == ("127.0.0.1", process.pid)
        assert [key["type"] for key in where["host_keys"]] == ["ssh-ed25519", "ssh-rsa"]
        assert f"sftp -P {where['port']} user@127.0.0.1" in shown
        for key in where["host_keys"]:
            assert key["fingerprint"].startswith("SHA256:")
            assert key["fingerprint"] in shown
        password = re.search(r"^password: (\S+)$", shown, re.MULTILINE)
        assert password is not None
        with sftp(where["port"], "user", password=password[1]) as client:
            assert sorted(client.listdir()) == ["hello", "incoming"]
            assert client.open("/hello").read() == b"hello\n"
            with pytest.raises(PermissionError):
                client.open("/new", "w")
        process.signal(signal.SIGTERM)
        assert process.wait() == 0
        assert process.errors.read_text() == ""
    assert sorted(path.name for path in files.iterdir()) == ["hello", "incoming"]
    assert ready_file.exists()
    assert stat.S_IMODE(ready_file.stat().st_mode) == 0o644


def test_the_line_to_type_is_good_for_ipv6_too(tmp_path: Path, files: Path) -> None:
    command = portable(files, "--address", "::1", "--ready-file", str(tmp_path / "ready"))
    with running(command, tmp_path / "run", env=checkout_environment()) as process:
        where = ready(process, tmp_path / "ready")
        assert where["address"] == "::1"
        assert f"  sftp -P {where['port']} user@[::1]\n" in process.wait_for(process.output, "host key")


def test_a_key_and_permissions_by_directory(tmp_path: Path, files: Path) -> None:
    key = paramiko.ECDSAKey.generate()
    (tmp_path / "key.pub").write_text(f"# mine\n{key.get_name()} {key.get_base64()} me@here\n")
    other = paramiko.ECDSAKey.generate()
    command = portable(
        files,
        *("-u", "mary", "-k", str(tmp_path / "key.pub"), "-k", f"{other.get_name()} {other.get_base64()}"),
        *("-g", "list", "--directory-permissions", "/incoming=*", "--ready-file", str(tmp_path / "ready")),
    )
    with running(command, tmp_path / "run", env=checkout_environment()) as process:
        where = ready(process, tmp_path / "ready")
        assert "password" not in process.wait_for(process.output, "host key")
        with sftp(where["port"], "mary", pkey=key) as client:
            client.mkdir("/incoming/new")
            with pytest.raises(PermissionError):
                client.open("/hello")
        with sftp(where["port"], "mary", pkey=other) as client:
            assert client.listdir("/incoming") == ["new"]
        with pytest.raises(paramiko.SSHException), sftp(where["port"], "mary", password=""):
            pass


def test_further_directories_and_patterns(tmp_path: Path, files: Path) -> None:
    (tmp_path / "music").mkdir()
    (tmp_path / "music" / "song.ogg").write_text("la\n")
    (tmp_path / "music" / "song.exe").touch()
    command = portable(
        files,
        *("-p", "secret", "-g", "*", "--ready-file", str(tmp_path / "ready")),
        *("--virtual-folder", f"/incoming/music={tmp_path}/music", "--denied-patterns", "/incoming::*.exe"),
        *("--allowed-patterns", "/::hello,incoming,*.txt"),
    )
    with (
        running(command, tmp_path / "run", env=checkout_environment()) as process,
        sftp(ready(process, tmp_path / "ready")["port"], "user", password="secret") as client,
    ):
        assert sorted(client.listdir()) == ["hello", "incoming"]
        assert client.open("/incoming/music/song.ogg").read() == b"la\n"
        client.open("/incoming/music/new", "w").close()
        client.open("/a.TXT", "w").close()
        for path in ("/incoming/music/song.exe", "/a.jpg"):
            with pytest.raises(PermissionError):
                client.open(path, "w")
        with pytest.raises(OSError, match="mounted"):
            client.rmdir("/incoming/music")
    assert sorted(path.name for path in (tmp_path / "music").iterdir()) == ["new", "song.exe", "song.ogg"]
    assert list((files / "incoming").iterdir()) == []


def test_uploads_that_are_whole_or_not_there(tmp_path: Path, files: Path) -> None:
    command = portable(
        files,
        *("-p", "secret", "-g", "*", "--ready-file", str(tmp_path / "ready")),
        *("--upload-mode", "atomic", "--max-upload-file-size", "1000"),
    )
    before = (files / "hello").read_bytes()
    with running(command, tmp_path / "run", env=checkout_environment()) as process:
        with sftp(ready(process, tmp_path / "ready")["port"], "user", password="secret") as client:
            upload = client.open("/hello", "w")
            upload.write(bytes(1000))
            assert (files / "hello").read_bytes() == before
            with pytest.raises(OSError, match=r"^quota exceeded: .* 1000 bytes; nothing of the upload is kept$"):
                upload.write(b"x")
            assert client.listdir() == ["hello", "incoming"]
        names = ["hello", "incoming"]
        eventually(lambda: sorted(path.name for path in files.iterdir()) == names, "the temporary is removed")
    assert (files / "hello").read_bytes() == before


def test_quotas_count_what_was_there_and_in_further_directories(tmp_path: Path, files: Path) -> None:
    """Six bytes were there in one file; what does not fit leaves nothing behind."""
    (tmp_path / "more").mkdir()
    command = portable(
        files,
        *("-p", "secret", "-g", "*", "--ready-file", str(tmp_path / "ready"), "--upload-mode", "atomic"),
        *("--quota-size", "100", "--quota-files", "3", "--max-upload-file-size", "90"),
        *("--virtual-folder", f"/more={tmp_path}/more"),
    )
    with (
        running(command, tmp_path / "run", env=checkout_environment()) as process,
        sftp(ready(process, tmp_path / "ready")["port"], "user", password="secret") as client,
    ):
        for path, size in (("/more/large", 91), ("/hello", 101)):
            with pytest.raises(OSError, match="quota exceeded"):
                put(client, path, size)
        assert client.listdir("/more") == []
        assert client.open("/hello").read() == b"hello\n"
        put(client, "/more/large", 90)
        with pytest.raises(OSError, match="quota exceeded"):
            put(client, "/incoming/small", 5)
        put(client, "/incoming/small", 4)
        with pytest.raises(OSError, match="quota exceeded"):
            put(client, "/a-fourth-file", 0)
        client.remove("/more/large")
        put(client, "/incoming/instead", 90)
    assert sum(path.stat().st_size for path in tmp_path.joinpath("files").rglob("*") if path.is_file()) == 100


def test_a_password_on_the_command_line_vanishes_from_the_list_of_processes(tmp_path: Path, files: Path) -> None:
    command = portable(files, "-u", "mary", "--password=my secret", "--ready-file", str(tmp_path / "ready"))
    with running(command, tmp_path / "run", env=checkout_environment()) as process:
        where = ready(process, tmp_path / "ready")
        arguments = Path(f"/proc/{process.pid}/cmdline").read_bytes()
        assert b"secret" not in arguments
        assert b"\0--password=xxxxxxxxx\0--ready-file\0" in arguments
        with sftp(where["port"], "mary", password="my secret") as client:
            assert client.listdir("/incoming") == []
        assert "secret" not in process.said()


def test_a_password_file(tmp_path: Path, files: Path) -> None:
    (tmp_path / "password").write_text("from the file\nnot this\n")
    command = portable(
        files, "--password-file", str(tmp_path / "password"), "-g", "*", "--ready-file", str(tmp_path / "ready")
    )
    with running(command, tmp_path / "run", env=checkout_environment()) as process:
        with sftp(ready(process, tmp_path / "ready")["port"], "user", password="from the file") as client:
            client.remove("/hello")
        process.signal(signal.SIGINT)
        assert process.wait() == 0


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--address", "nowhere"], "conchgo: --address nowhere --sftpd-port 0: "),
        (["--address", "192.0.2.1"], "conchgo: --address 192.0.2.1 --sftpd-port 0: Cannot assign requested address"),
        (["--ready-file", "/no/such/file"], "conchgo: --ready-file /no/such/file: No such file or directory"),
    ],
)
def test_what_prevents_the_start_is_one_line(files: Path, arguments: list[str], line: str) -> None:
    done = subprocess.run(
        portable(files, *arguments), env=checkout_environment(), capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(line)
    assert done.stderr.count("\n") == 1

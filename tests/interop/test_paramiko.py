"""paramiko: pipelined writes, prefetched reads, and its own view of RSA keys."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import paramiko
import pytest

from tests.interop.keys import KEY_TYPES
from tests.interop.paramiko_client import connected
from tests.interop.service import Service
from tests.interop.starter import FAST
from tests.interop.trees import KIB, SIZES, content


def test_files_of_all_sizes_go_both_ways(service: Service, local: Path) -> None:
    with connected(service) as sftp:
        for size in SIZES:
            (local / "up").write_bytes(content(size))
            sftp.put(str(local / "up"), "/file", confirm=True)
            assert (service.home / "file").read_bytes() == content(size)
            sftp.get("/file", str(local / "down"))
            assert (local / "down").read_bytes() == content(size)


def test_reads_and_writes_anywhere(service: Service) -> None:
    with connected(service) as sftp:
        with sftp.open("/file", "w+b") as file:
            file.set_pipelined()
            # Its read() takes the answers to these, and where more than 100 writes are not yet counted as answered, the
            # next write() looks for them again: it waits for ever if an answer happens to be there (paramiko 5.1.0).
            for number in range(90):
                file.write(content(KIB, number))
            file.seek(10 * KIB)
            assert file.read(KIB) == content(KIB, 10)
            file.seek(50 * KIB)
            file.write(b"middle")
            file.flush()
            assert file.stat().st_size == 90 * KIB
            file.truncate(60 * KIB)
        with sftp.open("/file", "ab") as file:
            file.write(b"end")
        whole = b"".join(content(KIB, number) for number in range(60))
        expected = whole[: 50 * KIB] + b"middle" + whole[50 * KIB + 6 :] + b"end"
        assert (service.home / "file").read_bytes() == expected
        with sftp.open("/file", "rb") as file:
            ranges = [(60_000, 10), (0, 5), (61_000, 100_000)]
            assert list(file.readv(ranges)) == [expected[at : at + length] for at, length in ranges]
        with pytest.raises(OSError, match="exists"):
            sftp.open("/file", "wx")


def test_names_are_made_changed_and_removed(service: Service) -> None:
    with connected(service) as sftp:
        sftp.mkdir("/dir", 0o750)
        sftp.open("/dir/old", "w").close()
        sftp.rename("/dir/old", "/dir/file")
        sftp.chmod("/dir/file", 0o600)
        sftp.utime("/dir/file", (1_000_000_000, 1_234_567_890))
        sftp.symlink("file", "/dir/link")
        assert sftp.readlink("/dir/link") == "file"
        assert sftp.normalize("dir/../dir/./link") == "/dir/file"
        assert stat.S_ISLNK(sftp.lstat("/dir/link").st_mode)
        found = sftp.stat("/dir/link")
        assert (found.st_mode & 0o777, found.st_atime, found.st_mtime) == (0o600, 1_000_000_000, 1_234_567_890)
        assert {entry.filename for entry in sftp.listdir_attr("/dir")} == {"file", "link"}
        sftp.remove("/dir/link")
        sftp.remove("/dir/file")
        sftp.rmdir("/dir")
        assert sftp.listdir("/") == []


def test_rename_over_an_existing_target(service: Service) -> None:
    """RENAME never replaces; posix-rename@openssh.com does, on the fast path, which alone has it."""
    (service.home / "old").write_text("old")
    (service.home / "new").write_text("new")
    with connected(service) as sftp:
        with pytest.raises(OSError, match="exists"):
            sftp.rename("/old", "/new")
        assert (service.home / "new").read_text() == "new"
        if service.path == FAST:
            sftp.posix_rename("/old", "/new")
            assert (service.home / "new").read_text() == "old"
        else:
            with pytest.raises(OSError, match="unsupported"):
                sftp.posix_rename("/old", "/new")


def test_names_that_are_no_text(service: Service) -> None:
    with connected(service) as sftp:
        for name in (b"\xff\xfe", b"back\\slash", b"new\nline"):
            with sftp.open(b"/" + name, "w") as file:  # type: ignore[arg-type]
                file.write(name)
            assert (Path(os.fsdecode(service.home)) / os.fsdecode(name)).read_bytes() == name


def test_ten_thousand_entries_are_listed(full_service: Service) -> None:
    with connected(full_service) as sftp:
        assert set(sftp.listdir("/")) == set(os.listdir(full_service.home))
        assert {entry.filename for entry in sftp.listdir_iter("/")} == set(os.listdir(full_service.home))


@pytest.mark.parametrize("key", KEY_TYPES)
def test_a_key_of_each_type_logs_in(fast_service: Service, key: str) -> None:
    with connected(fast_service, key_filename=str(fast_service.keys / key)) as sftp:
        assert sftp.listdir("/") == []


def test_a_wrong_password_and_an_unknown_user_look_the_same(fast_service: Service) -> None:
    texts = set()
    for username, password in (("alice", "wrong"), ("nobody", "secret"), ("alice", "x" * 100_000), ("alice", "")):
        fast_service.username = username
        with pytest.raises(paramiko.AuthenticationException) as refusal, connected(fast_service, password=password):
            pass
        texts.add(str(refusal.value))
    assert len(texts) == 1

"""curl (libssh2), one file a time, names by percent encoding."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.interop.commands import curl
from tests.interop.service import Service
from tests.interop.trees import BYTE_NAMES, KIB, SIZES, TEXT_NAMES, content


@pytest.fixture
def ssh() -> dict[str, str]:
    """libssh2 before 1.11 knows neither AEAD ciphers nor encrypt-then-MAC."""
    return {"algorithms": "compatible"}


def test_files_of_all_sizes_go_both_ways(service: Service, local: Path) -> None:
    for size in SIZES:
        data = content(size)
        (local / "up").write_bytes(data)
        curl(service, b"file", "-T", local / "up")
        assert (service.home / "file").read_bytes() == data
        curl(service, b"file", "-o", local / "down")
        assert (local / "down").read_bytes() == data


def test_names_are_bytes(service: Service, local: Path) -> None:
    for name in TEXT_NAMES + BYTE_NAMES:
        (local / "up").write_bytes(name)
        curl(service, name, "-T", local / "up")
        assert curl(service, name) == name
    assert set(os.listdir(os.fsencode(service.home))) == set(TEXT_NAMES + BYTE_NAMES)


def test_directories_are_made_on_the_way(service: Service, local: Path) -> None:
    (local / "up").write_bytes(b"content")
    curl(service, b"a/b/c/file", "-T", local / "up", "--ftp-create-dirs")
    assert (service.home / "a" / "b" / "c" / "file").read_bytes() == b"content"


def test_transfers_are_resumed(service: Service, local: Path) -> None:
    whole = content(300 * KIB)
    (local / "up").write_bytes(whole)
    (service.home / "up").write_bytes(whole[: 100 * KIB])
    (service.home / "down").write_bytes(whole)
    (local / "down").write_bytes(whole[: 100 * KIB])
    curl(service, b"up", "-C", "-", "-T", local / "up")
    curl(service, b"down", "-C", "-", "-o", local / "down")
    assert (service.home / "up").read_bytes() == whole
    assert (local / "down").read_bytes() == whole


def test_a_part_of_a_file_and_an_append(service: Service, local: Path) -> None:
    (service.home / "file").write_bytes(content(300 * KIB))
    assert curl(service, b"file", "-r", "100000-300000") == content(300 * KIB)[100_000:300_001]
    (local / "more").write_bytes(b"more")
    curl(service, b"file", "-T", local / "more", "--append")
    assert (service.home / "file").read_bytes() == content(300 * KIB) + b"more"


def test_ten_thousand_entries_are_listed(full_service: Service) -> None:
    listed = curl(full_service, b"", "--list-only").splitlines()
    assert set(listed) - {b".", b".."} == set(os.listdir(os.fsencode(full_service.home)))


def test_quotes_change_names(service: Service) -> None:
    (service.home / "old").write_bytes(b"content")
    quotes = ["mkdir /dir", "rename /old /dir/new", "chmod 600 /dir/new", "symlink new /dir/link", "pwd"]
    curl(service, b"", *(part for line in quotes for part in ("-Q", line)), "--list-only")
    assert (service.home / "dir" / "new").stat().st_mode & 0o777 == 0o600
    assert curl(service, b"dir/link") == b"content"
    quotes = ["rm /dir/link", "rm /dir/new", "rmdir /dir"]
    curl(service, b"", *(part for line in quotes for part in ("-Q", line)), "--list-only")
    assert os.listdir(service.home) == []


def test_a_key_logs_in(fast_service: Service) -> None:
    (fast_service.home / "file").write_bytes(b"content")
    assert curl(fast_service, b"file", by_key=True) == b"content"


@pytest.mark.parametrize(("name", "status"), [(b"missing", 78), (b"directory", 79)])
def test_what_is_wrong_is_said(fast_service: Service, name: bytes, status: int) -> None:
    (fast_service.home / "directory").mkdir()
    curl(fast_service, name, status=status)

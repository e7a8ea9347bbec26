"""Files of which the page cache holds every other part: what is read must be whole, whoever reads and how much at once.

A short reply in the middle of a file is what psftp, curl and rclone bear badly, each in its own way.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import asyncssh
import pytest

from conchgo.storage.residence import Residence, residence
from tests.interop.asyncssh_client import in_loop, sftp_client
from tests.interop.commands import curl, psftp, rclone, sftp
from tests.interop.service import Servers, Service
from tests.interop.starter import FAST, GENERIC
from tests.interop.trees import KIB, content

SIZE = 2 * KIB * KIB + 12_345
#: What is cached, and what is not, by turns: smaller than a READ of 255 KiB, so that each meets both.
PART = 92 * KIB


def _psftp(service: Service, local: Path) -> None:
    psftp(service, "get file back", home=local)


def _curl(service: Service, local: Path) -> None:
    curl(service, b"file", "-o", local / "back")


def _rclone(service: Service, local: Path) -> None:
    rclone(service, "copyto", "--sftp-chunk-size", "255Ki", ":sftp:/file", local / "back")


def _sftp(service: Service, local: Path) -> None:
    sftp(service, f"get /file {local}/back", options=["-B", str(255 * KIB)])


CLIENTS = [_psftp, _curl, _rclone, _sftp]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A directory that is not in memory."""
    for place in (str(tmp_path), "/var/tmp", os.getcwd()):
        if os.access(place, os.W_OK) and _residence_of(place) is not Residence.MEMORY:
            directory = tempfile.mkdtemp(dir=place)
            yield Path(directory)
            shutil.rmtree(directory)
            return
    pytest.skip("all file systems here are in memory")


def _residence_of(place: str) -> Residence:
    directory = os.open(place, os.O_RDONLY)
    try:
        return residence(directory)
    finally:
        os.close(directory)


@pytest.fixture(params=[FAST, GENERIC])
def half_cached(request: pytest.FixtureRequest, servers: Servers, disk: Path) -> Service:
    # curl on Debian 12 knows neither AEAD ciphers nor encrypt-then-MAC.
    service = servers.start(
        servers.user(home_dir=str(disk)), path=request.param, ssh={"algorithms": "compatible", "rekey_bytes": 2**30}
    )
    (disk / "file").write_bytes(content(SIZE))
    return service


def keep_every_other_part(path: Path) -> None:
    with path.open("r+b") as file:
        os.fsync(file.fileno())
        # All of it first: what is written at once is cached in large pieces, dropped whole or not at all.
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_RANDOM)
        for start in range(PART, SIZE, 2 * PART):
            os.pread(file.fileno(), PART, start)
    resident = _resident(path)
    pages = PART // mmap.PAGESIZE
    parts = [set(resident[at : at + pages]) for at in range(0, len(resident), pages)]
    if {True} in parts[::2]:
        pytest.skip("this file system does not forget what it has cached")
    assert parts == [{index % 2 == 1} for index in range(len(parts))]


def _resident(path: Path) -> list[bool]:
    """Of each page, whether it is in the page cache: mincore(2), which does not read what is not there."""
    with path.open("r+b") as file, mmap.mmap(file.fileno(), 0) as mapped:
        start = ctypes.c_char.from_buffer(mapped)
        pages = (ctypes.c_ubyte * -(-len(mapped) // mmap.PAGESIZE))()
        libc = ctypes.CDLL(None, use_errno=True)
        failed = libc.mincore(ctypes.byref(start), ctypes.c_size_t(len(mapped)), pages)
        del start
    assert not failed, os.strerror(ctypes.get_errno())
    return [bool(page & 1) for page in pages]


@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.__name__.strip("_"))
def test_a_half_cached_file_arrives_whole(
    half_cached: Service, local: Path, client: Callable[[Service, Path], None]
) -> None:
    keep_every_other_part(half_cached.home / "file")
    client(half_cached, local)
    assert (local / "back").read_bytes() == content(SIZE)


@in_loop
async def test_a_read_of_255_kib_is_answered_in_full_wherever_it_begins(half_cached: Service) -> None:
    keep_every_other_part(half_cached.home / "file")
    whole = content(SIZE)
    async with sftp_client(half_cached) as sftp:
        file = await sftp.open(b"/file", "rb", block_size=0)
        handler, handle = file._handler, file._handle
        for offset in range(0, SIZE, 255 * KIB + 1):
            found, _ = await handler.read(handle, offset, 255 * KIB)
            assert bytes(found) == whole[offset : offset + 255 * KIB], offset
        with pytest.raises(asyncssh.SFTPEOFError):
            await handler.read(handle, SIZE, 255 * KIB)

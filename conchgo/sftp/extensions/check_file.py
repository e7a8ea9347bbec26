"""check-file: hashes of a file or of parts of it, without a way to the client.

draft-ietf-secsh-filexfer-09, section 9.1.2, by handle and by name; `check-file` is the name of an older draft, which
paramiko uses. Blocks may be hashed one by one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final, cast

from twisted.internet.defer import Deferred, ensureDeferred

from conchgo.errors import Cancelled, InvalidArgument, Unsupported
from conchgo.sftp import codec
from conchgo.sftp import constants as c
from conchgo.sftp.codec import Reader
from conchgo.sftp.filesystem_server import FilesystemServer, OpenedFile, awaited
from conchgo.sftp.rows import Handles, Row, extended
from conchgo.vfs.hashing import HASHES, STEP, Hash
from conchgo.vfs.interface import Attributes

#: As the draft has it: what smaller blocks would tell is nearly the content.
_SMALLEST_BLOCK: Final = 256
#: Bytes of hashes that one reply may hold.
_MOST: Final = 192 * 1024


def _parse(reader: Reader) -> tuple[Any, ...]:
    what, algorithms = reader.string(), reader.string()
    return what, algorithms, reader.uint64(), reader.uint64(), reader.uint32()


def _by_handle(
    server: FilesystemServer, file: OpenedFile, algorithms: bytes, offset: int, length: int, block: int
) -> Deferred[bytes]:
    return ensureDeferred(_hashes(server, file, algorithms, offset, length, block))


def _by_name(
    server: FilesystemServer, path: bytes, algorithms: bytes, offset: int, length: int, block: int
) -> Deferred[bytes]:
    async def opened() -> bytes:
        file = cast(OpenedFile, await awaited(server.open(path, c.FXF_READ, Attributes())))
        try:
            return await _hashes(server, file, algorithms, offset, length, block)
        finally:
            await awaited(file.close())

    return ensureDeferred(opened())


async def _hashes(
    server: FilesystemServer, file: OpenedFile, algorithms: bytes, offset: int, length: int, block: int
) -> bytes:
    """The reply's body.

    Raises:
        Unsupported: none of the algorithms (names with commas between) is known.
        InvalidArgument: blocks of less than 256 bytes, or so many of them that no packet holds their hashes; or what
            is asked begins behind the end of the file.
        Cancelled: the client is gone.
    """
    name, make = _chosen(algorithms)
    size = (await awaited(file.found())).size
    if offset > size or (0 < block < _SMALLEST_BLOCK):
        raise InvalidArgument(f"blocks have at least {_SMALLEST_BLOCK} bytes, and the file has {size}")
    end = min(offset + length, size) if length else size
    block = block or max(end - offset, 1)
    if -(-(end - offset) // block) * len(make().digest()) > _MOST:
        raise InvalidArgument("too many blocks for one reply: ask for larger ones")
    hashes: list[bytes] = []
    while offset < end or not hashes:
        hashes.append(await _hash(server, file, make(), offset, min(block, end - offset)))
        offset += block
    return codec.string(b"check-file") + codec.string(name) + b"".join(hashes)


def _chosen(algorithms: bytes) -> tuple[bytes, Callable[[], Hash]]:
    for name in algorithms.split(b","):
        make = HASHES.get(name.decode("latin-1"))
        if make is not None:
            return name, make
    raise Unsupported("none of these hash algorithms is known here")


async def _hash(server: FilesystemServer, file: OpenedFile, digest: Hash, offset: int, length: int) -> bytes:
    done = 0
    while done < length:
        if server.cancelled:
            raise Cancelled
        step = await file.hash_part(digest, offset + done, min(STEP, length - done))
        if not step:
            break
        done += step
    return digest.digest()


CHECK_FILE: Final = Row("check-file", _parse, _by_handle, extended, Handles.FILE, needs=("download",), version=b"1")
CHECK_FILE_HANDLE: Final = replace(CHECK_FILE, name="check-file-handle")
CHECK_FILE_NAME: Final = Row("check-file-name", _parse, _by_name, extended, needs=("download",), version=b"1")

"""copy-data: from one open file to another, without a way through the client.

draft-ietf-secsh-filexfer-extensions-00, section 7, as OpenSSH serves it (PROTOCOL, 4.10).
"""

from __future__ import annotations

from typing import Any, Final

from twisted.internet.defer import Deferred, ensureDeferred

from conchgo.errors import Cancelled, InvalidArgument
from conchgo.sftp import constants as c
from conchgo.sftp.codec import Reader
from conchgo.sftp.filesystem_server import FilesystemServer, OpenedFile, awaited
from conchgo.sftp.rows import Handles, Row, ok

#: Bytes of one step: each waits for its turn like a READ and a WRITE, so others are served in between.
_STEP: Final = 1024 * 1024


def _parse(reader: Reader) -> tuple[Any, ...]:
    source, offset, length = reader.string(), reader.uint64(), reader.uint64()
    return source, reader.string(), offset, length, reader.uint64()


def _copy(
    server: FilesystemServer, source: OpenedFile, target: OpenedFile, offset: int, length: int, to: int
) -> Deferred[None]:
    """`length` 0 means to the end of the file.

    Raises:
        EOFError: the file ends before `length` bytes; those that were there are copied.
        InvalidArgument: the ranges are of one handle and overlap, or end behind what a file can hold.
        Cancelled: the client is gone.
    """
    return ensureDeferred(_steps(server, source, target, offset, length, to))


async def _steps(
    server: FilesystemServer, source: OpenedFile, target: OpenedFile, offset: int, length: int, to: int
) -> None:
    # The end as it is now: two handles may be of one file, and a copy that feeds itself would never end.
    there = max(0, (await awaited(source.found())).size - offset)
    span = min(length or there, there)
    if to + span > c.MAX_OFFSET:
        raise InvalidArgument("the range is larger than a file can be")
    if source is target and offset < to + span and to < offset + span:
        raise InvalidArgument("source and target overlap")
    copied = 0
    while copied < span:
        if server.cancelled:
            raise Cancelled
        step = await awaited(source.copy_to(target, offset + copied, min(_STEP, span - copied), to + copied))
        if not step:
            break
        copied += step
    if copied < length:
        raise EOFError


COPY_DATA: Final = Row(
    "copy-data",
    _parse,
    _copy,
    ok,
    Handles.TWO_FILES,
    writes=True,
    needs=("download", "upload", "overwrite"),
    version=b"1",
)

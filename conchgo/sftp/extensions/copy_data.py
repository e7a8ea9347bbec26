"""copy-data: from one open file to another, without a way through the client.

draft-ietf-secsh-filexfer-extensions-00, section 7, as OpenSSH serves it (PROTOCOL, 4.10).
"""

from __future__ import annotations

from typing import Any, Final

from twisted.internet.defer import Deferred, ensureDeferred

from conchgo.errors import InvalidArgument
from conchgo.sftp.codec import Reader
from conchgo.sftp.requests import Handles, Row, ok
from conchgo.sftp.server import Maybe, ServedFile, Server

#: Bytes of one step: each waits for its turn like a READ and a WRITE, so others are served in between.
_STEP: Final = 1024 * 1024


def _parse(reader: Reader) -> tuple[Any, ...]:
    source, offset, length = reader.string(), reader.uint64(), reader.uint64()
    return source, reader.string(), offset, length, reader.uint64()


def _copy(_: Server, source: ServedFile, target: ServedFile, offset: int, length: int, to: int) -> Deferred[None]:
    """`length` 0 means to the end of the file.

    Raises:
        InvalidArgument: the ranges are of one handle and overlap, or end behind what a file can hold.
    """
    span = length or 2**63 - max(offset, to) - 1
    if max(offset, to) + span > 2**63 - 1:
        raise InvalidArgument("the range is larger than a file can be")
    if source is target and offset < to + span and to < offset + span:
        raise InvalidArgument("source and target overlap")
    return ensureDeferred(_steps(source, target, offset, span, to))


async def _steps(source: ServedFile, target: ServedFile, offset: int, length: int, to: int) -> None:
    copied = 0
    while copied < length:
        data = await _awaited(source.read(offset + copied, min(_STEP, length - copied)))
        if not data:
            return
        await _awaited(target.write(to + copied, data))
        copied += len(data)


async def _awaited(result: Maybe[Any]) -> Any:
    return await result if isinstance(result, Deferred) else result


COPY_DATA: Final = Row(
    "copy-data", _parse, _copy, ok, Handles.TWO_FILES, writes=True, needs=("download", "upload"), version=b"1"
)

"""conchgo-copy and conchgo-remove: a file, or a directory with all that is in it, without a way to the client."""

from __future__ import annotations

import os
import time
from argparse import Namespace
from typing import Final, Protocol

from conchgo.commands.command import FAILED, OK, Call, Command, UsageError
from conchgo.commands.files import Steps, names_directory
from conchgo.commands.options import Options
from conchgo.errors import Cancelled, ConchgoError, IsADirectory
from conchgo.paths import VirtualPath, escaped
from conchgo.vfs.copying import TreeCopy
from conchgo.vfs.interface import FileStat, Filesystem, Kind
from conchgo.vfs.removing import Removal

#: Seconds from one line of progress to the next.
_PROGRESS: Final = 0.5
#: Failures that are told one by one.
_MOST_TOLD: Final = 100


class _TreeWork(Steps, Protocol):
    """Work on a tree."""

    failures: list[tuple[VirtualPath, ConchgoError]]

    @property
    def done(self) -> str:
        """What was done so far."""
        ...


async def _done(call: Call, work: _TreeWork) -> int:
    """Work to the end, and tell what fails; the count of that."""
    failed = 0
    shown_at = time.monotonic()
    while True:
        more = await call.files.some(work)
        if time.monotonic() - shown_at >= _PROGRESS:
            shown_at = time.monotonic()
            call.console.progress(work.done)
        for path, error in work.failures:
            failed += 1
            if failed <= _MOST_TOLD:
                call.console.error(f"{call.name}: {path}: {error.text}")
        work.failures.clear()
        if not more:
            call.console.progress("")
            return failed
        # A client that takes no output still wants the work done; one that left does not.
        if call.console.gone:
            return failed


async def _remove(call: Call) -> int:
    (text,) = _words(call, 1)
    path = call.files.path(text)
    work = Removal(call.files.filesystem, path)
    try:
        failed = await _done(call, work)
    except Cancelled:
        raise
    except ConchgoError as error:
        return _complain(call, text, error)
    return await _sum_up(call, work.done, failed)


async def _copy(call: Call) -> int:
    source_text, target_text = _words(call, 2)
    source, target = call.files.path(source_text), call.files.path(target_text)
    try:
        target = await call.files.hop(_target, call.files.filesystem, source_text, source, target_text, target)
        work = TreeCopy(call.files.filesystem, source, target)
        try:
            failed = await _done(call, work)
        finally:
            await call.files.finish(work.close)
    except Cancelled:
        raise
    except ConchgoError as error:
        return _complain(call, f"{source_text} to {target_text}", error)
    return await _sum_up(call, work.done, failed)


def _target(
    files: Filesystem, source_text: str, source: VirtualPath, target_text: str, target: VirtualPath
) -> VirtualPath:
    """What is meant by the target: a directory that is there is copied into, unless the source ends with a slash."""
    there: FileStat | None = files.peek(target)
    is_directory = there is not None and there.kind is Kind.DIRECTORY
    if names_directory(target_text) or (is_directory and not names_directory(source_text)):
        return target / source.name if source.parts else target
    if is_directory and files.lstat(source).kind is not Kind.DIRECTORY:
        raise IsADirectory("the target is a directory")
    return target


def _words(call: Call, count: int) -> list[str]:
    options: Namespace = _OPTIONS.read(call.arguments)
    words: list[str] = options.operands
    if len(words) != count or not all(words):
        raise UsageError(f"{count} path{'s are' if count > 1 else ' is'} wanted")
    return words


def _complain(call: Call, what: str, error: ConchgoError) -> int:
    call.console.error(f"{call.name}: {escaped(os.fsencode(what))}: {error.text}")
    return FAILED


async def _sum_up(call: Call, done: str, failed: int) -> int:
    """One line, as this command's callers have it from elsewhere where all went well."""
    if failed:
        call.console.error(f"{call.name}: {done}; {failed} could not be")
        return FAILED
    await call.console.write(b"OK\n")
    return OK


_OPTIONS: Final = Options()

_COPY: Final = ("SOURCE TARGET", "copy a file or a directory, here on the server", ("copy", "download", "upload"), True)
_REMOVE: Final = ("PATH", "remove a file or a directory with all that is in it", ("delete",), True)

COMMANDS: Final = (
    Command("conchgo-copy", *_COPY, False, _copy),
    Command("sftpgo-copy", *_COPY, False, _copy),
    Command("conchgo-remove", *_REMOVE, False, _remove),
    Command("sftpgo-remove", *_REMOVE, False, _remove),
)

"""md5sum and its like: hashes of files and of standard input, printed and checked as coreutils does."""

from __future__ import annotations

import os
from argparse import Namespace
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from functools import partial
from typing import Final

from conchgo.commands import checksum_lines
from conchgo.commands.command import FAILED, OK, Call, Command, UsageError
from conchgo.commands.options import Options
from conchgo.edge.console import MAX_LINE, Console
from conchgo.edge.pieces import Pieces
from conchgo.errors import Cancelled, ConchgoError, InvalidArgument, NotFound
from conchgo.paths import escaped
from conchgo.vfs.hashing import HASHES, STEP, Hash, hash_part
from conchgo.vfs.interface import OpenOptions

_INPUT: Final = "-"
_READ: Final = OpenOptions(read=True)
_PIECE: Final = 1024 * 1024
#: Bytes that are hashed at once; MD5 and SHA-512 take 0.2 ms for them.
_LITTLE: Final = 16 * 1024
#: Lines of a check file that are read before others get their turn.
_TURN: Final = 64

_SYNOPSIS: Final = "[-btz] [--tag] [FILE ...] | -c [-w] [--quiet] [--status] [--strict] [--ignore-missing] [FILE ...]"

#: Name of the command, of its hash, and (as `--tag` prints it) of the algorithm.
_ALGORITHMS: Final = (
    ("md5sum", "md5", "MD5"),
    ("sha1sum", "sha1", "SHA1"),
    ("sha224sum", "sha224", "SHA224"),
    ("sha256sum", "sha256", "SHA256"),
    ("sha384sum", "sha384", "SHA384"),
    ("sha512sum", "sha512", "SHA512"),
    ("b2sum", "b2", "BLAKE2b"),
    ("xxh128sum", "xxh128", "XXH128"),
    ("crc32", "crc32", "CRC32"),
)
_FOR_PRINTING: Final = ("binary", "text", "zero", "tag")
_FOR_CHECKING: Final = ("quiet", "status", "strict", "warn", "ignore_missing")
_DEFAULT: Final = frozenset({"md5sum", "sha1sum", "sha256sum"})


def _options() -> Options:
    options = Options()
    for names in (
        ("-b", "--binary"),
        ("-t", "--text"),
        ("-c", "--check"),
        ("-z", "--zero"),
        ("--tag",),
        ("--quiet",),
        ("--status",),
        ("--strict",),
        ("-w", "--warn"),
        ("--ignore-missing",),
    ):
        options.flag(*names)
    return options


class _Checksum:
    """One call of one of the commands."""

    def __init__(self, call: Call, make: Callable[[], Hash], tag: str) -> None:
        self._call = call
        self._console: Console = call.console
        self._make = make
        self._tag = tag
        self._parser = checksum_lines.Parser(tag, 2 * len(make().digest()))
        self._failed = False

    async def print(self, options: Namespace) -> int:
        for name in options.operands or [_INPUT]:
            try:
                digest = await self._digest(name)
            except Cancelled:
                raise
            except ConchgoError as error:
                self._complain(name, error.text)
                continue
            tag = self._tag if options.tag else None
            await self._console.write(
                checksum_lines.line(digest, name, binary=options.binary, tag=tag, zero=options.zero)
            )
        return FAILED if self._failed else OK

    async def check(self, options: Namespace) -> int:
        for name in options.operands or [_INPUT]:
            try:
                await self._check_one(name, options)
            except Cancelled:
                raise
            except ConchgoError as error:
                self._complain(name, error.text)
        return FAILED if self._failed else OK

    async def _check_one(self, source: str, options: Namespace) -> None:
        """Compare what one check file says."""
        counts = {"good": 0, "bad": 0, "unreadable": 0, "malformed": 0}
        number = 0
        # Closed here, not by the garbage collector, which waits for nothing.
        async with aclosing(self._lines(source)) as lines:
            async for text in lines:
                number += 1
                if number % _TURN == 0:
                    await self._call.files.give_way()
                # Complaints wait for nobody: who does not read them is asked for no more lines.
                await self._console.writable()
                if text and not text.startswith(b"#"):
                    await self._check_line(text, f"{source}: {number}", counts, options)
        self._sum_up(source, counts, options)

    async def _check_line(self, text: bytes, place: str, counts: dict[str, int], options: Namespace) -> None:
        expected = self._parser.line(text)
        if expected is None:
            counts["malformed"] += 1
            if options.warn:
                self._complain(place, f"improperly formatted {self._tag} checksum line", fail=False)
            return
        outcome, word = await self._compared(expected, options)
        if outcome is None:
            return
        counts[outcome] += 1
        if not options.status and not (outcome == "good" and options.quiet):
            await self._console.write(checksum_lines.outcome(expected.name, word))

    async def _compared(self, expected: checksum_lines.Line, options: Namespace) -> tuple[str | None, str]:
        try:
            digest = await self._digest(expected.name)
        except NotFound as error:
            if options.ignore_missing:
                return None, ""
            self._complain(expected.name, error.text)
            return "unreadable", "FAILED open or read"
        except Cancelled:
            raise
        except ConchgoError as error:
            self._complain(expected.name, error.text)
            return "unreadable", "FAILED open or read"
        return ("good", "OK") if digest == expected.digest else ("bad", "FAILED")

    def _sum_up(self, source: str, counts: dict[str, int], options: Namespace) -> None:
        if counts["good"] + counts["bad"] + counts["unreadable"] == 0 and not options.ignore_missing:
            self._complain(source, f"no properly formatted {self._tag} checksum lines found")
            return
        if options.ignore_missing and counts["good"] + counts["bad"] + counts["unreadable"] == 0:
            self._complain(source, "no file was verified")
        self._failed |= bool(counts["bad"] or counts["unreadable"] or (options.strict and counts["malformed"]))
        if options.status:
            return
        for kind, text in _WARNINGS.items():
            if counts[kind]:
                self._console.error(f"{self._call.name}: WARNING: {counts[kind]} {text}")

    async def _digest(self, name: str) -> str:
        return await (self._digest_of_input() if name == _INPUT else self._digest_of_file(name))

    async def _digest_of_file(self, name: str) -> str:
        files, digest = self._call.files, self._make()
        path = files.path(name)
        file = await files.do(lambda filesystem: filesystem.open(path, _READ))
        offset = 0
        try:
            while await files.hop(hash_part, file, digest, offset, STEP) == STEP:
                offset += STEP
        finally:
            await files.close(file)
        return digest.hexdigest()

    async def _digest_of_input(self) -> str:
        digest = self._make()
        while data := await self._console.read(_PIECE):
            if len(data) > _LITTLE:
                await self._call.files.hop(_update, digest, data)
            else:
                _update(digest, data)
        return digest.hexdigest()

    async def _lines(self, source: str) -> AsyncGenerator[bytes, None]:
        """The lines of a check file; the last may lack its end. Raises InvalidArgument where one is too long."""
        left = b""
        async with aclosing(self._input_chunks() if source == _INPUT else self._file_chunks(source)) as chunks:
            async for chunk in chunks:
                *lines, left = (left + chunk).split(b"\n")
                for line in lines:
                    yield line
                if len(left) > MAX_LINE:
                    raise InvalidArgument(f"a line is longer than {MAX_LINE} bytes")
        if left:
            yield left

    async def _input_chunks(self) -> AsyncGenerator[bytes, None]:
        while data := await self._console.read(MAX_LINE):
            yield bytes(data)

    async def _file_chunks(self, name: str) -> AsyncGenerator[bytes, None]:
        files = self._call.files
        path = files.path(name)
        file = await files.do(lambda filesystem: filesystem.open(path, _READ))
        offset = 0
        try:
            while chunk := await files.hop(file.pread, MAX_LINE, offset):
                offset += len(chunk)
                yield chunk
        finally:
            await files.close(file)

    def _complain(self, name: str, reason: str, *, fail: bool = True) -> None:
        self._failed |= fail
        self._console.error(f"{self._call.name}: {_shown(name)}: {reason}")


#: What the count of something amiss is followed by.
_WARNINGS: Final = {
    "malformed": "improperly formatted line(s)",
    "unreadable": "listed file(s) could not be read",
    "bad": "computed checksum(s) did NOT match",
}


def _update(digest: Hash, data: Pieces) -> None:
    for view in data.views:
        digest.update(view)


def _shown(name: str) -> str:
    """A name on one line of a terminal."""
    return escaped(os.fsencode(name))


async def _run(call: Call, *, digest: str, tag: str) -> int:
    options = _OPTIONS.read(call.arguments)
    for name in _FOR_PRINTING if options.check else _FOR_CHECKING:
        if getattr(options, name):
            wanted = "without" if options.check else "with"
            raise UsageError(f"--{name.replace('_', '-')} makes sense {wanted} --check only")
    checksum = _Checksum(call, HASHES[digest], tag)
    return await (checksum.check(options) if options.check else checksum.print(options))


_OPTIONS: Final = _options()

COMMANDS: Final = tuple(
    Command(
        name,
        _SYNOPSIS,
        f"print {tag} checksums of files (or of standard input), or check them",
        ("download",),
        False,
        name in _DEFAULT,
        partial(_run, digest=digest, tag=tag),
    )
    for name, digest, tag in _ALGORITHMS
)

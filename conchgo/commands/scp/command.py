"""scp -t and scp -f: what an scp at the client's end starts here."""

from __future__ import annotations

from argparse import Namespace
from typing import Final

from conchgo.commands.command import FAILED, OK, Call, Command, UsageError
from conchgo.commands.files import names_directory
from conchgo.commands.options import Options
from conchgo.commands.scp import messages
from conchgo.commands.scp.peer import Fatal, Peer
from conchgo.commands.scp.sink import Sink
from conchgo.commands.scp.source import Source
from conchgo.errors import ConchgoError


def _options() -> Options:
    options = Options()
    for letter in "tfrpdvqC12346B":
        options.flag(f"-{letter}")
    options.add_argument("-l", type=int, nargs="?")
    return options


async def _run(call: Call) -> int:
    options = _OPTIONS.read(call.arguments)
    if options.t == options.f or not options.operands or (options.t and len(options.operands) > 1):
        raise UsageError("this end of scp is started by another scp, with -t or -f")
    peer = Peer(call.console)
    try:
        await (_take(call, peer, options) if options.t else _send(call, peer, options))
    except Fatal as fatal:
        return await _ended(call, fatal.text)
    except ConchgoError as error:
        return await _ended(call, error.text)
    return FAILED if peer.failed else OK


async def _take(call: Call, peer: Peer, options: Namespace) -> None:
    (text,) = options.operands
    sink = Sink(peer, call.files, call.files.path(text), recursive=options.r, preserve=options.p)
    await sink.run(directory=options.d or names_directory(text))


async def _send(call: Call, peer: Peer, options: Namespace) -> None:
    source = Source(peer, call.files, call.owner, recursive=options.r, preserve=options.p)
    await peer.answer()
    for pattern in _OPTIONS.read(call.patterns).operands:
        for path in await call.files.expanded(pattern):
            await source.send(path)


async def _ended(call: Call, text: str | None) -> int:
    if text is not None:
        await call.console.write(messages.answer(messages.ERROR, text))
    return FAILED


_OPTIONS: Final = _options()

COMMAND: Final = Command(
    "scp", "-t|-f [-rpd] PATH ...", "the far end of scp -O", ("download", "upload"), True, True, _run
)

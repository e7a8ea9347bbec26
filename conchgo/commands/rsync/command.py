"""rsync --server: what an rsync at the client's end starts here."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Sequence
from typing import Final

from conchgo.commands.command import Call, Command
from conchgo.commands.programs import exit_status, placed, required
from conchgo.commands.rsync import policy
from conchgo.commands.rsync.aim import Aim, aimed, needs_name, word
from conchgo.commands.rsync.bridge import Bridge
from conchgo.commands.rsync.filters import filter_rules
from conchgo.commands.rsync.grammar import Request, parse, secluded_words
from conchgo.commands.rsync.module import Module, unused_name
from conchgo.commands.rsync.reports import Reports
from conchgo.errors import InvalidArgument
from conchgo.paths import VirtualPath
from conchgo.processes.boxes import EVENTS
from conchgo.processes.interface import Access, Job, Place
from conchgo.processes.system import Lease, Processes

#: Bytes of arguments that come in the input.
_MOST: Final = 1024 * 1024
_PIECE: Final = 4096
#: What a path in a box begins with where the program knows its own directory only.
_HERE: Final = b"."
_CONFIGURATION: Final = b"rsyncd.conf"
_RULES: Final = b"rsync-rules"

#: Where rsync finds a path, within its module.
_At = Callable[[VirtualPath], bytes]


async def _run(call: Call) -> int:
    processes = required(call)
    request, patterns, early = await _request(call)
    access = policy.access_of(request)
    aim = await call.files.hop(aimed, call.files.filesystem, request, await _found(call, request, patterns))
    place = await _placed(call, aim, access)
    lease: Lease | None = None
    try:
        verbs = policy.least_verbs(place.permissions, place.binds[0].at, access)
        policy.check(request, aim, place, verbs)
        if access is Access.WRITE:
            lease = await processes.lease(place)
        job, wire = await _prepared(call, request, aim, place, verbs, lease, early)
        ending = await processes.run(job, call.console, wire, lease)
    finally:
        await processes.finish(place, lease)
    return exit_status(call, ending)


async def _request(call: Call) -> tuple[Request, Sequence[str], bytes]:
    """With the patterns that its paths are, and with what came in the input after the words that were there.

    Secluded words are no patterns: they were kept from every shell.
    """
    request = parse(call.arguments)
    if not request.secluded:
        return request, call.patterns[-len(request.paths) :], b""
    data = b""
    while b"\0\0" not in data:
        piece = bytes(await call.console.read(_PIECE))
        if not piece or len(data) > _MOST:
            raise InvalidArgument("the secluded arguments have no end")
        data += piece
    listed, _, early = data.partition(b"\0\0")
    return parse(secluded_words(call.arguments, list(map(os.fsdecode, listed.split(b"\0"))))), (), early


async def _found(call: Call, request: Request, patterns: Sequence[str]) -> Sequence[Sequence[VirtualPath]]:
    """What each path means."""
    if request.sender and patterns:
        return [await call.files.expanded(pattern) for pattern in patterns]
    return [[call.files.path(text)] for text in request.paths]


async def _placed(call: Call, aim: Aim, access: Access) -> Place:
    """The place. Where a program knows its own directory by no name, one above it where the name counts."""
    place = await placed(call, aim.base, access)
    processes = required(call)
    top = place.binds[0].at
    if not (needs_name(aim) and aim.base == top and processes.path(place, top) == _HERE):
        return place
    await processes.finish(place, None)
    return await placed(call, aim.base.parent, access)


async def _prepared(
    call: Call, request: Request, aim: Aim, place: Place, verbs: frozenset[str], lease: Lease | None, early: bytes
) -> tuple[Job, Bridge]:
    processes, top = required(call), place.binds[0].at
    root = _root(processes, place, aim, listed=request.has("files-from"))
    at = _within(processes, place, root)
    links = policy.links_of(request, verbs, call.settings.rsync)
    writes = policy.access_of(request) is Access.WRITE
    rules = await call.files.hop(filter_rules, top, place.patterns, policy.masked_keys(place), at, writes=writes)
    arguments = [word(b"", argument, at) for argument in aim.arguments]
    name = unused_name(arguments)
    module = Module(
        name,
        root,
        processes.file(_RULES),
        processes.file(EVENTS),
        secrets.token_hex(16).encode(),
        read_only=not writes,
        munged=links.munged,
    )
    words = [
        b"--server",
        *([b"--sender"] if request.sender else []),
        *_cluster(request),
        *policy.options(request, aim, verbs, links, processes.max_file_size, at),
        b".",
        *(name + argument for argument in arguments),
    ]
    configuration = processes.file(_CONFIGURATION)
    job = Job(
        place,
        (b"rsync", b"--server", b"--daemon", b"--config=" + configuration, b"."),
        environment={b"LANG": b"C.UTF-8"},
        files={configuration: module.configuration(), processes.file(_RULES): rules},
        symlinks=links.made,
        events=True,
    )
    reports = None if request.has("n", "dry-run", "list-only") else Reports(module.mark, top, at(top), processes, lease)
    return job, Bridge(name, words, early, None if reports is None else reports.heard)


def _root(processes: Processes, place: Place, aim: Aim, *, listed: bool) -> bytes:
    """Of the module: all that is in the box, so that links are judged as between two plain rsyncs.

    But rsync 3.5.0 finds nothing that is on a list, if it is in a directory of a module and not in the module itself.
    """
    top = processes.path(place, place.binds[0].at)
    if not top.startswith(b"/"):
        return top
    return processes.path(place, aim.base) if listed else b"/"


def _within(processes: Processes, place: Place, root: bytes) -> _At:
    return lambda path: processes.path(place, path)[len(root.rstrip(b"/")) :].rstrip(b"/")


def _cluster(request: Request) -> list[bytes]:
    cluster = f"-{request.letters}{request.capabilities}".encode()
    return [cluster] if len(cluster) > 1 else []


COMMAND: Final = Command(
    "rsync",
    "--server ...",
    "the far end of rsync -e ssh",
    ("list", "download"),
    True,
    False,
    _run,
)

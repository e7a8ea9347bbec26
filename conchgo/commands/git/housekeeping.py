"""git-gc: one pack of many. A push leaves a pack each, for its objects are never made loose here."""

from __future__ import annotations

from contextlib import closing
from typing import Final

from conchgo.commands.command import Call, Command
from conchgo.commands.git.command import job_of, work_in
from conchgo.commands.git.grammar import repository_path
from conchgo.commands.git.repository import Repository, located, missing
from conchgo.errors import QuotaExceeded
from conchgo.paths import VirtualPath
from conchgo.processes.interface import Access, Ending, Place
from conchgo.processes.system import Lease, Processes
from conchgo.vfs.interface import Filesystem, Kind

#: What nobody refers to stays for two weeks, as git has it, but in a pack: loose it could be a thousand times as large.
_CONFIGURATION: Final = {"gc.cruftPacks": "true", "gc.worktreePruneExpire": "never"}


async def _run(call: Call) -> int:
    asked = call.files.path(repository_path(call.arguments))
    path = await call.files.hop(located, call.files.filesystem, asked)
    if path is None:
        await call.files.hop(missing, call.files.filesystem, asked)
    return await work_in(call, "gc", path, Access.WRITE, _pack)


async def _pack(call: Call, processes: Processes, place: Place, repository: Repository, lease: Lease | None) -> Ending:
    """Of two at once the second one ends at once: git itself sees to that (gc.pid)."""
    needed = await call.files.hop(_size_of_packs, call.files.filesystem.inside, place.target)
    if lease is not None and lease.left is not None and needed > lease.left:
        raise QuotaExceeded(f"quota exceeded: {needed} bytes of room are needed until the old packs are gone")
    if lease is not None:
        lease.hold(needed, 0)
    arguments = (b"--git-dir=" + processes.path(place, place.target), b"gc", b"--quiet")
    return await processes.run(
        job_of(call, processes, place, repository, arguments, _CONFIGURATION), call.console, None, lease
    )


def _size_of_packs(files: Filesystem, path: VirtualPath) -> int:
    """What the new one may have at most, while the old ones are there."""
    directory = path / b"objects" / b"pack"
    if files.peek(directory) is None:
        return 0
    with closing(files.scan(directory)) as listing:
        names = [entry.name for entry in listing]
    stats = (files.peek(directory / name) for name in names)
    return sum(stat.size for stat in stats if stat is not None and stat.kind is Kind.FILE)


COMMAND: Final = Command(
    "git-gc",
    "REPOSITORY",
    "make one pack of the many that pushes leave",
    tuple(sorted(Access.WRITE.value)),
    True,
    False,
    _run,
)

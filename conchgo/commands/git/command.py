"""git-upload-pack (fetch), git-receive-pack (push) and git-upload-archive: each is this machine's git, in a box."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final

from conchgo.commands.command import Call, Command, UsageError
from conchgo.commands.git.environment import environment
from conchgo.commands.git.grammar import repository_path
from conchgo.commands.git.receiving import Receiving
from conchgo.commands.git.repository import Repository, located, looked_at, steps_to_make
from conchgo.commands.programs import exit_status, placed, require_all, required
from conchgo.errors import ConchgoError, NotFound, Unsupported
from conchgo.paths import VirtualPath
from conchgo.processes.interface import Access, Job, Place
from conchgo.processes.system import Lease, Processes
from conchgo.vfs.interface import Filesystem
from conchgo.vfs.removing import Removal


@dataclass(frozen=True, slots=True)
class _Service:
    """A program of git that serves one repository. `name` is its command, and without `git-` git's own."""

    name: str
    access: Access

    async def run(self, call: Call) -> int:
        asked = call.files.path(repository_path(call.arguments))
        processes = required(call)
        path = await call.files.hop(located, call.files.filesystem, asked)
        if path is None:
            path = await self._made(call, asked)
        place = await placed(call, path, self.access)
        lease: Lease | None = None
        try:
            if place.unexpressed:
                raise Unsupported(f"the permissions of {place.unexpressed[0]} can't be held while git works in {path}")
            files = call.files.filesystem.inside
            repository = await call.files.hop(looked_at, files, place.target, place.patterns)
            wire = None
            if self.access is Access.WRITE:
                lease = await processes.lease(place)
                wire = Receiving(lease)
            job = self._job(call, processes, place, repository, lease)
            ending = await processes.run(job, call.console, wire, lease)
        finally:
            await processes.finish(place, lease)
        return exit_status(call, ending)

    def _job(self, call: Call, processes: Processes, place: Place, repository: Repository, lease: Lease | None) -> Job:
        path = processes.path(place, place.target)
        limits = (processes.max_file_size, None if lease is None else lease.left)
        size = min((limit for limit in limits if limit is not None), default=None)
        # 0 would be no limit.
        more = {} if size is None else {"receive.maxInputSize": str(max(size, 1))}
        return Job(
            place,
            (b"git", self.name.removeprefix("git-").encode(), path),
            environment=environment(call.environment, call.owner, more),
            files={_below(path, b"config"): repository.config},
            empty=(_below(path, b"hooks"),) if repository.has_hooks else (),
        )

    async def _made(self, call: Call, path: VirtualPath) -> VirtualPath:
        """An empty repository, where a push may make one."""
        settings, files = call.settings.git, call.files.filesystem
        missing = NotFound(f"{path}: no git repository is there")
        if self.access is not Access.WRITE or not settings.create_on_push or not path.parts:
            raise missing
        if await call.files.hop(files.peek, path) is not None:
            raise missing
        path = (await call.files.hop(files.realpath, path.parent)) / path.name
        await require_all(call, path, Access.WRITE)
        first, *others = steps_to_make(path, settings.default_branch)
        await call.files.hop(first, files.inside)
        try:
            for step in others:
                await call.files.hop(step, files.inside)
        except ConchgoError:
            with suppress(ConchgoError):
                await call.files.hop(_remove, files.inside, path)
            raise
        return path


def _remove(files: Filesystem, path: VirtualPath) -> None:
    removal = Removal(files, path)
    while removal.step():
        pass


def _below(directory: bytes, name: bytes) -> bytes:
    return directory.rstrip(b"/") + b"/" + name


async def _git(call: Call) -> int:
    """`git upload-pack PATH`, as some clients are told to say it."""
    name, *arguments = call.arguments or [""]
    row = call.commands.get(f"git-{name}")
    if row is None or row.name not in _SERVICES:
        enabled = sorted(name.removeprefix("git-") for name in _SERVICES if name in call.commands)
        raise UsageError(f"of git there is {', '.join(enabled) or 'nothing'}")
    return await row.run(replace(call, name=row.name, arguments=arguments))


def _row(service: _Service, text: str) -> Command:
    needs, writes = tuple(sorted(service.access.value)), service.access is Access.WRITE
    return Command(service.name, "REPOSITORY", text, needs, writes, False, service.run)


_READS: Final = ("download", "list")
_SERVICES: Final[Mapping[str, Command]] = {
    row.name: row
    for row in (
        _row(_Service("git-upload-pack", Access.READ), "the far end of git fetch and git clone"),
        _row(_Service("git-receive-pack", Access.WRITE), "the far end of git push"),
        _row(_Service("git-upload-archive", Access.READ), "the far end of git archive --remote"),
    )
}

COMMANDS: Final = (
    *_SERVICES.values(),
    Command(
        "git", "upload-pack|receive-pack|upload-archive REPOSITORY", "the same in two words", _READS, True, False, _git
    ),
)

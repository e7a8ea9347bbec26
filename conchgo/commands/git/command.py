"""git-upload-pack (fetch), git-receive-pack (push) and git-upload-archive: each is this machine's git, in a box."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final

from conchgo.commands.command import Call, Command, UsageError
from conchgo.commands.git.environment import environment
from conchgo.commands.git.grammar import repository_path
from conchgo.commands.git.receiving import Receiving
from conchgo.commands.git.repository import Repository, located, looked_at, missing, remove, steps_to_make
from conchgo.commands.programs import exit_status, placed, require_all, required
from conchgo.errors import ConchgoError, Unsupported
from conchgo.paths import VirtualPath
from conchgo.processes.interface import Access, Ending, Job, Place
from conchgo.processes.system import Lease, Processes


@dataclass(frozen=True, slots=True)
class Service:
    """What git does in one repository for a client. `name` is that of the command: without `git-` it is git's own.

    `action` is what an event calls it.
    """

    name: str
    action: str
    access: Access

    async def run(self, call: Call) -> int:
        asked = call.files.path(repository_path(call.arguments))
        required(call)
        path = await call.files.hop(located, call.files.filesystem, asked)
        if path is None:
            path = await self._made(call, asked)
        return await work_in(call, self.action, path, self.access, self._worked)

    async def _worked(
        self, call: Call, processes: Processes, place: Place, repository: Repository, lease: Lease | None
    ) -> Ending:
        writes = self.access is Access.WRITE
        limits = (processes.max_file_size, None if lease is None else lease.left) if writes else ()
        size = min((limit for limit in limits if limit is not None), default=None)
        # 0 would be no limit.
        more = {} if size is None else {"receive.maxInputSize": str(max(size, 1))}
        arguments = (self.name.removeprefix("git-").encode(), processes.path(place, place.target))
        job = job_of(call, processes, place, repository, arguments, more)
        return await processes.run(job, call.console, Receiving(lease) if writes else None, lease)

    async def _made(self, call: Call, path: VirtualPath) -> VirtualPath:
        """An empty repository, where a push may make one."""
        settings, files = call.settings.git, call.files.filesystem
        may_be_made = self.access is Access.WRITE and settings.create_on_push and path.parts
        if not may_be_made or await call.files.hop(files.peek, path) is not None:
            await call.files.hop(missing, files, path)
        path = (await call.files.hop(files.realpath, path.parent)) / path.name
        await require_all(call, path, Access.WRITE)
        await make_repository(call, path, settings.default_branch)
        return path


#: What is done in a repository, once all is ready.
Work = Callable[[Call, Processes, Place, Repository, Lease | None], Awaitable[Ending]]


async def work_in(call: Call, action: str, path: VirtualPath, access: Access, work: Work) -> int:
    """The exit status of git's work in the repository at `path`; an event of that action tells of it.

    Raises:
        ConchgoError: it can't be done there.
    """
    processes = required(call)
    place = await placed(call, path, access)
    lease: Lease | None = None
    try:
        if place.unexpressed:
            raise Unsupported(f"the permissions of {place.unexpressed[0]} can't be held while git works in {path}")
        files = call.files.filesystem.inside
        repository = await call.files.hop(looked_at, files, place.target, place.patterns)
        if access is Access.WRITE:
            lease = await processes.lease(place)
        ending = await work(call, processes, place, repository, lease)
    finally:
        await processes.finish(place, lease)
    processes.tell(action, place.target, reason=_what_went_wrong(ending))
    return exit_status(call, ending)


def job_of(
    call: Call,
    processes: Processes,
    place: Place,
    repository: Repository,
    arguments: tuple[bytes, ...],
    configuration: Mapping[str, str],
) -> Job:
    """git with these arguments; of the repository's configuration and hooks it is shown what is safe.

    Where nothing can be shown in another's place the box, which executes no file of a user, holds it alone.
    """
    path = processes.path(place, place.target)
    covers = processes.composes
    return Job(
        place,
        (b"git", *arguments),
        environment=environment(call.environment, call.owner, configuration),
        files={_below(path, b"config"): repository.config} if covers else {},
        empty=(_below(path, b"hooks"),) if covers and repository.has_hooks else (),
    )


async def make_repository(call: Call, path: VirtualPath, branch: str, object_format: str = "sha1") -> None:
    """An empty bare one, where nothing is; what can't be made wholly is taken away again."""
    files = call.files.filesystem.inside
    first, *others = steps_to_make(path, branch, object_format)
    await call.files.hop(first, files)
    try:
        for step in others:
            await call.files.hop(step, files)
    except ConchgoError:
        with suppress(ConchgoError):
            await call.files.hop(remove, files, path)
        raise


def _what_went_wrong(ending: Ending) -> str | None:
    if ending.reason is not None or ending.status == 0:
        return ending.reason
    return (
        f"git was ended by signal {ending.signal}"
        if ending.status is None
        else f"git ended with status {ending.status}"
    )


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


def _row(service: Service, text: str) -> Command:
    needs, writes = tuple(sorted(service.access.value)), service.access is Access.WRITE
    return Command(service.name, "REPOSITORY", text, needs, writes, False, service.run)


_SERVICES: Final[Mapping[str, Command]] = {
    row.name: row
    for row in (
        _row(Service("git-upload-pack", "fetch", Access.READ), "the far end of git fetch and git clone"),
        _row(Service("git-receive-pack", "push", Access.WRITE), "the far end of git push"),
        _row(Service("git-upload-archive", "fetch", Access.READ), "the far end of git archive --remote"),
    )
}

COMMANDS: Final = (
    *_SERVICES.values(),
    Command(
        "git",
        "upload-pack|receive-pack|upload-archive REPOSITORY",
        "the same in two words",
        ("download", "list"),
        True,
        False,
        _git,
    ),
)

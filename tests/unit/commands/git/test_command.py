"""What is asked of the system for git; what git does then is tried in tests/stories."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest

from conchgo.accounts.patterns import FilePatterns
from conchgo.accounts.permissions import Permissions
from conchgo.commands.command import FAILED, MISUSED, OK
from conchgo.commands.git.command import COMMANDS
from conchgo.commands.git.receiving import Receiving
from conchgo.commands.settings import DEFAULTS, CommandSettings, GitSettings
from conchgo.edge.console import Console
from conchgo.errors import QuotaExceeded
from conchgo.paths import ROOT, VirtualPath
from conchgo.processes.interface import Access, Ending, Job, Place, Wire
from conchgo.processes.system import Lease
from conchgo.storage.memory import MemoryStorage
from conchgo.vfs.interface import Filesystem, Kind
from tests.unit.commands.git.test_receiving import Room
from tests.unit.commands.git.test_repository import made, p
from tests.unit.commands.running import Channel, Running, filesystem, get, put

ROWS = {row.name: row for row in COMMANDS}


ENDED = Ending(OK, None)


@dataclass
class System:
    """A `Processes` that starts nothing, and remembers what it was asked."""

    files: Filesystem
    room: Room | None = None
    max_file_size: int | None = None
    composes: bool = True
    ending: Ending = ENDED
    unexpressed: tuple[VirtualPath, ...] = ()
    jobs: list[Job] = field(default_factory=list)
    told: list[tuple[str, VirtualPath, object]] = field(default_factory=list)
    wires: list[Wire | None] = field(default_factory=list)
    accesses: list[Access] = field(default_factory=list)
    finished: list[Lease | None] = field(default_factory=list)

    async def place(self, path: VirtualPath, access: Access) -> Place:
        self.accesses.append(access)
        target, rights = self.files.realpath(path), Permissions.parse({"/": ["*"]})
        return Place(path, target, Kind.DIRECTORY, access, (), rights, FilePatterns({}), self.unexpressed)

    def path(self, place: Place, virtual: VirtualPath) -> bytes:
        return b"/box" + bytes(virtual)

    async def lease(self, place: Place, want: int | None = None) -> Lease | None:
        if self.room is not None and self.room.left == 0:
            raise QuotaExceeded
        return self.room

    async def run(self, job: Job, console: Console, wire: Wire | None = None, lease: Lease | None = None) -> Ending:
        self.jobs.append(job)
        self.wires.append(wire)
        return self.ending

    async def finish(self, place: Place, lease: Lease | None) -> None:
        self.finished.append(lease)

    def tell(self, action: str, path: VirtualPath, **fields: object) -> None:
        self.told.append((action, path, fields["reason"]))


def run(
    system: System | None, files: Filesystem, name: str, *arguments: str, settings: CommandSettings = DEFAULTS
) -> Channel:
    async def call(call: object) -> int:
        return await ROWS[name].run(
            replace(
                call, processes=system, settings=settings, commands=ROWS, environment={b"GIT_PROTOCOL": b"version=2"}
            )  # type: ignore[type-var]
        )

    return Running(files, name, *arguments, row=replace(ROWS[name], run=call)).channel


@pytest.fixture
def files() -> Filesystem:
    files = filesystem()
    made(files, b"/repo.git")
    put(files, b"/repo.git/config", b'[core]\nbare\n[tar "x"]\ncommand = evil\n')
    return files


def test_a_fetch_reads_the_repository_that_is_meant(files: Filesystem) -> None:
    system = System(files)
    files.mkdir(p(b"/repo.git/hooks"))
    assert run(system, files, "git-upload-pack", "/repo").status == OK
    (job,) = system.jobs
    assert job.arguments == (b"git", b"upload-pack", b"/box/repo.git")
    assert job.files == {b"/box/repo.git/config": b'[core]\n\tbare = "true"\n'}
    assert job.empty == (b"/box/repo.git/hooks",)
    assert job.environment[b"GIT_PROTOCOL"] == b"version=2"
    assert not job.symlinks
    assert system.told == [("fetch", p(b"/repo.git"), None)]
    assert (system.accesses, system.wires, system.finished) == ([Access.READ], [None], [None])


def test_where_nothing_can_be_covered_the_box_holds_it_alone(files: Filesystem) -> None:
    system = System(files, composes=False)
    files.mkdir(p(b"/repo.git/hooks"))
    assert run(system, files, "git-upload-pack", "/repo").status == OK
    assert (system.jobs[0].files, system.jobs[0].empty) == ({}, ())


@pytest.mark.parametrize("name", ["git-upload-pack", "git-upload-archive", "git-receive-pack"])
def test_two_words_are_as_good_as_one(files: Filesystem, name: str) -> None:
    system, other = System(files), System(files)
    assert run(system, files, "git", name.removeprefix("git-"), "/repo").status == OK
    assert run(other, files, name, "/repo").status == OK
    assert system.jobs[0].arguments == other.jobs[0].arguments == (b"git", name[4:].encode(), b"/box/repo.git")


@pytest.mark.parametrize("words", [(), ("gc", "/repo"), ("-c", "x=y", "upload-pack", "/repo"), ("shell",), ("git",)])
def test_nothing_else_of_git_is_there(files: Filesystem, words: tuple[str, ...]) -> None:
    system = System(files)
    channel = run(system, files, "git", *words)
    assert channel.status == MISUSED
    assert "of git there is receive-pack, upload-archive, upload-pack" in channel.complaints[0]
    assert not system.jobs


@pytest.mark.parametrize(
    ("room", "max_file_size", "limit"),
    [
        (None, None, None),
        (Room(1000), None, b"1000"),
        (Room(1000), 900, b"900"),
        (None, 900, b"900"),
        (Room(None), None, None),
    ],
)
def test_a_push_is_as_large_as_its_lease_and_a_file_may_be(
    files: Filesystem, room: Room | None, max_file_size: int | None, limit: bytes | None
) -> None:
    system = System(files, room, max_file_size)
    assert run(system, files, "git-receive-pack", "/repo.git").status == OK
    environment = system.jobs[0].environment
    keys = {environment[key]: environment[key.replace(b"KEY", b"VALUE")] for key in environment if b"_KEY_" in key}
    assert keys.get(b"receive.maxInputSize") == limit
    assert isinstance(system.wires[0], Receiving)
    assert (system.accesses, system.finished) == ([Access.WRITE], [room])


def test_what_is_taken_is_given_back_when_it_fails(files: Filesystem) -> None:
    system = System(files, Room(0))
    channel = run(system, files, "git-receive-pack", "/repo.git")
    assert channel.complaints == ["git-receive-pack: quota exceeded"]
    assert (channel.status, system.jobs, system.finished) == (FAILED, [], [None])


@pytest.mark.parametrize(
    ("ending", "status", "complaints", "told"),
    [
        (Ending(128, None), 128, [], "git ended with status 128"),
        (Ending(None, 25), b"XFSZ@conchgo", [], "git was ended by signal 25"),
        (Ending(None, 15, "quota exceeded"), FAILED, ["git-upload-pack: quota exceeded"], "quota exceeded"),
        (Ending(0, None, "quota exceeded"), FAILED, ["git-upload-pack: quota exceeded"], "quota exceeded"),
    ],
)
def test_the_client_hears_how_it_ended(
    files: Filesystem, ending: Ending, status: int | bytes, complaints: list[str], told: str
) -> None:
    system = System(files, ending=ending)
    channel = run(system, files, "git-upload-pack", "/repo.git")
    assert (channel.status if channel.signal is None else channel.signal, channel.complaints) == (status, complaints)
    assert system.told == [("fetch", p(b"/repo.git"), told)]


def test_a_right_that_could_not_be_held_is_a_refusal(files: Filesystem) -> None:
    system = System(files, unexpressed=(p(b"/repo.git/refs/*"),))
    channel = run(system, files, "git-upload-pack", "/repo.git")
    assert (channel.status, system.jobs, system.finished) == (FAILED, [], [None])
    assert "/repo.git/refs/*" in channel.complaints[0]


def test_without_control_no_program_is_started(files: Filesystem) -> None:
    channel = run(None, files, "git-upload-pack", "/repo.git")
    assert (channel.status, len(channel.complaints)) == (FAILED, 1)
    assert "starts no programs" in channel.complaints[0]


@pytest.mark.parametrize("strict", [False, True])
def test_where_the_strict_rule_holds_reading_needs_what_writing_needs(*, strict: bool) -> None:
    storage = MemoryStorage()
    made(filesystem(storage), b"/repo.git")
    files = filesystem(storage, {"/": ("list", "download")})
    system = System(files)
    settings = CommandSettings(strict_permissions=strict)
    channel = run(system, files, "git-upload-pack", "/repo.git", settings=settings)
    assert (channel.status, len(system.jobs)) == ((FAILED, 0) if strict else (OK, 1))


CREATES = CommandSettings(git=GitSettings(create_on_push=True, default_branch="trunk"))


def test_a_push_makes_a_repository_where_nothing_is() -> None:
    files = filesystem()
    system = System(files)
    assert run(system, files, "git-receive-pack", "/new", settings=CREATES).status == OK
    assert system.jobs[0].arguments[-1] == b"/box/new"
    assert get(files, b"/new/HEAD") == b"ref: refs/heads/trunk\n"


@pytest.mark.parametrize(
    ("name", "path", "settings"),
    [
        ("git-receive-pack", "/new", DEFAULTS),
        ("git-upload-pack", "/new", CREATES),
        ("git-upload-archive", "/new", CREATES),
        ("git-receive-pack", "/there", CREATES),
        ("git-receive-pack", "/", CREATES),
        ("git-receive-pack", "/missing/new", CREATES),
    ],
)
def test_else_none_is_made(name: str, path: str, settings: CommandSettings) -> None:
    files = filesystem()
    files.mkdir(p(b"/there"))
    system = System(files)
    channel = run(system, files, name, path, settings=settings)
    assert (channel.status, len(channel.complaints)) == (FAILED, 1)
    assert [entry.name for entry in files.scan(p(b"/"))] == [b"there"]
    assert not system.jobs


@pytest.mark.parametrize("missing", sorted(Access.WRITE.value))
def test_who_may_not_push_makes_no_repository(missing: str) -> None:
    storage = MemoryStorage()
    files = filesystem(storage, {"/": tuple(Access.WRITE.value - {missing})})
    channel = run(System(files), files, "git-receive-pack", "/new", settings=CREATES)
    assert (channel.status, len(channel.complaints)) == (FAILED, 1)
    assert list(storage.scan(ROOT)) == []

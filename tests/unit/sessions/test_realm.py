from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from unittest.mock import patch

from twisted.conch.interfaces import IConchUser, ISFTPServer
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from conchgo.accounts.memory import MemoryAccountStore
from conchgo.accounts.model import Filters, Folder, User, VirtualFolder
from conchgo.accounts.permissions import Permissions
from conchgo.auth.credentials import Login
from conchgo.edge.pools import Inline
from conchgo.errors import Failure, InvalidArgument, LoginRefused, NotADirectory, PermissionDenied
from conchgo.events.bus import Bus
from conchgo.events.records import Event, Origin
from conchgo.paths import ROOT, VirtualPath
from conchgo.quota.memory import MemoryLedger
from conchgo.sessions.attendance import SECOND_LOOK, Attendance
from conchgo.sessions.avatar import Avatar
from conchgo.sessions.counting import Counting
from conchgo.sessions.directories import Directories
from conchgo.sessions.quotas import Quotas
from conchgo.sessions.realm import Realm
from conchgo.sessions.registry import Registry
from conchgo.sessions.roll import MemoryRoll
from conchgo.sessions.storages import Storages
from conchgo.sessions.views import Views
from conchgo.sftp.adapter import FilesystemAdapter
from conchgo.storage.memory import MemoryStorage
from conchgo.vfs.compose import Mount
from conchgo.vfs.interface import Filesystem
from conchgo.vfs.mount_table import MountTable
from tests.permission_table import DIRECTORY, prepare, snapshot
from tests.unit.sessions.helpers import WrittenStream

ALICE = User("alice", "/srv/alice")
MEMBER = replace(ALICE, virtual_folders=(VirtualFolder("team", "/in"),))


@dataclass
class Connection:
    connection_id: str = "connection-1"


class ClosableStorage(MemoryStorage):
    closed = 0

    def close(self) -> None:
        self.closed += 1


class SlowRunner:
    """Does the work when the test says so."""

    def __init__(self) -> None:
        self.waiting: list[tuple[Deferred[Any], Any]] = []
        self.owners: list[str] = []

    def run(self, owner: str, work: Any, /, *args: Any, **kwargs: Any) -> Deferred[Any]:
        done: Deferred[Any] = Deferred()
        self.owners.append(owner)
        self.waiting.append((done, lambda: work(*args, **kwargs)))
        return done

    def work_off(self) -> None:
        done, work = self.waiting.pop(0)
        Inline().run("", work).chainDeferred(done)


class RealmTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.storage, self.inner = ClosableStorage(), ClosableStorage()
        self.folders = {"team": Folder("team", "/srv/team")}
        self.pinned: list[VirtualPath] = []
        self.broken: dict[VirtualPath, str] = {}
        self.events: list[Event] = []
        self.views = Views(Bus(self.events.append))
        self.registry = Registry(1024)
        self.clock = Clock()
        self.attendance = Attendance(MemoryRoll(), Inline(), self.clock)
        self.opened: list[str] = []

    def realm(self, disk: Any = None, database: Any = None) -> Realm:
        return Realm(
            folder=self.folders.get,
            open_storages=self.open_storages,
            database=database or Inline(),
            disk=disk or Inline(),
            views=self.views,
            registry=self.registry,
            attendance=self.attendance,
            reactor=self.clock,
        )

    def open_storages(self, user: User, folders: Mapping[str, Folder]) -> Storages:
        self.opened.append(user.username)
        mounts = {VirtualPath.parse(b"/in"): Mount(self.inner) for _ in folders}
        mounts[ROOT] = Mount(self.storage)
        return Storages(mounts, MountTable(mounts, self.pinned), self.broken)

    def login(self, user: User = ALICE, disk: Any = None, database: Any = None) -> Deferred[Any]:
        login = Login(user, "password", "192.0.2.7")
        return Inline().run("", self.realm(disk, database).requestAvatar, login, Connection(), IConchUser)

    def filesystem(self, avatar: Avatar) -> Filesystem:
        adapter = ISFTPServer(avatar)
        assert isinstance(adapter, FilesystemAdapter)
        return adapter.filesystem

    def told(self) -> list[tuple[str, str]]:
        return [(event.action, event.status) for event in self.events]

    def test_a_login_gets_an_avatar_with_its_filesystem(self) -> None:
        user = replace(ALICE, permissions={"/": ("list", "create_dirs")}, filters=Filters(start_directory="/in/here"))
        interface, avatar, _ = self.successResultOf(self.login(user))
        self.assertIs(interface, IConchUser)
        self.assertIsInstance(avatar, Avatar)
        self.assertTrue(IConchUser.providedBy(avatar))
        filesystem = self.filesystem(avatar)
        self.assertEqual(filesystem.start, VirtualPath((b"in", b"here")))
        self.assertEqual(filesystem.identity.username, "alice")
        self.assertIsNotNone(filesystem.at_once)
        # It was made, though the user himself could not leave it again.
        self.assertEqual(snapshot(self.storage).keys(), {b"/in", b"/in/here"})
        filesystem.mkdir(VirtualPath((b"new",)))
        with self.assertRaises(PermissionDenied):
            filesystem.rmdir(VirtualPath((b"new",)))

    def test_sessions_with_the_same_rules_share_what_is_made_of_them(self) -> None:
        with patch.object(Permissions, "parse", wraps=Permissions.parse) as parse:
            for name in ("alice", "bob"):
                rules = {"/": ("list",), "/only/in/this/test": ("upload",)}
                self.successResultOf(self.login(replace(ALICE, username=name, permissions=rules)))
        self.assertEqual(parse.call_count, 1)

    def test_login_and_logout_are_told(self) -> None:
        _, _, logout = self.successResultOf(self.login())
        self.assertEqual(self.told(), [("login", "ok")])
        self.assertEqual(self.events[0].method, "password")
        self.assertEqual(self.events[0].origin, Origin("alice", "connection-1", "192.0.2.7", "SSH"))
        logout()
        self.assertEqual(self.told(), [("login", "ok"), ("logout", "ok")])
        assert self.events[1].elapsed is not None
        self.assertGreaterEqual(self.events[1].elapsed, 0)

    def test_each_event_says_what_its_program_speaks(self) -> None:
        _, avatar, _ = self.successResultOf(self.login())
        self.filesystem(avatar).mkdir(VirtualPath((b"by-sftp",)))
        prepare(self.storage, {b"/file": b"x"})
        for line, lines in ((b"md5sum file", b""), (b"scp -rt .", b"D0755 0 by-scp\nE\n")):
            program = avatar.command(line, {})
            program.started(WrittenStream())
            program.data_received(lines)
            program.input_ended()
        self.clock.advance(0)
        avatar.shell()
        self.assertEqual(
            [(event.action, event.origin.protocol) for event in self.events],
            [
                ("login", "SSH"),
                ("mkdir", "SFTP"),
                ("open", "SSH"),
                ("close", "SSH"),
                ("exec", "SSH"),
                ("mkdir", "SCP"),
                ("exec", "SCP"),
                ("shell", "SSH"),
            ],
        )

    def test_logout_closes_the_storage(self) -> None:
        _, _, logout = self.successResultOf(self.login())
        self.assertEqual(self.storage.closed, 0)
        logout()
        self.assertEqual(self.storage.closed, 1)

    def test_when_a_session_is_over_its_places_are_told(self) -> None:
        ledger, told = MemoryLedger(), []
        quotas = Quotas(ledger, Counting(ledger, MemoryAccountStore(), Directories(0o022)))
        self.views = Views(Bus(self.events.append), quotas=quotas)
        _, _, logout = self.successResultOf(self.login())
        with patch.object(quotas.places, "left", told.append):
            logout()
        self.assertEqual([storages.mounts[ROOT].storage for storages in told], [self.storage])

    def test_logout_waits_for_work_before_it_closes_the_storage(self) -> None:
        disk = SlowRunner()
        login = self.login(disk=disk)
        self.assertNoResult(login)
        disk.work_off()
        _, avatar, logout = self.successResultOf(login)
        server = ISFTPServer(avatar)
        made = server.makeDirectory(b"/new", {})
        removed = server.removeDirectory(b"/new")
        logout()
        disk.work_off()
        self.successResultOf(made)
        self.assertEqual(self.storage.closed, 0)
        disk.work_off()
        self.successResultOf(removed)
        self.assertEqual(self.storage.closed, 1)
        self.assertEqual(set(disk.owners), {"alice"})

    def test_a_user_has_commands_of_his_own(self) -> None:
        """In place of those that are configured; one that is not there any more (a plugin's) is left out."""
        offered = {}
        for names in ((), ("sha512sum", "gone"), ("*",)):
            user = replace(ALICE, filters=Filters(enabled_commands=names))
            _, avatar, _ = self.successResultOf(self.login(user))
            channel = WrittenStream()
            avatar.command(b"help", {}).started(channel)
            offered[names] = channel.output
        self.assertIn(b"  sha256sum ", offered[()])
        self.assertNotIn(b"  sha512sum ", offered[()])
        self.assertIn(b"  sha512sum ", offered["sha512sum", "gone"])
        self.assertNotIn(b"  sha256sum ", offered["sha512sum", "gone"])
        self.assertIn(b"  conchgo-remove ", offered["*",])

    def test_a_user_with_all_his_sessions_is_refused_before_anything_is_opened(self) -> None:
        user = replace(ALICE, max_sessions=1)
        self.successResultOf(self.login(user))
        running = self.attendance.session(Origin("alice", "connection-0", "192.0.2.7"), "SFTP")
        self.assertTrue(self.successResultOf(self.attendance.reserve(running, 1)))
        login = self.login(user)
        self.assertNoResult(login)
        self.clock.advance(SECOND_LOOK)
        refused = self.failureResultOf(login, LoginRefused)
        self.assertIn("too many open sessions: 1 allowed", refused.value.reason)
        self.assertEqual(refused.value.text, "permission denied")
        self.assertEqual(self.opened, ["alice"])
        self.successResultOf(self.login(ALICE))
        self.successResultOf(self.login(replace(user, username="bob")))
        self.attendance.end(running)
        self.successResultOf(self.login(user))

    def test_a_storage_that_cannot_be_opened_is_told(self) -> None:
        def fail(user: User, folders: Mapping[str, Folder]) -> Storages:
            raise Failure("the home directory can't be made")

        self.open_storages = fail  # type: ignore[method-assign]
        self.failureResultOf(self.login(), Failure)
        self.assertEqual(self.events, [])

    def test_the_storage_is_closed_where_the_start_directory_cannot_be_made(self) -> None:
        prepare(self.storage, {b"/file": b""})
        self.failureResultOf(self.login(replace(ALICE, filters=Filters(start_directory="/file/x"))), NotADirectory)
        self.assertEqual(self.storage.closed, 1)

    def test_folders_are_looked_up_in_the_database_and_mounted(self) -> None:
        database, disk = SlowRunner(), SlowRunner()
        login = self.login(MEMBER, disk, database)
        self.assertEqual((len(database.waiting), len(disk.waiting)), (1, 0))
        database.work_off()
        self.assertEqual(len(disk.waiting), 1)
        disk.work_off()
        _, avatar, logout = self.successResultOf(login)
        filesystem = self.filesystem(avatar)
        filesystem.mkdir(VirtualPath((b"in", b"made")))
        self.assertEqual(snapshot(self.inner).keys(), {b"/made"})
        with self.assertRaises(PermissionDenied):
            filesystem.rmdir(VirtualPath((b"in",)))
        logout()
        self.assertEqual((self.storage.closed, self.inner.closed), (1, 1))

    def test_a_user_without_folders_asks_no_database(self) -> None:
        database = SlowRunner()
        self.successResultOf(self.login(database=database))
        self.assertEqual(database.owners, [])

    def test_the_session_may_start_in_a_folder(self) -> None:
        user = replace(MEMBER, filters=Filters(start_directory="/in/deep"))
        self.successResultOf(self.login(user))
        self.assertEqual((snapshot(self.storage).keys(), snapshot(self.inner).keys()), (set(), {b"/deep"}))

    def test_what_is_pinned_stays(self) -> None:
        prepare(self.storage, {b"/p": DIRECTORY})
        self.pinned.append(VirtualPath((b"p",)))
        _, avatar, _ = self.successResultOf(self.login(MEMBER))
        with self.assertRaises(PermissionDenied):
            self.filesystem(avatar).rmdir(VirtualPath((b"p",)))

    def test_a_folder_that_cannot_be_opened_is_told(self) -> None:
        path = VirtualPath((b"in",))
        self.broken[path] = "it is away"
        self.successResultOf(self.login(MEMBER))
        self.assertEqual(self.told(), [("login", "ok"), ("mount", "failed")])
        self.assertEqual((self.events[1].path, self.events[1].reason), (path, "it is away"))

    def test_the_record_of_a_folder_that_is_gone_is_not_handed_on(self) -> None:
        self.folders.clear()
        _, avatar, _ = self.successResultOf(self.login(MEMBER))
        self.assertEqual(self.opened, ["alice"])
        self.filesystem(avatar).mkdir(VirtualPath((b"in",)))

    def test_a_session_that_cannot_be_made_leaves_nothing_open(self) -> None:
        with patch.object(Views, "view", side_effect=MemoryError):
            self.failureResultOf(self.login(MEMBER), MemoryError)
        self.assertEqual((self.storage.closed, self.inner.closed), (1, 1))

    def test_permissions_that_make_no_sense_open_nothing(self) -> None:
        self.failureResultOf(self.login(replace(ALICE, permissions={"/": ("fly",)})), InvalidArgument)
        self.assertEqual(self.opened, [])

    def test_there_are_avatars_for_conch_only(self) -> None:
        with self.assertRaises(NotImplementedError):
            self.realm().requestAvatar(Login(ALICE, "password", "192.0.2.7"), Connection(), ISFTPServer)

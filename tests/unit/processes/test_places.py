from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping, Sequence
from unittest import TestCase

from conchgo.accounts.model import FilePattern
from conchgo.accounts.patterns import FilePatterns
from conchgo.accounts.permissions import Permissions
from conchgo.errors import ConchgoError, NotADirectory, NotFound, PermissionDenied, Unsupported
from conchgo.events.bus import Bus
from conchgo.events.records import Event, Origin
from conchgo.paths import ROOT, VirtualPath
from conchgo.processes.interface import Access, Place
from conchgo.processes.places import Places
from conchgo.storage.interface import Kind
from conchgo.storage.local import LocalStorage
from conchgo.storage.memory import MemoryStorage
from conchgo.vfs.compose import Mount, View, compose
from conchgo.vfs.filtered import Names
from conchgo.vfs.interface import Identity
from conchgo.vfs.mount_table import MountTable

EVERYTHING = {"/": ["*"]}


class PlacesTests(TestCase):
    def setUp(self) -> None:
        self.home = os.fsencode(self.enterContext(tempfile.TemporaryDirectory()))
        self.events: list[Event] = []

    def make(self, *names: str) -> None:
        for name in names:
            path = os.path.join(self.home, os.fsencode(name))
            if name.endswith("/"):
                os.makedirs(path, exist_ok=True)
            else:
                os.makedirs(os.path.dirname(path), exist_ok=True)
                with open(path, "wb"):
                    pass

    def places(
        self,
        permissions: Mapping[str, Sequence[str]] = EVERYTHING,
        *,
        folders: Sequence[str] = (),
        patterns: Sequence[FilePattern] = (),
        **mounts: object,
    ) -> Places:
        storages = {ROOT: Mount(LocalStorage(self.home))}
        for point in folders:
            folder = os.fsencode(self.enterContext(tempfile.TemporaryDirectory()))
            storages[VirtualPath.parse(point.encode())] = Mount(LocalStorage(folder))
        for name, storage in mounts.items():
            storages[ROOT / name.encode()] = Mount(storage)  # type: ignore[arg-type]
        for mount in storages.values():
            self.addCleanup(mount.storage.close)
        view = View(
            storages,
            Permissions.parse(permissions),
            Identity("alice", 0, 0),
            Origin("alice", "1", "127.0.0.1"),
            Bus(self.events.append),
            table=MountTable(storages),
            names=Names(FilePatterns.parse(patterns)),
        )
        return Places(view, compose(view))

    def find(self, places: Places, path: str, access: Access = Access.WRITE) -> Place:
        place = places.find(VirtualPath.parse(path.encode()), access)
        self.addCleanup(place.close)
        return place

    def shown(self, place: Place) -> list[tuple[str, str]]:
        """Where, and how."""
        return [
            (str(bind.at), "empty" if bind.descriptor is None else "write" if bind.writable else "read")
            for bind in place.binds
        ]

    def refused(self, places: Places, path: str, error: type[ConchgoError], access: Access = Access.WRITE) -> None:
        before = len(os.listdir("/proc/self/fd"))
        with self.assertRaises(error):
            places.find(VirtualPath.parse(path.encode()), access)
        self.assertEqual(len(os.listdir("/proc/self/fd")), before)

    def test_a_directory(self) -> None:
        self.make("a/b/", "a/b/file")
        place = self.find(self.places(), "/a/b")
        self.assertEqual((str(place.target), place.kind), ("/a/b", Kind.DIRECTORY))
        self.assertEqual(self.shown(place), [("/a/b", "write")])
        self.assertEqual(os.listdir(f"/proc/self/fd/{place.binds[0].descriptor}"), ["file"])
        self.assertEqual(self.shown(self.find(self.places(), "/a/b", Access.READ)), [("/a/b", "read")])

    def test_what_is_no_directory_is_shown_with_its_own(self) -> None:
        self.make("a/file")
        for name, kind in (("file", Kind.FILE), ("new", None)):
            place = self.find(self.places(), f"/a/{name}")
            self.assertEqual((str(place.target), place.kind), (f"/a/{name}", kind))
            self.assertEqual(self.shown(place), [("/a", "write")])
        os.mkfifo(self.home + b"/a/fifo")
        self.refused(self.places(), "/a/fifo", Unsupported)
        self.refused(self.places(), "/a/new", NotFound, Access.READ)
        self.refused(self.places(), "/none/new", NotFound)
        self.refused(self.places(), "/a/file/new", NotADirectory)

    def test_links_are_resolved_in_the_tree(self) -> None:
        self.make("a/b/", "secret/")
        os.symlink("/a", self.home + b"/link")
        os.symlink("/etc", self.home + b"/a/out")
        self.assertEqual(str(self.find(self.places(), "/link/b").target), "/a/b")
        self.refused(self.places(), "/a/out", NotFound, Access.READ)
        self.refused(self.places({"/": ["*"], "/a": ["list"]}), "/link/b", PermissionDenied)

    def test_each_verb_is_asked_and_the_refusal_told(self) -> None:
        self.make("a/")
        for access in Access:
            for verb in access.value - {"delete"}:
                places = self.places({"/": ["*"], "/a": sorted(access.value - {verb})})
                self.refused(places, "/a", PermissionDenied, access)
                self.assertEqual((self.events[-1].action, self.events[-1].status), (verb, "refused"))
        self.find(self.places({"/": ["*"], "/a": ["list", "download"]}), "/a", Access.READ)

    def test_what_lies_below_is_masked(self) -> None:
        self.make("a/read/x/", "a/none/deep/", "a/look/", "a/all/")
        rules = {
            "/": ["*"],
            "/a/read": ["list", "download"],
            "/a/read/x": ["*"],
            "/a/none": ["upload"],
            "/a/none/deep": ["*"],
            "/a/look": ["list"],
            "/a/all": ["*"],
            "/b": ["list"],
        }
        self.assertEqual(
            sorted(self.shown(self.find(self.places(rules), "/a"))),
            [("/a", "write"), ("/a/look", "empty"), ("/a/none", "empty"), ("/a/read", "read"), ("/a/read/x", "write")],
        )
        self.assertEqual(
            sorted(self.shown(self.find(self.places(rules), "/a", Access.READ))),
            [("/a", "read"), ("/a/look", "empty"), ("/a/none", "empty")],
        )

    def test_wildcards_mean_what_is_there(self) -> None:
        self.make("a/x/private/", "a/y/private", "a/z/public/", "a/secret/")
        place = self.find(self.places({"/": ["*"], "/a/*/private": ["upload"], "/*/s*": ["list", "download"]}), "/a")
        self.assertEqual(sorted(self.shown(place)), [("/a", "write"), ("/a/secret", "read"), ("/a/x/private", "empty")])
        self.assertEqual([str(key) for key in place.unexpressed], ["/*/s*", "/a/*/private"])

    def test_a_rule_of_what_is_not_there_is_told(self) -> None:
        self.make("a/file", "a/there/")
        rules = {"/": ["*"], "/a/new": ["list"], "/a/file": ["list"], "/a/there": ["list"], "/b/new": ["list"]}
        place = self.find(self.places(rules), "/a")
        self.assertEqual([str(key) for key in place.unexpressed], ["/a/file", "/a/new"])
        self.assertEqual(self.find(self.places(rules), "/a", Access.READ).unexpressed, ())

    def test_what_patterns_hide_is_masked_all_the_same(self) -> None:
        self.make("a/hidden/")
        hidden = [FilePattern("/a", denied_patterns=("hidden",), deny_policy=1)]
        place = self.find(self.places({"/": ["*"], "/a/hidden": ["upload"]}, patterns=hidden), "/a")
        self.assertEqual(self.shown(place), [("/a", "write"), ("/a/hidden", "empty")])
        self.refused(self.places(patterns=hidden), "/a/hidden", PermissionDenied)
        self.refused(self.places(patterns=hidden), "/a/hidden", NotFound, Access.READ)

    def test_folders_are_shown_in_directories_that_are_made_for_them(self) -> None:
        self.make("a/")
        place = self.find(self.places(folders=["/a/one/two", "/b"]), "/a")
        self.assertEqual(self.shown(place), [("/a", "write"), ("/a/one/two", "write")])
        self.assertEqual(os.listdir(self.home + b"/a/one/two"), [])
        rules = {"/": ["*"], "/a/one": ["list", "download"]}
        self.assertEqual(
            self.shown(self.find(self.places(rules, folders=["/a/one"]), "/a")), [("/a", "write"), ("/a/one", "read")]
        )

    def test_a_folder_is_no_reason_to_hide_a_file_or_to_follow_a_link(self) -> None:
        self.make("a/one")
        self.refused(self.places(folders=["/a/one"]), "/a", Unsupported)
        os.symlink("/", self.home + b"/a/link")
        self.refused(self.places(folders=["/a/link"]), "/a", Unsupported)
        self.refused(self.places(folders=["/a/link/deep"]), "/a", Unsupported)

    def test_what_is_no_directory_of_this_machine_is_not_shown(self) -> None:
        memory = MemoryStorage()
        self.refused(self.places(cloud=memory), "/cloud", Unsupported)
        self.refused(self.places(cloud=memory), "/", Unsupported)
        self.assertEqual(
            self.shown(self.find(self.places({"/": ["*"], "/cloud": ["upload"]}, cloud=memory), "/")),
            [("/", "write"), ("/cloud", "empty")],
        )

    def test_names_that_patterns_deny(self) -> None:
        self.make("a/old.exe")
        places = self.places(patterns=[FilePattern("/", denied_patterns=("*.exe",))])
        for name in ("old.exe", "new.exe"):
            self.refused(places, f"/a/{name}", PermissionDenied)

    def test_too_many_rules(self) -> None:
        self.make(*(f"a/{number}/" for number in range(300)))
        self.refused(self.places({"/": ["*"], "/a/*": ["list"]}), "/a", Unsupported)

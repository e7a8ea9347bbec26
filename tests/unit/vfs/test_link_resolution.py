"""Random trees full of links: they lead where a naive resolver and the kernel say, and never around permissions."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conchgo.accounts.permissions import Permissions
from conchgo.errors import ConchgoError, TooManyLinks
from conchgo.paths import ROOT, VirtualPath
from conchgo.storage.interface import Create, Kind
from conchgo.storage.links import LinkEncountered
from conchgo.storage.local import LocalStorage
from conchgo.storage.memory import MemoryStorage
from tests.permission_table import snapshot
from tests.unit.vfs.helpers import ALL, View, get, outcome, put, view

Plan = Sequence[tuple[VirtualPath, str, bytes]]

names = st.sampled_from([b"a", b"b", b"c"])
parts = st.sampled_from([b"a", b"b", b"c", b"..", b"..", b".", b""])
places = st.lists(names, min_size=1, max_size=3).map(tuple).map(VirtualPath)
paths = st.lists(names, max_size=5).map(tuple).map(VirtualPath)
relative_targets = st.tuples(names | st.just(b".."), st.lists(parts, max_size=5)).map(
    lambda t: b"/".join((t[0], *t[1]))
)
targets = relative_targets | relative_targets.map(lambda target: b"/" + target)
kinds = st.sampled_from(["directory", "directory", "file", "link", "link"])


def plans(link_targets: st.SearchStrategy[bytes]) -> st.SearchStrategy[Plan]:
    """What to make where, in that order; what can't be made there is left out."""
    return st.lists(st.tuples(places, kinds, link_targets), max_size=25)


def build(storage: Any, plan: Plan) -> None:
    """A file's content is its own path."""
    for path, kind, target in plan:
        try:
            if kind == "directory":
                storage.mkdir(path)
            elif kind == "link":
                storage.symlink(target, path)
            else:
                file = storage.open(path, read=False, write=True, create=Create.NEW)
                file.pwritev([memoryview(bytes(path))], 0)
                file.close()
        except (ConchgoError, LinkEncountered):
            continue


def walk(storage: Any, path: VirtualPath) -> VirtualPath | str:
    """As path_resolution(7) says it: a component at a time, `..` in the tree and not in the text."""
    here, waiting, hops = ROOT, list(path.parts), 0
    while waiting:
        part = waiting.pop(0)
        if storage.lstat(here).kind is not Kind.DIRECTORY:
            return "not a directory"
        if part in (b"", b"."):
            continue
        if part == b"..":
            here = here.parent
            continue
        try:
            kind = storage.lstat(here / part).kind
        except ConchgoError:
            return "missing"
        if kind is not Kind.LINK:
            here = here / part
            continue
        hops += 1
        if hops > 40:
            return "too many links"
        target = storage.readlink(here / part)
        here = ROOT if target.startswith(b"/") else here
        waiting[:0] = target.split(b"/")
    return here


@settings(deadline=None)
@given(plans(targets), paths)
def test_links_lead_where_a_naive_resolver_says(plan: Plan, path: VirtualPath) -> None:
    storage = MemoryStorage()
    build(storage, plan)
    fs = View(storage).fs
    expected = walk(storage, path)
    if isinstance(expected, VirtualPath):
        assert fs.realpath(path) == expected
        assert fs.stat(path) == storage.lstat(expected)
    elif expected == "too many links":
        assert outcome(lambda: fs.stat(path)) is TooManyLinks


@settings(deadline=None)
@given(plans(relative_targets), paths)
def test_links_lead_where_the_kernel_says(plan: Plan, path: VirtualPath) -> None:
    with tempfile.TemporaryDirectory() as directory:
        # Deep below it, so that no target leads anywhere but into nothing.
        root = os.path.join(os.fsencode(directory), b"1/2/3/4/5/6/7/8/9/root")
        os.makedirs(root)
        storage = LocalStorage(root)
        build(storage, plan)
        try:
            descriptor = os.open(root + bytes(path), os.O_PATH)
        except OSError:
            return
        else:
            real = os.readlink(b"/proc/self/fd/%d" % descriptor)
            os.close(descriptor)
            if real == root or real.startswith(root + b"/"):
                fs = View(storage).fs
                assert fs.realpath(path) == VirtualPath.parse(real[len(root) :])
                assert fs.stat(path).identity == (os.stat(real).st_dev, os.stat(real).st_ino)
        finally:
            storage.close()


verbs = st.sets(st.sampled_from(["list", "download", "upload", "overwrite", "rename_files", "delete_files"]))
rule_sets = st.dictionaries(places.map(lambda path: bytes(path).decode()), verbs, max_size=5)


@settings(deadline=None)
@given(plans(targets), paths, rule_sets)
def test_nothing_is_read_where_download_is_not_granted(plan: Plan, path: VirtualPath, rules: Any) -> None:
    storage = MemoryStorage()
    build(storage, plan)
    rules = {"/": ALL, **rules}
    content = outcome(lambda: get(view(storage, rules), bytes(path)))
    if isinstance(content, bytes):
        assert Permissions.parse(rules).allows("download", VirtualPath.parse(content).parent)


@settings(deadline=None)
@given(plans(targets), paths, rule_sets)
def test_nothing_is_written_where_it_is_not_granted(plan: Plan, path: VirtualPath, rules: Any) -> None:
    storage = MemoryStorage()
    build(storage, plan)
    rules = {"/": ALL, **rules}
    before = snapshot(storage)
    outcome(lambda: put(view(storage, rules), bytes(path), b"written"))
    after = snapshot(storage)
    for changed in {where for where, what in after.items() if before.get(where) != what}:
        verb = "overwrite" if changed in before else "upload"
        place = VirtualPath.parse(changed)
        if storage.lstat(place).kind is Kind.FILE:
            assert Permissions.parse(rules).allows(verb, place.parent)


@settings(deadline=None)
@given(plans(targets), paths, paths, rule_sets, st.booleans())
def test_nothing_is_moved_where_it_is_not_granted(
    plan: Plan, old: VirtualPath, new: VirtualPath, rules: Any, replace: bool
) -> None:
    storage = MemoryStorage()
    build(storage, plan)
    rules = {"/": ALL, **rules}
    permissions = Permissions.parse(rules)
    before = snapshot(storage)
    outcome(lambda: view(storage, rules).rename(old, new, replace=replace))
    after = snapshot(storage)
    for gone in before.keys() - after.keys():
        assert not permissions.verbs(VirtualPath.parse(gone).parent).isdisjoint({"rename_files", "rename_dirs"})
    for come in after.keys() - before.keys():
        assert not permissions.verbs(VirtualPath.parse(come).parent).isdisjoint({"rename_files", "rename_dirs"})
    if not replace:
        assert len(after) == len(before)


@pytest.mark.parametrize("path", [b"/a", b"/a/b"])
def test_the_naive_resolver_knows_circles(path: bytes) -> None:
    storage = MemoryStorage()
    build(storage, [(VirtualPath((b"a",)), "link", b"b"), (VirtualPath((b"b",)), "link", b"a")])
    assert walk(storage, VirtualPath.parse(path)) == "too many links"

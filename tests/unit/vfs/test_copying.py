"""Copies of trees, over folders."""

from __future__ import annotations

from pathlib import Path

from conchgo.errors import InvalidArgument, NotADirectory
from conchgo.storage.local import LocalStorage
from conchgo.vfs.copying import TreeCopy
from conchgo.vfs.interface import Filesystem
from tests.permission_table import DIRECTORY, prepare, snapshot
from tests.unit.vfs.helpers import View, get, p


def copied(files: Filesystem, source: bytes, target: bytes) -> TreeCopy:
    copy = TreeCopy(files, p(source), p(target))
    try:
        for _ in range(10_000):
            if not copy.step():
                return copy
    finally:
        copy.close()
    raise AssertionError("the copy has no end")


def test_a_tree_is_copied_from_one_storage_to_another(tmp_path: Path) -> None:
    for name in ("home", "team"):
        (tmp_path / name).mkdir()
    home, team = LocalStorage(bytes(tmp_path / "home")), LocalStorage(bytes(tmp_path / "team"))
    prepare(home, {b"/d": DIRECTORY, b"/d/e": DIRECTORY, b"/d/e/file": b"1", b"/v": DIRECTORY})
    fs = View(home, folders={b"/v/team": team}).fs
    assert copied(fs, b"/d", b"/v/team/d").failures == []
    assert get(fs, b"/v/team/d/e/file") == b"1"
    # A folder is copied along with what leads to it.
    assert copied(fs, b"/v", b"/w").failures == []
    assert get(fs, b"/w/team/d/e/file") == b"1"
    home.close()
    team.close()


def test_a_copy_into_itself_by_way_of_a_folder_ends(tmp_path: Path) -> None:
    """The paths do not tell: the folder's directory lies in the home, too."""
    (tmp_path / "shared").mkdir()
    home, shared = LocalStorage(bytes(tmp_path)), LocalStorage(bytes(tmp_path / "shared"))
    prepare(shared, {b"/file": b"1", b"/d": DIRECTORY, b"/d/file": b"2"})
    fs = View(home, folders={b"/m": shared}).fs
    copy = copied(fs, b"/shared", b"/m/copy")
    assert [(path, type(error)) for path, error in copy.failures] == [(p(b"/shared/copy"), InvalidArgument)]
    assert snapshot(shared).keys() == {
        b"/file",
        b"/d",
        b"/d/file",
        b"/copy",
        b"/copy/file",
        b"/copy/d",
        b"/copy/d/file",
    }
    home.close()
    shared.close()


def test_a_copy_into_itself_by_way_of_a_link_in_the_target_ends(tmp_path: Path) -> None:
    home = LocalStorage(bytes(tmp_path))
    prepare(home, {b"/from": DIRECTORY, b"/from/d": DIRECTORY, b"/from/d/e": DIRECTORY, b"/to": DIRECTORY})
    home.symlink(b"../from/d/e", p(b"/to/d"))
    copy = copied(View(home).fs, b"/from", b"/to")
    assert [(path, type(error)) for path, error in copy.failures] == [(p(b"/from/d"), NotADirectory)]
    assert list((tmp_path / "from" / "d" / "e").iterdir()) == []
    home.close()

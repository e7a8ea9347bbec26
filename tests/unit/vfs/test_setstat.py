"""Changes that clients insist on: made, ignored, or made as far as the storage is able to."""

from __future__ import annotations

from typing import Any

import pytest

from conchgo.accounts.permissions import Permissions
from conchgo.errors import NotFound, PermissionDenied, Unsupported
from conchgo.events.bus import Bus
from conchgo.paths import ROOT
from conchgo.storage.interface import Attributes
from conchgo.storage.memory import MemoryStorage
from conchgo.vfs.compose import Mount, View, compose
from conchgo.vfs.interface import Filesystem
from conchgo.vfs.setstat import SetstatMode
from tests.unit.vfs.helpers import IDENTITY, ORIGIN, READ, WRITE, outcome, p, put

ALL = Attributes(size=2, uid=1, gid=1, mode=0o600, atime=100, mtime=200)


def session(storage: Any, mode: SetstatMode, verbs: Any = ("*",)) -> Filesystem:
    permissions = Permissions.parse({"/": verbs})
    return compose(View({ROOT: Mount(storage)}, permissions, IDENTITY, ORIGIN, Bus(), setstat=mode))


def change(fs: Filesystem, changes: Attributes, by: str) -> None:
    if by == "path":
        fs.set_attributes(p(b"/f"), changes)
        return
    file = fs.open(p(b"/f"), WRITE if changes.size is not None else READ)
    try:
        file.set_attributes(changes)
    finally:
        file.close()


class Plain(MemoryStorage):
    """Knows sizes and times only, as object stores do."""

    def set_attributes(self, path: Any, changes: Attributes, *, link: bool = False) -> None:
        _refuse(changes)
        super().set_attributes(path, changes, link=link)

    def open(self, path: Any, **how: Any) -> Any:
        file = super().open(path, **how)
        plain = file.set_attributes

        def set_attributes(changes: Attributes) -> None:
            _refuse(changes)
            plain(changes)

        file.set_attributes = set_attributes  # type: ignore[method-assign]
        return file


def _refuse(changes: Attributes) -> None:
    if (changes.uid, changes.gid, changes.mode) != (None, None, None):
        raise Unsupported


@pytest.mark.parametrize("by", ["path", "handle"])
def test_what_is_made(by: str) -> None:
    for mode, expected in (
        (SetstatMode.APPLY, (2, 1, 0o600, 200)),
        (SetstatMode.IGNORE, (2, 0, 0o644, 1000)),
        (SetstatMode.IGNORE_UNSUPPORTED, (2, 1, 0o600, 200)),
    ):
        fs = session(MemoryStorage(clock=lambda: 1000), mode)
        put(fs, b"/f", b"data")
        change(fs, ALL, by)
        found = fs.stat(p(b"/f"))
        assert (found.size, found.uid, found.mode & 0o777, found.mtime) == expected, mode


@pytest.mark.parametrize("by", ["path", "handle"])
def test_what_a_storage_is_not_able_to_do(by: str) -> None:
    for mode, expected in (
        (SetstatMode.APPLY, (4, 1000)),
        (SetstatMode.IGNORE, (2, 1000)),
        (SetstatMode.IGNORE_UNSUPPORTED, (2, 200)),
    ):
        fs = session(Plain(clock=lambda: 1000), mode)
        put(fs, b"/f", b"data")
        assert outcome(lambda: change(fs, ALL, by)) is (Unsupported if mode is SetstatMode.APPLY else None)  # noqa: B023
        found = fs.stat(p(b"/f"))
        assert (found.size, found.mtime) == expected, mode


@pytest.mark.parametrize("mode", SetstatMode)
def test_the_permission_is_asked_in_any_case(mode: SetstatMode) -> None:
    storage = MemoryStorage()
    put(session(storage, mode), b"/f")
    fs = session(storage, mode, ("list", "download", "overwrite"))
    for changes in (Attributes(mode=0o600), Attributes(uid=1), Attributes(mtime=1)):
        for by in ("path", "handle"):
            assert outcome(lambda: change(fs, changes, by)) is PermissionDenied  # noqa: B023


@pytest.mark.parametrize("mode", SetstatMode)
def test_what_is_not_there_is_told_and_links_are_followed(mode: SetstatMode) -> None:
    fs = session(MemoryStorage(), mode)
    fs.symlink(b"missing", p(b"/l"))
    for path in (b"/missing", b"/l"):
        assert outcome(lambda: fs.set_attributes(p(path), Attributes(mtime=1))) is NotFound  # noqa: B023

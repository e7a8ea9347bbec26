"""What holds for a user holds at every door: permissions, patterns, folders and quotas, and no more than these."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from conchgo.accounts.model import Filters, Folder, VirtualFolder
from conchgo.commands.table import ALL
from conchgo.storage.local import LocalStorage
from tests.door_table import FOLDER, HOME, PLACES, PROTECTIONS, Place, Protection
from tests.doors import DOORS, GENERIC_SFTP_DOOR, SFTP_DOOR, Door, said
from tests.interop.asyncssh_client import in_loop
from tests.interop.service import Servers, eventually
from tests.interop.starter import FAST, GENERIC
from tests.permission_table import Answer, Row, Took, Tree, prepare, snapshot

PATHS = {GENERIC_SFTP_DOOR.name: GENERIC}


def _empty(directory: Path) -> None:
    """All that is in it: the server holds the directory itself."""
    for entry in directory.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()


def _look(directory: Path) -> Any:
    stat = directory.stat()
    return stat.st_mode, stat.st_uid, stat.st_mtime, os.listdir(directory)


class Stage:
    """Where an operation is done and looked at: a directory, and what is mounted in there."""

    def __init__(self, directory: Path, *mounted: Path) -> None:
        self._directory = directory
        self._mounted = mounted

    @contextmanager
    def prepared(self, row: Row) -> Iterator[Callable[[], Any]]:
        """Yields what tells all that can be changed."""
        _empty(self._directory)
        for directory in self._mounted:
            _empty(directory)
            os.utime(directory, (0, 0))
        with closing(LocalStorage(os.fsencode(self._directory))) as storage:
            prepare(storage, row.tree)
            yield lambda: (snapshot(storage), [_look(directory) for directory in self._mounted])


async def _check(door: Door, client: Any, stage: Stage, row: Row, expected: Answer) -> None:
    with stage.prepared(row) as look:
        before = look()
        assert await said(door, client, row) in expected, row.name
        if expected is Answer.DONE:
            assert (look() != before) == row.writes, row.name
        else:
            assert look() == before or not row.whole, row.name


@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.name)
def test_every_row_is_said(door: Door) -> None:
    assert {row.name for row in door.rows} == door.words.keys()


@pytest.mark.parametrize(
    ("door", "place"),
    [
        pytest.param(
            door,
            place,
            id=f"{door.name} in {place.name}",
            marks=() if place is HOME or (door, place) == (SFTP_DOOR, FOLDER) else pytest.mark.full,
        )
        for door in DOORS
        for place in PLACES
    ],
)
@pytest.mark.parametrize("protection", PROTECTIONS, ids=lambda protection: protection.name)
@in_loop
async def test_what_protects_a_user_holds(
    servers: Servers, tmp_path: Path, protection: Protection, place: Place, door: Door
) -> None:
    folders = dict(place.folders)
    if protection.folder:
        folders[f"{place.base.rstrip('/')}/{protection.folder}"] = "mounted"
    user = servers.user(
        permissions=protection.permissions(place.base),
        filters=Filters(start_directory=place.base, file_patterns=protection.patterns(place.base)),
        virtual_folders=tuple(VirtualFolder(name, path) for path, name in folders.items()),
    )
    records = tuple(Folder(name, str(tmp_path / name)) for name in folders.values())
    service = servers.start(user, folders=records, path=PATHS.get(door.name, FAST), commands=(ALL,))
    async with door.client(service) as client:
        directory = tmp_path / "place" if "place" in folders.values() else service.home
        stage = Stage(directory, *([tmp_path / "mounted"] if protection.folder else []))
        for row in door.rows:
            await _check(door, client, stage, row, protection.expected(row))


@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.name)
@in_loop
async def test_nothing_needs_other_verbs_than_its_own(servers: Servers, door: Door) -> None:
    """A user for each set of verbs that something needs, all on one server."""
    needs = sorted({tuple(sorted(row.verbs)) for row in door.rows})
    # "/" must have a verb, so one that does nothing stands in for none.
    names = {verbs: f"user{number}" for number, verbs in enumerate(needs)}
    users = {verbs: servers.user(names[verbs], permissions={"/": verbs or ("copy",)}) for verbs in needs}
    service = servers.start(*users.values(), path=PATHS.get(door.name, FAST), commands=(ALL,))
    for verbs, user in users.items():
        async with door.client(service, username=user.username) as client:
            for row in door.rows:
                expected = Answer.DONE if row.verbs <= set(verbs) else Answer.REFUSED
                await _check(door, client, Stage(Path(user.home_dir)), row, expected)


#: There must be something that a limit can be.
BALLAST = {b"/ballast": b"12345"}


def _has_only(storage: LocalStorage, what: dict[bytes, object]) -> bool:
    return snapshot(storage).items() <= what.items()


@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.name)
@pytest.mark.parametrize("full", [Took.A_FILE, Took.BYTES])
@in_loop
async def test_nobody_takes_more_than_the_quota(servers: Servers, door: Door, full: Took) -> None:
    """For each row a user who has all that he may have; that is counted when he logs in."""
    trees = [BALLAST | row.tree for row in door.rows]
    users = [servers.user(f"user{number}", **_limits(tree, full)) for number, tree in enumerate(trees)]
    service = servers.start(*users, path=PATHS.get(door.name, FAST), commands=(ALL,))
    for row, tree, user in zip(door.rows, trees, users, strict=True):
        with closing(LocalStorage(os.fsencode(user.home_dir))) as storage:
            prepare(storage, tree)
            before = snapshot(storage)
            async with door.client(service, username=user.username) as client:
                answer = await said(door, client, row)
            if not full & row.takes:
                assert answer is Answer.DONE, row.name
                continue
            assert answer is Answer.OVER_QUOTA, row.name
            # Written straight to a file that was emptied for it, an upload takes that file along. Who leaves with the
            # file open is done with a moment later.
            if row.whole:
                eventually(partial(_has_only, storage, before), f"nothing of {row.name} is kept")


def _limits(tree: Tree, full: Took) -> dict[str, int]:
    contents = [what for what in tree.values() if isinstance(what, bytes)]
    return {"quota_files": len(contents)} if full is Took.A_FILE else {"quota_size": sum(map(len, contents))}


def _has_only(storage: LocalStorage, what: dict[bytes, object]) -> bool:
    return snapshot(storage).items() <= what.items()

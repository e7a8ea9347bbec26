"""What holds for a user holds at every door: permissions, patterns, and no more than these."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from conchgo.accounts.model import Filters, Folder, VirtualFolder
from conchgo.storage.local import LocalStorage
from tests.door_table import (
    DOORS,
    FOLDER,
    GENERIC_SFTP_DOOR,
    HOME,
    PLACES,
    PROTECTIONS,
    SFTP_DOOR,
    Door,
    Place,
    Protection,
    said,
)
from tests.interop.asyncssh_client import in_loop
from tests.interop.service import Servers
from tests.interop.starter import FAST, GENERIC
from tests.permission_table import OPERATIONS, Answer, Operation, prepare, snapshot

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
    def prepared(self, operation: Operation) -> Iterator[Callable[[], Any]]:
        """Yields what tells all that can be changed."""
        _empty(self._directory)
        for directory in self._mounted:
            os.utime(directory, (0, 0))
        with closing(LocalStorage(os.fsencode(self._directory))) as storage:
            prepare(storage, operation.tree)
            yield lambda: (snapshot(storage), [_look(directory) for directory in self._mounted])


async def _check(door: Door, client: Any, stage: Stage, operation: Operation, expected: Answer) -> None:
    with stage.prepared(operation) as look:
        before = look()
        assert await said(door, client, operation) in expected, operation.name
        if expected is Answer.DONE:
            assert (look() != before) == operation.writes, operation.name
        else:
            # What makes a file and then reads it has made it; all else changed nothing.
            assert operation.name == "upload and read back" or look() == before, operation.name


def test_every_operation_is_said_at_some_door() -> None:
    assert {row.name for row in OPERATIONS} == {name for door in DOORS for name in door.words}


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
    service = servers.start(user, folders=records, path=PATHS.get(door.name, FAST))
    async with door.client(service) as client:
        directory = tmp_path / "place" if "place" in folders.values() else service.home
        stage = Stage(directory, *([tmp_path / "mounted"] if protection.folder else []))
        for operation in OPERATIONS:
            if operation.name in door.words:
                await _check(door, client, stage, operation, protection.expected(operation))


@in_loop
async def test_an_operation_needs_no_other_verbs_than_its_own(servers: Servers) -> None:
    """A user for each set of verbs that some operation needs, all on one server."""
    needs = sorted({tuple(sorted(row.verbs)) for row in OPERATIONS})
    # "/" must have a verb, so one that does nothing stands in for none.
    names = {verbs: f"user{number}" for number, verbs in enumerate(needs)}
    users = {verbs: servers.user(names[verbs], permissions={"/": verbs or ("copy",)}) for verbs in needs}
    service = servers.start(*users.values())
    for verbs, user in users.items():
        async with SFTP_DOOR.client(service, username=user.username) as client:
            for operation in OPERATIONS:
                expected = Answer.DONE if operation.verbs <= set(verbs) else Answer.REFUSED
                await _check(SFTP_DOOR, client, Stage(Path(user.home_dir)), operation, expected)

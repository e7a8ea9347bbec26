"""What holds for a user holds at every door: permissions, patterns, and no more than these."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from conchgo.storage.local import LocalStorage
from tests.door_table import DOORS, GENERIC_SFTP_DOOR, PROTECTIONS, SFTP_DOOR, Door, Protection, said
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


async def _check(door: Door, client: Any, directory: Path, operation: Operation, expected: Answer) -> None:
    _empty(directory)
    storage = LocalStorage(os.fsencode(directory))
    try:
        prepare(storage, operation.tree)
        before = snapshot(storage)
        assert await said(door, client, operation) is expected, operation.name
        if expected is Answer.DONE:
            assert (snapshot(storage) != before) == operation.writes, operation.name
        else:
            # What makes a file and then reads it has made it; all else changed nothing.
            assert operation.name == "upload and read back" or snapshot(storage) == before, operation.name
    finally:
        storage.close()


def test_every_operation_is_said_at_some_door() -> None:
    assert {row.name for row in OPERATIONS} == {name for door in DOORS for name in door.words}


@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.name)
@pytest.mark.parametrize("protection", PROTECTIONS, ids=lambda protection: protection.name)
@in_loop
async def test_what_protects_a_user_holds(servers: Servers, protection: Protection, door: Door) -> None:
    service = servers.start(servers.user(**protection.fields("/")), path=PATHS.get(door.name, FAST))
    async with door.client(service) as client:
        for operation in OPERATIONS:
            if operation.name in door.words:
                await _check(door, client, service.home, operation, protection.expected(operation))


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
                await _check(SFTP_DOOR, client, Path(user.home_dir), operation, expected)
